//! The patterns of `.gitignore` and `.gitattributes`, as git's `dir.c` and `wildmatch.c` understand them.

/// One step of a compiled wildcard.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Byte(u8),
    /// `?`
    Any,
    /// `*`: any bytes but slashes.
    Star,
    /// Any bytes.
    StarStar,
    /// `**/`: nothing, or any bytes that end in a slash.
    Folders,
    /// `[...]`: the bytes that match.
    Class(Box<[u64; 4]>),
}

/// A compiled wildcard. Matching takes at most pattern × text steps, whatever the pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wild {
    steps: Vec<Step>,
}

fn class_has(class: &[u64; 4], c: u8) -> bool {
    class[usize::from(c >> 6)] >> (c & 63) & 1 == 1
}

fn posix_class(name: &[u8], c: u8) -> Option<bool> {
    Some(match name {
        b"alnum" => c.is_ascii_alphanumeric(),
        b"alpha" => c.is_ascii_alphabetic(),
        b"blank" => matches!(c, b' ' | b'\t'),
        b"cntrl" => c.is_ascii_control(),
        b"digit" => c.is_ascii_digit(),
        b"graph" => c.is_ascii_graphic(),
        b"lower" => c.is_ascii_lowercase(),
        b"print" => c.is_ascii_graphic() || c == b' ',
        b"punct" => c.is_ascii_punctuation(),
        b"space" => c.is_ascii_whitespace() || c == 0x0b,
        b"upper" => c.is_ascii_uppercase(),
        b"xdigit" => c.is_ascii_hexdigit(),
        _ => return None,
    })
}

/// The class that begins at `pattern[0] == b'['`, and its length; `None` if it is malformed.
fn parse_class(pattern: &[u8], pathname: bool) -> Option<(Box<[u64; 4]>, usize)> {
    let mut set = Box::new([0u64; 4]);
    let mut add = |c: u8| set[usize::from(c >> 6)] |= 1 << (c & 63);
    let mut i = 1;
    let negated = matches!(pattern.get(i), Some(b'!' | b'^'));
    i += usize::from(negated);
    let mut previous: Option<u8> = None;
    let mut first = true;
    loop {
        let c = *pattern.get(i)?;
        if c == b']' && !first {
            break;
        }
        first = false;
        match c {
            b'\\' => {
                i += 1;
                let c = *pattern.get(i)?;
                add(c);
                previous = Some(c);
            }
            b'-' if previous.is_some() && pattern.get(i + 1).is_some_and(|n| *n != b']') => {
                i += 1;
                if pattern[i] == b'\\' {
                    i += 1;
                }
                let last = *pattern.get(i)?;
                (previous.unwrap_or(last)..=last).for_each(&mut add);
                previous = None;
            }
            b'[' if pattern.get(i + 1) == Some(&b':') => {
                let start = i + 2;
                let end = start + pattern[start..].iter().position(|c| *c == b']')?;
                if end > start && pattern[end - 1] == b':' {
                    let name = &pattern[start..end - 1];
                    for c in 0..=255 {
                        if posix_class(name, c)? {
                            add(c);
                        }
                    }
                    i = end;
                    previous = None;
                } else {
                    add(b'[');
                    previous = Some(b'[');
                }
            }
            c => {
                add(c);
                previous = Some(c);
            }
        }
        i += 1;
    }
    if negated {
        set.iter_mut().for_each(|w| *w = !*w);
    }
    if pathname {
        set[0] &= !(1 << b'/');
    }
    Some((set, i + 1))
}

impl Wild {
    /// `None` for a malformed pattern, which matches nothing. With `pathname`, `*`, `?` and classes stop at slashes.
    fn new(pattern: &[u8], pathname: bool) -> Option<Self> {
        let mut steps = Vec::with_capacity(pattern.len());
        let mut i = 0;
        while i < pattern.len() {
            match pattern[i] {
                b'\\' => {
                    steps.push(Step::Byte(*pattern.get(i + 1)?));
                    i += 2;
                }
                b'?' => {
                    steps.push(if pathname { Step::Any } else { Step::Class(Box::new([!0; 4])) });
                    i += 1;
                }
                b'[' => {
                    let (set, len) = parse_class(&pattern[i..], pathname)?;
                    steps.push(Step::Class(set));
                    i += len;
                }
                b'*' => {
                    let start = i;
                    while pattern.get(i) == Some(&b'*') {
                        i += 1;
                    }
                    let rest = &pattern[i..];
                    let alone = i - start > 1
                        && (start == 0 || pattern[start - 1] == b'/')
                        && (rest.is_empty() || rest[0] == b'/' || rest.starts_with(b"\\/"));
                    if !pathname {
                        steps.push(Step::StarStar);
                    } else if alone && rest.first() == Some(&b'/') {
                        steps.push(Step::Folders);
                        i += 1;
                    } else {
                        steps.push(if alone { Step::StarStar } else { Step::Star });
                    }
                }
                c => {
                    steps.push(Step::Byte(c));
                    i += 1;
                }
            }
        }
        Some(Self { steps })
    }

    /// Enters a step, and those that may follow it without a byte.
    fn enter(&self, set: &mut [At], mut at: usize) {
        // What was entered already has been followed already.
        while set[at] != At::Entered {
            set[at] = At::Entered;
            match self.steps.get(at) {
                Some(Step::Star | Step::StarStar | Step::Folders) => at += 1,
                _ => break,
            }
        }
    }

    fn matches(&self, text: &[u8]) -> bool {
        // The set of steps that may come next: no pattern can make it explode.
        let end = self.steps.len();
        let (mut now, mut next) = (vec![At::No; end + 1], vec![At::No; end + 1]);
        self.enter(&mut now, 0);
        for c in text {
            next.fill(At::No);
            let mut alive = false;
            for (i, step) in self.steps.iter().enumerate().filter(|(i, _)| now[*i] != At::No) {
                let to = match step {
                    Step::Byte(b) => (b == c).then_some(i + 1),
                    Step::Any => (*c != b'/').then_some(i + 1),
                    Step::Class(set) => class_has(set, *c).then_some(i + 1),
                    Step::Star => (*c != b'/').then_some(i),
                    Step::StarStar => Some(i),
                    Step::Folders => {
                        if next[i] == At::No {
                            next[i] = At::Within;
                        }
                        alive = true;
                        (*c == b'/').then_some(i + 1)
                    }
                };
                if let Some(to) = to {
                    self.enter(&mut next, to);
                    alive = true;
                }
            }
            if !alive {
                return false;
            }
            std::mem::swap(&mut now, &mut next);
        }
        now[end] != At::No
    }
}

/// Whether matching may be at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    No,
    /// Within a folder's name of `**/`, which cannot be left here.
    Within,
    Entered,
}

/// How a pattern is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum How {
    /// It is this text.
    Exact,
    /// It ends in this text.
    EndsWith,
    /// It begins with this text, and the wildcard matches the rest.
    Wild(Wild),
    /// It is malformed.
    Never,
}

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Began with `!`.
    pub(crate) negative: bool,
    /// Ended with `/`.
    pub(crate) folders_only: bool,
    /// Without a slash: compared with the last name of a path, wherever it is.
    by_name: bool,
    literal: Vec<u8>,
    how: How,
}

fn is_special(c: u8) -> bool {
    matches!(c, b'*' | b'?' | b'[' | b'\\')
}

impl Pattern {
    pub(crate) fn parse(text: &[u8]) -> Self {
        let (negative, text) = text.strip_prefix(b"!").map_or((false, text), |rest| (true, rest));
        let (folders_only, text) = text.strip_suffix(b"/").map_or((false, text), |rest| (true, rest));
        let by_name = !text.contains(&b'/');
        let text = text.strip_prefix(b"/").unwrap_or(text);
        let plain = text.iter().position(|c| is_special(*c)).unwrap_or(text.len());
        let (literal, how) = if plain == text.len() {
            (text, How::Exact)
        } else if by_name && text[0] == b'*' && !text[1..].iter().any(|c| is_special(*c)) {
            (&text[1..], How::EndsWith)
        } else {
            // git compares the part before the first wildcard by itself, so that `a**/b` is `a` and then `**/b`.
            let (literal, rest) = text.split_at(if by_name { 0 } else { plain });
            (literal, Wild::new(rest, !by_name).map_or(How::Never, How::Wild))
        };
        Self { negative, folders_only, by_name, literal: literal.to_vec(), how }
    }

    /// The steps that one comparison may take for each byte of a path.
    pub(crate) fn cost(&self) -> usize {
        if let How::Wild(wild) = &self.how { wild.steps.len() } else { 0 }
    }

    /// Whether it matches a path relative to the folder of the pattern's file.
    pub(crate) fn matches(&self, path: &[u8], is_folder: bool) -> bool {
        if self.folders_only && !is_folder {
            return false;
        }
        let text = match path.iter().rposition(|c| *c == b'/') {
            Some(slash) if self.by_name => &path[slash + 1..],
            _ => path,
        };
        match &self.how {
            How::Exact => text == self.literal,
            How::EndsWith => text.ends_with(&self.literal),
            How::Wild(wild) => text.strip_prefix(self.literal.as_slice()).is_some_and(|rest| wild.matches(rest)),
            How::Never => false,
        }
    }
}

/// The most steps that all patterns of a set may take for each byte of a path; what follows is not applied.
/// Ordinary files have a hundredth of it: names and `*.ending` cost nothing.
pub(crate) const COST_MAX: usize = 1 << 13;
/// The most patterns of a set.
pub(crate) const RULES_MAX: usize = 20_000;

/// A path relative to a folder, if it lies in it.
pub(crate) fn relative<'a>(path: &'a [u8], base: &[u8]) -> Option<&'a [u8]> {
    if base.is_empty() {
        return Some(path);
    }
    path.strip_prefix(base)?.strip_prefix(b"/")
}
