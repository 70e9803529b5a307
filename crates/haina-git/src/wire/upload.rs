//! What clients that fetch ask, and how both sides find out what they have in common.

use std::collections::HashSet;

use haina_types::Oid;

use super::filter::{Filter, FilterError};
use super::pkt::{Pkt, PktError, PktReader, flush_to, line_to};

/// More prefixes than this, and all references are listed, as git does.
const PREFIXES_MAX: usize = 4096;
/// Most commits that may say where a client's history ends.
const SHALLOWS_MAX: usize = 100_000;
/// Deeper than this is everything.
const DEPTH_INFINITE: u64 = 0x7fff_ffff;

/// Why a request is refused. The text is for the person at the other end.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not packets.
    #[error(transparent)]
    Pkt(#[from] PktError),
    /// Not something that this protocol has.
    #[error("{0}")]
    Bad(String),
    /// A filter that cannot be.
    #[error(transparent)]
    Filter(#[from] FilterError),
}

fn bad(text: impl Into<String>) -> WireError {
    WireError::Bad(text.into())
}

fn text(line: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(line).map_err(|_| bad("a line of the request is not UTF-8"))
}

fn oid(hex: &str, of: &str) -> Result<Oid, WireError> {
    hex.parse().map_err(|_| bad(format!("invalid object id in '{of}' line")))
}

/// Version 2's `ls-refs`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LsRefs {
    /// Say what tags are of.
    pub peel: bool,
    /// Say what HEAD stands for.
    pub symrefs: bool,
    /// Even if that branch does not exist.
    pub unborn: bool,
    /// Only names that begin with one of these; all if there are none.
    pub prefixes: Vec<String>,
}

/// Where a client wants its history to end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deepen {
    /// This many commits deep; `u32::MAX` for everything.
    pub depth: Option<u32>,
    /// Counted from where it ends now.
    pub relative: bool,
    /// Not older than this, in seconds.
    pub since: Option<i64>,
    /// Not what these references reach; perhaps short names.
    pub not: Vec<String>,
}

impl Deepen {
    /// Whether the end is to be moved at all.
    pub fn is_asked(&self) -> bool {
        self.depth.is_some() || self.since.is_some() || !self.not.is_empty()
    }

    fn depth_of(text: &str) -> Result<u32, WireError> {
        let depth: u64 = text.parse().map_err(|_| bad(format!("invalid depth '{text}'")))?;
        match depth {
            0 => Err(bad("a depth is at least 1")),
            DEPTH_INFINITE.. => Ok(u32::MAX),
            depth => Ok(depth as u32),
        }
    }

    /// Takes a line that is about this; false for any other.
    fn take(&mut self, line: &str) -> Result<bool, WireError> {
        if let Some(depth) = line.strip_prefix("deepen ") {
            self.depth = Some(Self::depth_of(depth)?);
        } else if let Some(since) = line.strip_prefix("deepen-since ") {
            self.since = Some(since.parse().map_err(|_| bad(format!("invalid deepen-since '{since}'")))?);
        } else if let Some(name) = line.strip_prefix("deepen-not ") {
            if self.not.len() >= 1000 {
                return Err(bad("too many deepen-not lines"));
            }
            self.not.push(name.to_owned());
        } else if line == "deepen-relative" {
            self.relative = true;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn check(&self) -> Result<(), WireError> {
        if self.depth.is_some() && (self.since.is_some() || !self.not.is_empty()) {
            return Err(bad("deepen and deepen-since (or deepen-not) cannot be used together"));
        }
        Ok(())
    }
}

/// What a client wants, in any version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FetchRequest {
    /// Objects to send, each once, in the order of asking.
    pub wants: Vec<Oid>,
    /// Send the tags of what is sent.
    pub include_tag: bool,
    /// Say nothing but what is needed.
    pub no_progress: bool,
    /// Deltas may name their base by how far back it lies in the pack.
    pub ofs_delta: bool,
    /// Commits whose parents the client does not have.
    pub shallows: Vec<Oid>,
    /// Where history is to end.
    pub deepen: Deepen,
    /// What to leave out.
    pub filter: Filter,
}

impl FetchRequest {
    fn shallow(&mut self, hex: &str) -> Result<(), WireError> {
        if self.shallows.len() >= SHALLOWS_MAX {
            return Err(bad(format!("more than {SHALLOWS_MAX} shallow lines")));
        }
        self.shallows.push(oid(hex, "shallow")?);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), WireError> {
        let mut seen = HashSet::with_capacity(self.wants.len());
        self.wants.retain(|w| seen.insert(*w));
        self.deepen.check()
    }
}

/// A request of version 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestV2 {
    /// `ls-refs`
    LsRefs(LsRefs),
    /// `fetch`
    Fetch {
        /// What to send.
        fetch: FetchRequest,
        /// What the client has, in its order.
        haves: Vec<Oid>,
        /// Do not negotiate further: send.
        done: bool,
        /// Do not send before `done`.
        wait_for_done: bool,
    },
}

/// Reads a request of version 2; `None` if it is empty.
pub fn parse_v2(body: &[u8]) -> Result<Option<RequestV2>, WireError> {
    let mut reader = PktReader::new(body);
    let mut command = None;
    let mut first = true;
    let has_args = loop {
        let Some(pkt) = reader.read()? else {
            if first {
                return Ok(None);
            }
            return Err(bad("the request ends before its flush packet"));
        };
        let line = match pkt {
            Pkt::Flush if first => return Ok(None),
            Pkt::Flush => break false,
            Pkt::Delim => break true,
            Pkt::Data(_) => text(pkt.line().unwrap_or_default())?,
        };
        first = false;
        if let Some(name) = line.strip_prefix("command=") {
            if command.is_some() {
                return Err(bad("a request has one command"));
            }
            command = Some(name.to_owned());
        } else if let Some(format) = line.strip_prefix("object-format=") {
            if format != "sha1" {
                return Err(bad(format!("mismatched object format: server sha1; client {}", one_word(format))));
            }
        } else if !["agent=", "server-option=", "session-id="].iter().any(|known| line.starts_with(known)) {
            return Err(bad(format!("unknown capability '{}'", one_word(line))));
        }
    };
    let mut args: Vec<String> = Vec::new();
    if has_args {
        loop {
            match reader.read()? {
                None => return Err(bad("the request ends before its flush packet")),
                Some(Pkt::Flush) => break,
                Some(Pkt::Delim) => return Err(bad("unexpected delim packet")),
                Some(pkt) => args.push(text(pkt.line().unwrap_or_default())?.to_owned()),
            }
        }
    }
    match command.as_deref() {
        Some("ls-refs") => ls_refs(&args).map(RequestV2::LsRefs).map(Some),
        Some("fetch") => fetch(&args).map(Some),
        Some(other) => Err(bad(format!("invalid command '{}'", one_word(other)))),
        None => Err(bad("no command requested")),
    }
}

/// For messages: the beginning of what a client wrote.
fn one_word(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

fn ls_refs(args: &[String]) -> Result<LsRefs, WireError> {
    let mut asked = LsRefs::default();
    for line in args {
        match line.as_str() {
            "peel" => asked.peel = true,
            "symrefs" => asked.symrefs = true,
            "unborn" => asked.unborn = true,
            line => match line.strip_prefix("ref-prefix ") {
                Some(prefix) => asked.prefixes.push(prefix.to_owned()),
                None => return Err(bad(format!("unexpected line: '{}'", one_word(line)))),
            },
        }
    }
    asked.prefixes.sort_unstable();
    asked.prefixes.dedup();
    if asked.prefixes.len() > PREFIXES_MAX {
        // The client filters again: more than it asked for is right, less would not be.
        asked.prefixes.clear();
    }
    Ok(asked)
}

fn fetch(args: &[String]) -> Result<RequestV2, WireError> {
    let mut fetch = FetchRequest::default();
    let mut haves = Vec::new();
    let (mut done, mut wait_for_done) = (false, false);
    for line in args {
        match line.as_str() {
            "done" => done = true,
            "include-tag" => fetch.include_tag = true,
            "no-progress" => fetch.no_progress = true,
            "wait-for-done" => wait_for_done = true,
            "ofs-delta" => fetch.ofs_delta = true,
            "thin-pack" => {}
            line => {
                if let Some(hex) = line.strip_prefix("have ") {
                    haves.push(oid(hex, "have")?);
                } else if let Some(hex) = line.strip_prefix("want ") {
                    fetch.wants.push(oid(hex, "want")?);
                } else if let Some(hex) = line.strip_prefix("shallow ") {
                    fetch.shallow(hex)?;
                } else if let Some(spec) = line.strip_prefix("filter ") {
                    fetch.filter = spec.parse()?;
                } else if !fetch.deepen.take(line)? {
                    return Err(bad(format!("unexpected line: '{}'", one_word(line))));
                }
            }
        }
    }
    fetch.finish()?;
    Ok(RequestV2::Fetch { fetch, haves, done, wait_for_done })
}

/// One step of a client of version 0 after its wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It has this.
    Have(Oid),
    /// It waits for an answer.
    Flush,
    /// It waits for the pack.
    Done,
}

/// A request of version 0 or 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestV0 {
    /// What to send.
    pub fetch: FetchRequest,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// The rest of the conversation so far; empty if the client only wants to know where history will end.
    pub steps: Vec<Step>,
}

impl RequestV0 {
    /// Whether the client can do something.
    pub fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c == capability)
    }
}

/// Reads a request of version 0 or 1; `None` if nothing is wanted.
pub fn parse_v0(body: &[u8]) -> Result<Option<RequestV0>, WireError> {
    let mut reader = PktReader::new(body);
    let mut request = RequestV0::default();
    while let Some(pkt) = reader.read()? {
        let line = match pkt {
            Pkt::Flush => break,
            Pkt::Delim => return Err(bad("unexpected delim packet")),
            Pkt::Data(_) => text(pkt.line().unwrap_or_default())?,
        };
        let fetch = &mut request.fetch;
        if let Some(rest) = line.strip_prefix("want ") {
            let (hex, capabilities) = rest.split_at_checked(2 * Oid::LEN).ok_or_else(|| bad("invalid want line"))?;
            if fetch.wants.is_empty() {
                request.capabilities = capabilities.split_ascii_whitespace().map(str::to_owned).collect();
            } else if !capabilities.trim().is_empty() {
                return Err(bad("capabilities after the first want line"));
            }
            fetch.wants.push(oid(hex, "want")?);
        } else if let Some(hex) = line.strip_prefix("shallow ") {
            fetch.shallow(hex)?;
        } else if let Some(spec) = line.strip_prefix("filter ") {
            fetch.filter = spec.parse()?;
        } else if !fetch.deepen.take(line)? {
            return Err(bad(format!("protocol error, expected to get object id, not '{}'", one_word(line))));
        }
    }
    if request.fetch.wants.is_empty() {
        return Ok(None);
    }
    for capability in &request.capabilities {
        match capability.as_str() {
            "include-tag" => request.fetch.include_tag = true,
            "no-progress" => request.fetch.no_progress = true,
            "ofs-delta" => request.fetch.ofs_delta = true,
            "deepen-relative" => request.fetch.deepen.relative = true,
            other if other.starts_with("object-format=") && other != "object-format=sha1" => {
                return Err(bad("mismatched object format"));
            }
            _ => {}
        }
    }
    request.fetch.finish()?;
    while let Some(pkt) = reader.read()? {
        let line = match pkt {
            Pkt::Flush => {
                request.steps.push(Step::Flush);
                continue;
            }
            Pkt::Delim => return Err(bad("unexpected delim packet")),
            Pkt::Data(_) => text(pkt.line().unwrap_or_default())?,
        };
        if let Some(hex) = line.strip_prefix("have ") {
            request.steps.push(Step::Have(oid(hex, "have")?));
        } else if line == "done" {
            request.steps.push(Step::Done);
            break;
        } else {
            return Err(bad(format!("expected SHA1 list, got '{}'", one_word(line))));
        }
    }
    Ok(Some(request))
}

/// What a negotiation asks of history.
pub trait Negotiation {
    /// Whether the repository has it.
    fn has(&self, oid: &Oid) -> bool;
    /// Whether everything wanted follows from something in common, so that a pack would leave out what it can.
    fn enough(&self, common: &HashSet<Oid>) -> bool;
}

/// How a negotiation stands after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// What both have.
    pub common: HashSet<Oid>,
    /// Whether the pack follows in the same answer.
    pub send: bool,
}

/// Version 2: the `acknowledgments` section goes to `out` if there is one. The client's `done` ends negotiations.
pub fn negotiate_v2(
    history: &impl Negotiation,
    haves: &[Oid],
    done: bool,
    wait_for_done: bool,
    out: &mut Vec<u8>,
) -> Negotiated {
    let common: HashSet<Oid> = haves.iter().copied().filter(|h| history.has(h)).collect();
    if done || (haves.is_empty() && !wait_for_done) {
        return Negotiated { common, send: true };
    }
    line_to(out, "acknowledgments");
    let mut told = HashSet::new();
    for have in haves.iter().filter(|h| common.contains(h) && told.insert(**h)) {
        line_to(out, &format!("ACK {have}"));
    }
    if common.is_empty() {
        line_to(out, "NAK");
    }
    let send = !wait_for_done && !common.is_empty() && history.enough(&common);
    if send {
        line_to(out, "ready");
        super::pkt::delim_to(out);
    } else {
        flush_to(out);
    }
    Negotiated { common, send }
}

/// How often one answer looks whether there is enough in common.
const LOOKS_MAX: usize = 64;

/// Versions 0 and 1, one request of a conversation that the client repeats from the beginning each time.
pub fn negotiate_v0(history: &impl Negotiation, request: &RequestV0, out: &mut Vec<u8>) -> Negotiated {
    let detailed = request.has("multi_ack_detailed");
    let multi = detailed || request.has("multi_ack");
    let no_done = request.has("no-done") && detailed;
    let mut common = HashSet::new();
    let mut last = None;
    let (mut got_common, mut got_other, mut sent_ready) = (false, false, false);
    // What is in common only grows, so the answer is looked for again only when it grew.
    let (mut enough, mut looked_at, mut looks) = (false, 0, 0);
    let mut is_enough = |common: &HashSet<Oid>| {
        if !enough && common.len() != looked_at && looks < LOOKS_MAX {
            looked_at = common.len();
            looks += 1;
            enough = history.enough(common);
        }
        enough
    };
    for step in request.steps.iter().copied().chain([Step::Flush]) {
        match (step, last) {
            (Step::Have(have), _) if history.has(&have) => {
                let first = common.is_empty();
                common.insert(have);
                last = Some(have);
                got_common = true;
                if detailed {
                    line_to(out, &format!("ACK {have} common"));
                } else if multi {
                    line_to(out, &format!("ACK {have} continue"));
                } else if first {
                    line_to(out, &format!("ACK {have}"));
                }
            }
            (Step::Have(have), _) => {
                got_other = true;
                if multi && is_enough(&common) {
                    sent_ready |= detailed;
                    line_to(out, &format!("ACK {have} {}", if detailed { "ready" } else { "continue" }));
                }
            }
            (Step::Flush, last) => {
                if let Some(last) = last
                    && detailed
                    && got_common
                    && !got_other
                    && is_enough(&common)
                {
                    sent_ready = true;
                    line_to(out, &format!("ACK {last} ready"));
                }
                if common.is_empty() || multi {
                    line_to(out, "NAK");
                }
                if let (true, true, Some(last)) = (no_done, sent_ready, last) {
                    line_to(out, &format!("ACK {last}"));
                    return Negotiated { common, send: true };
                }
                // The client says all of it again, and more, in its next request.
                return Negotiated { common, send: false };
            }
            (Step::Done, Some(last)) => {
                if multi {
                    line_to(out, &format!("ACK {last}"));
                }
                return Negotiated { common, send: true };
            }
            (Step::Done, None) => {
                line_to(out, "NAK");
                return Negotiated { common, send: true };
            }
        }
    }
    Negotiated { common, send: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{delim_to, flush_to, line_to};

    fn id(n: u8) -> Oid {
        Oid([n; 20])
    }

    fn v2(lines: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in lines {
            match *line {
                "--" => delim_to(&mut out),
                "==" => flush_to(&mut out),
                line => line_to(&mut out, line),
            }
        }
        out
    }

    struct Has(Vec<u8>, usize);
    impl Negotiation for Has {
        fn has(&self, oid: &Oid) -> bool {
            self.0.contains(&oid.0[0])
        }
        fn enough(&self, common: &HashSet<Oid>) -> bool {
            common.len() >= self.1
        }
    }

    #[test]
    fn commands_of_version_2() {
        let a = id(0xaa).to_string();
        let body = v2(&[
            "command=fetch",
            "agent=git/2.47.3",
            "object-format=sha1",
            "--",
            "thin-pack",
            "ofs-delta",
            &format!("want {a}"),
            &format!("want {a}"),
            &format!("have {}", id(1)),
            "deepen 2147483647",
            "filter blob:none",
            "done",
            "==",
        ]);
        let Some(RequestV2::Fetch { fetch, haves, done, .. }) = parse_v2(&body).unwrap() else { panic!() };
        assert_eq!((fetch.wants, haves, done), (vec![id(0xaa)], vec![id(1)], true));
        assert_eq!((fetch.deepen.depth, fetch.filter.blob_limit), (Some(u32::MAX), Some(0)));
        assert_eq!(parse_v2(b"0000").unwrap(), None);
        assert_eq!(parse_v2(b"").unwrap(), None);
        assert!(matches!(parse_v2(&v2(&["command=ls-refs", "=="])), Ok(Some(RequestV2::LsRefs(_)))));
    }

    #[test]
    fn what_version_2_refuses() {
        for bad in [
            vec!["command=push", "=="],
            vec!["command=fetch", "command=fetch", "=="],
            vec!["foo", "=="],
            vec!["agent=x", "=="],
            vec!["command=fetch", "object-format=sha256", "=="],
            vec!["command=fetch", "--", "wand x", "=="],
            vec!["command=fetch", "--", "want 12", "=="],
            vec!["command=fetch", "--", "deepen 0", "=="],
            vec!["command=fetch", "--", "deepen 1", "deepen-since 5", "=="],
            vec!["command=fetch", "--", "filter sparse:oid=x", "=="],
            vec!["command=fetch", "--", "done", "--"],
            vec!["command=fetch", "--", "done"],
            vec!["command=fetch"],
            vec!["command=ls-refs", "--", "feel", "=="],
        ] {
            assert!(parse_v2(&v2(&bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn version_2_acknowledges() {
        let answer = |has: &[u8], haves: &[u8], done, wait| {
            let haves: Vec<Oid> = haves.iter().map(|h| id(*h)).collect();
            let mut out = Vec::new();
            let n = negotiate_v2(&Has(has.to_vec(), 2), &haves, done, wait, &mut out);
            (String::from_utf8(out).unwrap(), n.send)
        };
        assert_eq!(answer(&[], &[], false, false), (String::new(), true));
        assert_eq!(answer(&[], &[9], true, false), (String::new(), true));
        assert_eq!(answer(&[], &[9], false, false), ("0014acknowledgments\n0008NAK\n0000".into(), false));
        let (text, send) = answer(&[1], &[9, 1, 1], false, false);
        assert_eq!((text, send), (format!("0014acknowledgments\n0031ACK {}\n0000", id(1)), false));
        let (text, send) = answer(&[1, 2], &[1, 2], false, false);
        assert!(send && text.ends_with("000aready\n0001"), "{text}");
        let (text, send) = answer(&[1, 2], &[1, 2], false, true);
        assert!(!send && text.ends_with("0000"), "{text}");
    }

    fn v0(capabilities: &str, steps: &[Step]) -> RequestV0 {
        RequestV0 {
            capabilities: capabilities.split(' ').map(str::to_owned).collect(),
            steps: steps.to_vec(),
            ..RequestV0::default()
        }
    }

    #[test]
    fn version_0_as_clients_write_it() {
        let a = id(0xaa).to_string();
        let mut body = v2(&[&format!("want {a} multi_ack_detailed no-done "), &format!("want {a}"), "deepen 1", "=="]);
        let request = parse_v0(&body).unwrap().unwrap();
        assert!(request.has("no-done") && request.steps.is_empty() && request.fetch.wants.len() == 1);
        body.extend(v2(&[&format!("have {}", id(1)), "==", "done"]));
        let request = parse_v0(&body).unwrap().unwrap();
        assert_eq!(request.steps, [Step::Have(id(1)), Step::Flush, Step::Done]);
        assert_eq!(parse_v0(b"0000").unwrap(), None);
        for bad in [vec!["have x", "=="], vec!["want 12", "=="], vec![&*format!("want {a}"), "==", "hello"]] {
            assert!(parse_v0(&v2(&bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn version_0_negotiates() {
        let run = |has: &[u8], need: usize, capabilities: &str, steps: &[Step]| {
            let mut out = Vec::new();
            let n = negotiate_v0(&Has(has.to_vec(), need), &v0(capabilities, steps), &mut out);
            let text = String::from_utf8(out).unwrap();
            let lines: Vec<String> = text
                .lines()
                .map(|l| l[4..].replace(&id(1).to_string(), "1").replace(&id(2).to_string(), "2"))
                .collect();
            (lines.join("|"), n.send)
        };
        let (have1, have2) = (Step::Have(id(1)), Step::Have(id(2)));
        let full = "multi_ack_detailed no-done";
        assert_eq!(run(&[], 1, full, &[Step::Done]), ("NAK".into(), true));
        assert_eq!(run(&[], 1, full, &[have1, Step::Flush]), ("NAK".into(), false));
        assert_eq!(run(&[1], 1, full, &[have1, Step::Flush]), ("ACK 1 common|ACK 1 ready|NAK|ACK 1".into(), true));
        assert_eq!(run(&[1], 2, full, &[have1, Step::Flush]), ("ACK 1 common|NAK".into(), false));
        assert_eq!(
            run(&[1], 1, full, &[have1, have2, Step::Flush]),
            ("ACK 1 common|ACK 2 ready|NAK|ACK 1".into(), true)
        );
        assert_eq!(
            run(&[1], 1, "multi_ack_detailed", &[have1, Step::Flush]),
            ("ACK 1 common|ACK 1 ready|NAK".into(), false)
        );
        assert_eq!(run(&[1], 2, full, &[have1, Step::Done]), ("ACK 1 common|ACK 1".into(), true));
        assert_eq!(
            run(&[1, 2], 9, "multi_ack", &[have1, have2, Step::Done]),
            ("ACK 1 continue|ACK 2 continue|ACK 2".into(), true)
        );
        assert_eq!(run(&[1, 2], 9, "", &[have1, have2, Step::Done]), ("ACK 1".into(), true));
        assert_eq!(run(&[1, 2], 9, "", &[have1, Step::Flush]), ("ACK 1".into(), false));
        assert_eq!(run(&[], 9, "", &[have1]), ("NAK".into(), false));
    }
}
