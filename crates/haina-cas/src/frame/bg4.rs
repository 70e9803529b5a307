//! Byte grouping: bytes 0, 4, 8… of a chunk, then 1, 5, 9…, 2, 6, 10… and 3, 7, 11…. Where the length is not a
//! multiple of 4, the first groups have one byte more.

/// Where the groups begin.
fn planes(len: usize) -> [usize; 5] {
    let size = |i: usize| len / 4 + usize::from(len % 4 > i);
    let first = size(0);
    let second = first + size(1);
    let third = second + size(2);
    [0, first, second, third, len]
}

/// Collects the bytes of `raw` in groups. Both slices have one length.
pub(super) fn group(raw: &[u8], out: &mut [u8]) {
    let starts = planes(raw.len());
    for (plane, window) in starts.windows(2).enumerate() {
        for (o, b) in out[window[0]..window[1]].iter_mut().zip(raw[plane.min(raw.len())..].iter().step_by(4)) {
            *o = *b;
        }
    }
}

/// Undoes [`group`].
pub(super) fn ungroup(grouped: &[u8], out: &mut [u8]) {
    let [_, a, b, c, end] = planes(out.len());
    let (p0, p1, p2, p3) = (&grouped[..a], &grouped[a..b], &grouped[b..c], &grouped[c..end]);
    let mut quads = out.chunks_exact_mut(4);
    // The zips let the compiler drop all bounds checks and interleave with vector instructions.
    for ((((quad, w), x), y), z) in (&mut quads).zip(p0).zip(p1).zip(p2).zip(p3) {
        quad.copy_from_slice(&[*w, *x, *y, *z]);
    }
    let whole = grouped.len() / 4;
    for (o, plane) in quads.into_remainder().iter_mut().zip([p0, p1, p2]) {
        *o = plane[whole];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_where_the_specification_says() {
        let raw: Vec<u8> = (0..11).collect();
        let mut out = vec![0; 11];
        group(&raw, &mut out);
        assert_eq!(out, [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7]);
        for len in 0..70u8 {
            let raw: Vec<u8> = (0..len).collect();
            let (mut grouped, mut back) = (vec![0; raw.len()], vec![0; raw.len()]);
            group(&raw, &mut grouped);
            ungroup(&grouped, &mut back);
            assert_eq!(back, raw);
        }
    }
}
