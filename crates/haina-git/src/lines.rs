//! What differs between two texts, line by line, and how two changes of one text go together.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, Hunk, InternedInput};

/// Lines shown around each change.
const CONTEXT: u32 = 3;
/// Most lines of a text between what both begin and what both end with: above this, hostile texts take seconds.
pub const EXTENT_LINES_MAX: usize = 20_000;

fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|b| *b == b'\n').collect()
}

/// Lines of the larger text between what both begin and what both end with: what comparing them costs.
pub fn extent(old: &[u8], new: &[u8]) -> usize {
    let (old, new) = (split(old), split(new));
    let begin = old.iter().zip(&new).take_while(|(o, n)| o == n).count();
    let (old, new) = (&old[begin..], &new[begin..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(o, n)| o == n).count();
    old.len().max(new.len()) - end
}

/// Changes from one text to another, in order, with unchanged lines between them. The caller has seen to
/// [`EXTENT_LINES_MAX`].
fn hunks(old: &[u8], new: &[u8]) -> Vec<Hunk> {
    let lines = imara_diff::sources::byte_lines;
    let input = InternedInput::new(lines(old), lines(new));
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    diff.hunks().collect()
}

fn slice<'a, 'b>(lines: &'b [&'a [u8]], range: Range<u32>) -> &'b [&'a [u8]] {
    lines.get(range.start as usize..range.end as usize).unwrap_or_default()
}

/// A line of a diff, and git's remark when it is the last one and does not end.
fn push_line(out: &mut Vec<u8>, mark: u8, line: &[u8]) {
    out.push(mark);
    out.extend_from_slice(line);
    if !line.ends_with(b"\n") {
        out.extend_from_slice(b"\n\\ No newline at end of file\n");
    }
}

/// `start,count` as diffs write it: from 1, and the line before when there is none.
fn push_range(out: &mut Vec<u8>, range: &Range<u32>) {
    let count = range.end - range.start;
    let start = if count == 0 { range.start } else { range.start + 1 };
    let text = if count == 1 { start.to_string() } else { format!("{start},{count}") };
    out.extend_from_slice(text.as_bytes());
}

/// The hunks of a unified diff, as git writes them without function names; empty if the texts are the same, `None` if
/// they differ in more than [`EXTENT_LINES_MAX`].
pub fn unified(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    if extent(old, new) > EXTENT_LINES_MAX {
        return None;
    }
    let hunks = hunks(old, new);
    let (old, new) = (split(old), split(new));
    let mut out = Vec::new();
    let mut rest = hunks.as_slice();
    while let Some(first) = rest.first() {
        // Changes whose surroundings touch are shown together.
        let near = |pair: &[Hunk]| pair[1].before.start - pair[0].before.end <= 2 * CONTEXT;
        let count = 1 + rest.windows(2).take_while(|pair| near(pair)).count();
        let (group, later) = rest.split_at(count);
        rest = later;
        let last = &group[count - 1];
        let before = first.before.start.min(CONTEXT);
        let after = (old.len() as u32 - last.before.end).min(CONTEXT);
        out.extend_from_slice(b"@@ -");
        push_range(&mut out, &(first.before.start - before..last.before.end + after));
        out.extend_from_slice(b" +");
        push_range(&mut out, &(first.after.start - before..last.after.end + after));
        out.extend_from_slice(b" @@\n");
        let mut at = first.before.start - before;
        for hunk in group {
            for line in slice(&old, at..hunk.before.start) {
                push_line(&mut out, b' ', line);
            }
            for line in slice(&old, hunk.before.clone()) {
                push_line(&mut out, b'-', line);
            }
            for line in slice(&new, hunk.after.clone()) {
                push_line(&mut out, b'+', line);
            }
            at = hunk.before.end;
        }
        for line in slice(&old, at..at + after) {
            push_line(&mut out, b' ', line);
        }
    }
    Some(out)
}

/// One side of a merge: its lines, and what it changed.
struct Side<'a> {
    lines: Vec<&'a [u8]>,
    hunks: Vec<Hunk>,
    next: usize,
}

impl<'a> Side<'a> {
    fn new(base: &[u8], text: &'a [u8]) -> Self {
        Self { lines: split(text), hunks: hunks(base, text), next: 0 }
    }

    /// Where its next change begins.
    fn start(&self) -> Option<u32> {
        self.hunks.get(self.next).map(|h| h.before.start)
    }

    /// Takes changes that begin up to `end`, which grows with them; whether there were any.
    fn take(&mut self, end: &mut u32) -> bool {
        let from = self.next;
        while let Some(hunk) = self.hunks.get(self.next).filter(|h| h.before.start <= *end) {
            *end = (*end).max(hunk.before.end);
            self.next += 1;
        }
        self.next > from
    }

    /// What it made of the base's lines `range`, in which its changes from number `from` on lie; none if it has none.
    fn made(&self, from: usize, range: &Range<u32>) -> Option<&[&'a [u8]]> {
        let own = self.hunks.get(from..self.next)?;
        let (first, last) = (own.first()?, own.last()?);
        let start = first.after.start - (first.before.start - range.start);
        let end = last.after.end + (range.end - last.before.end);
        Some(slice(&self.lines, start..end))
    }
}

/// Both changes of one text together; `None` if they touch the same lines, or lines beside each other, differently, or
/// if there is too much to compare.
pub fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    if extent(base, ours).max(extent(base, theirs)) > EXTENT_LINES_MAX {
        return None;
    }
    let lines = split(base);
    let (mut ours, mut theirs) = (Side::new(base, ours), Side::new(base, theirs));
    let mut out = Vec::with_capacity(base.len());
    let mut at = 0;
    while let Some(start) = ours.start().into_iter().chain(theirs.start()).min() {
        let from = (ours.next, theirs.next);
        let mut end = start;
        while ours.take(&mut end) | theirs.take(&mut end) {}
        let range = start..end;
        let made = match (ours.made(from.0, &range), theirs.made(from.1, &range)) {
            (Some(ours), Some(theirs)) if ours == theirs => ours,
            (Some(_), Some(_)) => return None,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return None,
        };
        out.extend(slice(&lines, at..start).iter().chain(made).flat_map(|l| l.iter()));
        at = end;
    }
    out.extend(slice(&lines, at..lines.len() as u32).iter().flat_map(|l| l.iter()));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(old: &str, new: &str) -> String {
        String::from_utf8(unified(old.as_bytes(), new.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn diffs_are_those_of_git() {
        assert_eq!(text("a\n", "a\n"), "");
        assert_eq!(text("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(text("a\nb\n", ""), "@@ -1,2 +0,0 @@\n-a\n-b\n");
        assert_eq!(
            text("a\nb", "a\nc"),
            "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"
        );
        let old: String = (1..=30).map(|i| format!("{i}\n")).collect();
        let new = old.replace("\n5\n", "\nfive\n").replace("\n25\n", "\n");
        assert_eq!(
            text(&old, &new),
            "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -22,7 +22,6 @@\n 22\n 23\n 24\n-25\n 26\n 27\n 28\n"
        );
    }

    fn merged(base: &str, ours: &str, theirs: &str) -> Option<String> {
        merge(base.as_bytes(), ours.as_bytes(), theirs.as_bytes()).map(|m| String::from_utf8(m).unwrap())
    }

    #[test]
    fn changes_in_different_places_go_together() {
        let base = "1\n2\n3\n4\n5\n6\n";
        assert_eq!(merged(base, "one\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\n5\nsix\n").unwrap(), "one\n2\n3\n4\n5\nsix\n");
        assert_eq!(merged(base, base, "1\n6\n").unwrap(), "1\n6\n");
        assert_eq!(merged(base, "0\n1\n2\n3\n4\n5\n6\n", "1\n2\n3\n5\n6\n7\n").unwrap(), "0\n1\n2\n3\n5\n6\n7\n");
        assert_eq!(merged(base, "1\nx\n3\n4\n5\n6\n", "1\nx\n3\n4\n5\n6\n").unwrap(), "1\nx\n3\n4\n5\n6\n");
        assert_eq!(merged("", "a\n", "a\n").unwrap(), "a\n");
    }

    #[test]
    fn changes_of_the_same_lines_do_not() {
        let base = "1\n2\n3\n4\n";
        assert_eq!(merged(base, "1\nx\n3\n4\n", "1\ny\n3\n4\n"), None);
        assert_eq!(merged(base, "1\nx\n3\n4\n", "1\n2\ny\n4\n"), None, "beside each other, as git has it");
        assert_eq!(merged("", "a\n", "b\n"), None);
        assert_eq!(merged(base, "", "1\n2\n3\n4\n5\n"), None);
    }

    /// Seeded: a merge with an unchanged side is the other side, and what is merged does not depend on the order.
    #[test]
    fn merging_is_sound() {
        let mut seed = 7u64;
        let mut random = move |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        };
        for _ in 0..3000 {
            let mut texts = Vec::new();
            let base: Vec<String> = (0..random(12)).map(|_| format!("{}\n", random(4))).collect();
            for _ in 0..2 {
                let mut lines = base.clone();
                for _ in 0..random(3) {
                    let at = random(lines.len() as u64 + 1) as usize;
                    match random(3) {
                        0 if at < lines.len() => drop(lines.remove(at)),
                        1 if at < lines.len() => lines[at] = format!("x{}\n", random(3)),
                        _ => lines.insert(at, format!("y{}\n", random(3))),
                    }
                }
                texts.push(lines.concat());
            }
            let (base, a, b) = (base.concat(), &texts[0], &texts[1]);
            assert_eq!(merged(&base, a, &base).as_ref(), Some(a));
            assert_eq!(merged(&base, &base, b).as_ref(), Some(b));
            assert_eq!(merged(&base, a, a).as_ref(), Some(a));
            assert_eq!(merged(&base, a, b), merged(&base, b, a));
        }
    }

    #[test]
    fn too_much_is_not_compared() {
        let text = |n: usize, by: usize| (0..n).map(|i| format!("{}\n", (i * by) % 7)).collect::<String>();
        let (old, new) = (text(EXTENT_LINES_MAX + 100, 3), text(EXTENT_LINES_MAX + 100, 5));
        assert!(unified(old.as_bytes(), new.as_bytes()).is_none());
        assert!(merge(b"", old.as_bytes(), new.as_bytes()).is_none());
        // What both have at either end does not count.
        let long = text(100_000, 3);
        let longer = format!("first\n{long}last\n");
        assert_eq!(extent(long.as_bytes(), longer.as_bytes()), 100_002);
        assert_eq!(extent(long.as_bytes(), &longer.as_bytes()[6..]), 1);
        assert!(unified(long.as_bytes(), &longer.as_bytes()[6..]).is_some());
    }
}
