//! Deltas: an object as copies from another and new bytes.

/// Why a delta cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// It ends too early, copies from outside of its base, or has an operation that there is not.
    #[error("broken delta")]
    Broken,
    /// It was made for a base of another size.
    #[error("a delta does not fit its base")]
    Base,
    /// Its result is not as long as it says.
    #[error("a delta gives another size than it says")]
    Size,
}

fn varint(delta: &[u8], at: &mut usize) -> Result<u64, DeltaError> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
        let byte = *delta.get(*at).ok_or(DeltaError::Broken)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(DeltaError::Broken)
}

/// The sizes that a delta says its base and its result have.
pub fn delta_sizes(delta: &[u8]) -> Result<(u64, u64), DeltaError> {
    let mut at = 0;
    Ok((varint(delta, &mut at)?, varint(delta, &mut at)?))
}

/// Applies a delta. The caller has looked at [`delta_sizes`]: that many bytes are made.
pub fn apply_delta(base: &[u8], delta: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let mut at = 0;
    let base_size = varint(delta, &mut at)?;
    let size = varint(delta, &mut at)?;
    if base_size != base.len() as u64 {
        return Err(DeltaError::Base);
    }
    let size = usize::try_from(size).map_err(|_| DeltaError::Size)?;
    let mut out = Vec::with_capacity(size);
    while let Some(&op) = delta.get(at) {
        at += 1;
        if op & 0x80 != 0 {
            let mut take = |bits: u8, count: u8| -> Result<usize, DeltaError> {
                let mut value = 0;
                for i in (0..count).filter(|i| bits & 1 << i != 0) {
                    value |= usize::from(*delta.get(at).ok_or(DeltaError::Broken)?) << (8 * i);
                    at += 1;
                }
                Ok(value)
            };
            let from = take(op, 4)?;
            let len = match take(op >> 4 & 7, 3)? {
                0 => 0x10000,
                len => len,
            };
            let piece = from.checked_add(len).and_then(|end| base.get(from..end)).ok_or(DeltaError::Broken)?;
            if piece.len() > size - out.len() {
                return Err(DeltaError::Size);
            }
            out.extend_from_slice(piece);
        } else if op > 0 {
            let piece = delta.get(at..at + usize::from(op)).ok_or(DeltaError::Broken)?;
            at += piece.len();
            if piece.len() > size - out.len() {
                return Err(DeltaError::Size);
            }
            out.extend_from_slice(piece);
        } else {
            return Err(DeltaError::Broken);
        }
    }
    if out.len() == size { Ok(out) } else { Err(DeltaError::Size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_insertions() {
        // "hello world" → "world, hello"
        let delta = [11, 12, 0x91, 6, 5, 2, b',', b' ', 0x90, 5];
        assert_eq!(apply_delta(b"hello world", &delta).unwrap(), b"world, hello");
        assert_eq!(delta_sizes(&delta).unwrap(), (11, 12));
        let long = vec![7u8; 0x10000];
        assert_eq!(apply_delta(&long, &[0x80, 0x80, 4, 0x80, 0x80, 4, 0x80]).unwrap(), long);
    }

    #[test]
    fn broken_ones() {
        let base = b"hello world";
        for (delta, error) in [
            (&[][..], DeltaError::Broken),
            (&[11], DeltaError::Broken),
            (&[0x80; 12], DeltaError::Broken),
            (&[10, 1, 1, b'x'], DeltaError::Base),
            (&[11, 1, 0], DeltaError::Broken),
            (&[11, 1, 2, b'x'], DeltaError::Broken),
            (&[11, 1, 0x91], DeltaError::Broken),
            (&[11, 5, 0x91, 7, 5], DeltaError::Broken),
            (&[11, 5, 0x91, 6, 4], DeltaError::Size),
            (&[11, 3, 0x91, 6, 5], DeltaError::Size),
            (&[11, 1, 2, b'x', b'y'], DeltaError::Size),
            (&[11, 5, 0x9f, 0xff, 0xff, 0xff, 0xff, 5], DeltaError::Broken),
        ] {
            assert_eq!(apply_delta(base, delta), Err(error), "{delta:?}");
        }
    }
}
