//! The head of a bundle: references, and the pack that follows in the same file.

use std::io::{self, BufRead, Read};

use haina_types::Oid;

/// Longest line of a head, in bytes.
const LINE_BYTES_MAX: u64 = 4096;
/// Most lines of a head.
const LINES_MAX: usize = 300_000;

/// What stands before the pack of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BundleHead {
    /// Full names and ids; `HEAD` may be among them.
    pub refs: Vec<(String, Oid)>,
    /// Commits that it builds upon without bringing them.
    pub prerequisites: usize,
    /// Bytes of the head; the pack begins behind them.
    pub bytes: u64,
}

/// Why a file is not a bundle that can be read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Another kind of file.
    #[error("not a git bundle")]
    NotOne,
    /// It needs what is not understood here.
    #[error("the bundle needs '{0}', which is not supported")]
    Capability(String),
    /// A line that cannot be.
    #[error("line {0} of the bundle's head is broken")]
    Line(usize),
    /// It cannot be read.
    #[error("the bundle cannot be read")]
    Io(#[from] io::Error),
}

/// Reads a bundle up to its pack.
pub fn read_bundle_head(from: &mut impl BufRead) -> Result<BundleHead, BundleError> {
    let mut head = BundleHead::default();
    let mut number = 0;
    let mut line = Vec::new();
    let mut version = 0;
    loop {
        line.clear();
        number += 1;
        let n = from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        head.bytes += n as u64;
        let text = line.strip_suffix(b"\n").and_then(|l| std::str::from_utf8(l).ok());
        if number == 1 {
            version = match text {
                Some("# v2 git bundle") => 2,
                Some("# v3 git bundle") => 3,
                _ => return Err(BundleError::NotOne),
            };
            continue;
        }
        let text = text.filter(|_| number <= LINES_MAX).ok_or(BundleError::Line(number))?;
        if text.is_empty() {
            return Ok(head);
        }
        if let Some(capability) = text.strip_prefix('@').filter(|_| version == 3) {
            if capability != "object-format=sha1" {
                return Err(BundleError::Capability(capability.chars().filter(|c| !c.is_control()).collect()));
            }
        } else if text.starts_with('-') {
            head.prerequisites += 1;
        } else {
            let parse = || {
                let (oid, name) = text.split_once(' ')?;
                Some((name.to_owned(), oid.parse().ok()?))
            };
            head.refs.push(parse().ok_or(BundleError::Line(number))?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let a = "a".repeat(40);
        let read = |text: &str| read_bundle_head(&mut text.as_bytes());
        let two = format!("# v2 git bundle\n-{a} base\n{a} HEAD\n{a} refs/heads/main\n\n");
        let got = read(&format!("{two}PACK")).unwrap();
        assert_eq!((got.refs.len(), got.prerequisites, got.bytes), (2, 1, two.len() as u64));
        assert_eq!(got.refs[1].0, "refs/heads/main");
        assert!(read(&format!("# v3 git bundle\n@object-format=sha1\n{a} HEAD\n\n")).is_ok());
        assert!(matches!(read("# v3 git bundle\n@filter=blob:none\n\n"), Err(BundleError::Capability(_))));
        for bad in [
            "",
            "PACK",
            "# v4 git bundle\n\n",
            "# v2 git bundle",
            "# v2 git bundle\n",
            "# v2 git bundle\nx y\n\n",
            &format!("# v2 git bundle\n{}\n\n", "a".repeat(5000)),
            &format!("# v2 git bundle\n{a} HEAD"),
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
