//! What clients that push ask, and how they are told what became of it.

use std::io::Read;

use haina_types::Oid;

use super::pkt::{Band, Pkt, PktReader, bands_to, flush_to, line_to};
use super::upload::WireError;

/// Most references of one push that are read, to refuse each of them; far fewer should be taken.
const COMMANDS_MAX: usize = 50_000;
/// Most commits that may say where a client's history ends.
const SHALLOWS_MAX: usize = 1000;
/// Most options of one push.
const OPTIONS_MAX: usize = 100;

/// A reference that is to be created (`old` is zero), moved, or deleted (`new` is zero).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushCommand {
    /// Where the client saw it.
    pub old: Oid,
    /// Where it is to be.
    pub new: Oid,
    /// Its full name, as written.
    pub name: String,
}

impl PushCommand {
    /// Whether the reference is to be deleted.
    pub fn is_delete(&self) -> bool {
        self.new == Oid::ZERO
    }
}

/// A push, without its pack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PushRequest {
    /// In the client's order; at least one.
    pub commands: Vec<PushCommand>,
    /// Where the client's own history ends.
    pub shallows: Vec<Oid>,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// What it asks of the server beside.
    pub options: Vec<String>,
}

impl PushRequest {
    /// Whether the client can do something.
    pub fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c == capability)
    }

    /// Whether a pack follows.
    pub fn has_pack(&self) -> bool {
        self.commands.iter().any(|c| !c.is_delete())
    }
}

fn bad(text: impl Into<String>) -> WireError {
    WireError::Bad(text.into())
}

fn command(line: &str) -> Result<PushCommand, WireError> {
    let parse = || {
        let (old, rest) = line.split_once(' ')?;
        let (new, name) = rest.split_once(' ')?;
        Some(PushCommand { old: old.parse().ok()?, new: new.parse().ok()?, name: name.to_owned() })
    };
    parse().ok_or_else(|| bad("protocol error: expected old/new/ref"))
}

/// Why a push cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct PushError {
    /// What is wrong.
    #[source]
    pub why: WireError,
    /// Whether the client said, before that, that it takes side bands.
    pub bands: bool,
}

/// Reads a push up to its pack; `None` if it is empty, as the request is by which clients try whether they may push.
pub fn read_push<R: Read>(reader: &mut PktReader<R>) -> Result<Option<PushRequest>, PushError> {
    let mut request = PushRequest::default();
    match read_into(reader, &mut request) {
        Ok(true) => Ok(Some(request)),
        Ok(false) => Ok(None),
        Err(why) => Err(PushError { why, bands: request.has("side-band-64k") }),
    }
}

fn read_into<R: Read>(reader: &mut PktReader<R>, request: &mut PushRequest) -> Result<bool, WireError> {
    loop {
        let data = match reader.read()? {
            None if request.commands.is_empty() && request.shallows.is_empty() => return Ok(false),
            None => return Err(bad("the request ends before its flush packet")),
            Some(Pkt::Flush) => break,
            Some(Pkt::Delim) => return Err(bad("unexpected delim packet")),
            Some(pkt) => pkt.line().unwrap_or_default(),
        };
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| bad("a reference's name is not UTF-8"));
        if request.commands.is_empty() && data.starts_with(b"shallow ") {
            if request.shallows.len() >= SHALLOWS_MAX {
                return Err(bad(format!("more than {SHALLOWS_MAX} shallow lines")));
            }
            let oid = text(&data[8..])?.parse().map_err(|_| bad("invalid object id in 'shallow' line"))?;
            request.shallows.push(oid);
            continue;
        }
        if data.starts_with(b"push-cert") {
            return Err(bad("signed pushes are not offered here"));
        }
        if request.commands.len() >= COMMANDS_MAX {
            return Err(bad(format!("a push has at most {COMMANDS_MAX} references: push them in parts")));
        }
        let line = match data.iter().position(|c| *c == 0) {
            Some(at) if request.commands.is_empty() => {
                request.capabilities = text(&data[at + 1..])?.split_ascii_whitespace().map(str::to_owned).collect();
                &data[..at]
            }
            Some(_) => return Err(bad("capabilities after the first command")),
            None => data,
        };
        request.commands.push(command(text(line)?)?);
    }
    if request.commands.is_empty() {
        return Ok(false);
    }
    if request.capabilities.iter().any(|c| c.starts_with("object-format=") && c != "object-format=sha1") {
        return Err(bad("mismatched object format: this repository has sha1"));
    }
    if request.has("push-options") {
        loop {
            let data = match reader.read()? {
                Some(Pkt::Flush) => break,
                Some(pkt @ Pkt::Data(_)) => pkt.line().unwrap_or_default(),
                _ => return Err(bad("the push options do not end")),
            };
            if request.options.len() >= OPTIONS_MAX {
                return Err(bad(format!("a push has at most {OPTIONS_MAX} options")));
            }
            request.options.push(String::from_utf8_lossy(data).into_owned());
        }
    }
    Ok(true)
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushReport {
    /// Why the pack was not taken.
    pub unpack: Option<String>,
    /// Each reference, in the order of the commands, and why it was not moved.
    pub refs: Vec<(String, Option<String>)>,
}

/// One line, without what could write elsewhere on a screen.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}

/// The end of the answer to a push, as the client asked for it.
pub fn report(capabilities: &[String], report: &PushReport) -> Vec<u8> {
    let has = |name: &str| capabilities.iter().any(|c| c == name);
    let mut inner = Vec::new();
    if has("report-status") || has("report-status-v2") {
        let unpack = report.unpack.as_deref().unwrap_or("ok");
        line_to(&mut inner, &format!("unpack {}", one_line(unpack)));
        for (name, refused) in &report.refs {
            let name = one_line(name);
            match refused {
                None => line_to(&mut inner, &format!("ok {name}")),
                Some(why) => line_to(&mut inner, &format!("ng {name} {}", one_line(why))),
            }
        }
        flush_to(&mut inner);
    }
    if !has("side-band-64k") {
        return inner;
    }
    let mut out = Vec::with_capacity(inner.len() + 64);
    bands_to(&mut out, Band::Data, &inner, true);
    flush_to(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::raw_to;

    fn read(lines: &[&[u8]]) -> Result<Option<PushRequest>, PushError> {
        let mut body = Vec::new();
        for line in lines {
            if line.is_empty() { flush_to(&mut body) } else { raw_to(&mut body, line) }
        }
        body.extend_from_slice(b"PACK");
        let mut reader = PktReader::new(body.as_slice());
        let request = read_push(&mut reader)?;
        assert_eq!(reader.into_inner(), b"PACK", "the pack must not be touched");
        Ok(request)
    }

    #[test]
    fn pushes_as_clients_write_them() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let git = format!("{a} {b} refs/heads/main\0 report-status push-options object-format=sha1 agent=git/2");
        let second = format!("{b} {} refs/heads/x\n", "0".repeat(40));
        let got = read(&[git.as_bytes(), second.as_bytes(), b"", b"ci.skip\n", b""]).unwrap().unwrap();
        assert_eq!(got.commands.len(), 2);
        assert!(got.has("report-status") && got.commands[1].is_delete() && got.has_pack());
        assert_eq!(
            (got.commands[0].name.as_str(), got.options.as_slice()),
            ("refs/heads/main", &["ci.skip".to_owned()][..])
        );
        let dulwich = format!("{a} {b} refs/heads/main\0report-status side-band-64k");
        let shallow = format!("shallow {b}");
        let got = read(&[shallow.as_bytes(), dulwich.as_bytes(), b""]).unwrap().unwrap();
        assert!(got.has("side-band-64k") && got.shallows.len() == 1);
        assert_eq!(read(&[b""]).unwrap(), None);
        assert_eq!(read_push(&mut PktReader::new(&b""[..])).unwrap(), None);
    }

    #[test]
    fn what_is_refused() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let good = format!("{a} {b} refs/heads/main");
        let formats = format!("{good}\0object-format=sha256");
        for bad in [
            vec![b"hello".as_slice(), b""],
            vec![formats.as_bytes(), b""],
            vec![b"push-cert\0", b""],
            vec![good.as_bytes(), formats.as_bytes(), b""],
            vec![b"\xff\xff", b""],
        ] {
            assert!(read(&bad).is_err(), "{bad:?}");
        }
        // Whoever takes bands is told in one.
        let banded = format!("{good}\0side-band-64k");
        assert!(read(&[banded.as_bytes(), b"hello", b""]).unwrap_err().bands);
        assert!(!read(&[good.as_bytes(), b"hello", b""]).unwrap_err().bands);
        let mut cut = Vec::new();
        raw_to(&mut cut, good.as_bytes());
        assert!(read_push(&mut PktReader::new(cut.as_slice())).is_err());
    }

    #[test]
    fn reports() {
        let what = PushReport {
            unpack: None,
            refs: vec![("refs/heads/a".into(), None), ("refs/heads/b".into(), Some("no\nway".into()))],
        };
        let names = |n: &[&str]| n.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
        let plain = "000eunpack ok\n0014ok refs/heads/a\n001bng refs/heads/b no way\n0000";
        assert_eq!(report(&names(&["report-status"]), &what), plain.as_bytes());
        let banded = report(&names(&["report-status-v2", "side-band-64k"]), &what);
        assert_eq!(banded, format!("{:04x}\x01{plain}0000", plain.len() + 5).as_bytes());
        assert_eq!(report(&[], &what), b"");
    }
}
