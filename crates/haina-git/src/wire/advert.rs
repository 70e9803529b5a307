//! What a repository says of itself: references and what the server can do.

use haina_types::Oid;

use super::pkt::{flush_to, line_to, raw_to};
use super::upload::LsRefs;
use super::{AGENT, Service as S};

/// The two services of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Fetching.
    UploadPack,
    /// Pushing.
    ReceivePack,
}

impl Service {
    /// The word of addresses and content types.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }

    /// From the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::UploadPack, Self::ReceivePack].into_iter().find(|s| s.as_str() == text)
    }
}

/// The versions of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// The oldest.
    V0,
    /// The same with its number in front.
    V1,
    /// Commands.
    V2,
}

impl Version {
    /// What the `Git-Protocol` header asks for: the highest version that is known.
    pub fn of_header(text: &str) -> Self {
        let versions = text.split(':').filter_map(|pair| match pair.trim().strip_prefix("version=")? {
            "1" => Some(Self::V1),
            "2" => Some(Self::V2),
            _ => None,
        });
        versions.max().unwrap_or(Self::V0)
    }
}

/// A reference as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertisedRef {
    /// Its full name.
    pub name: String,
    /// What it points to.
    pub oid: Oid,
    /// What an annotated tag is of, in the end.
    pub peeled: Option<Oid>,
}

/// The references of a repository.
#[derive(Debug, Clone, Default)]
pub struct Advertisement {
    /// The full name of the branch that HEAD stands for.
    pub head: String,
    /// Sorted by their bytes.
    pub refs: Vec<AdvertisedRef>,
}

impl Advertisement {
    /// Where HEAD points; `None` while its branch does not exist.
    pub fn head_oid(&self) -> Option<Oid> {
        self.refs.binary_search_by(|r| r.name.as_str().cmp(&self.head)).ok().map(|i| self.refs[i].oid)
    }
}

/// What a client may ask. `no-done` makes sense only where each request is a conversation of its own.
fn capabilities(service: Service, advertisement: &Advertisement, no_done: bool) -> String {
    match service {
        S::UploadPack => {
            let symref = match advertisement.head_oid() {
                Some(_) => format!(" symref=HEAD:{}", advertisement.head),
                None => String::new(),
            };
            let no_done = if no_done { " no-done" } else { "" };
            format!(
                "multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since deepen-not deepen-relative \
                 no-progress include-tag multi_ack_detailed allow-tip-sha1-in-want \
                 allow-reachable-sha1-in-want{no_done}{symref} filter object-format=sha1 agent={AGENT}"
            )
        }
        S::ReceivePack => format!(
            "report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta push-options \
             object-format=sha1 agent={AGENT}"
        ),
    }
}

/// The answer of `info/refs` in versions 0 and 1.
pub fn advertise(service: Service, version: Version, advertisement: &Advertisement) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + advertisement.refs.len() * 80);
    line_to(&mut out, &format!("# service={}", service.as_str()));
    flush_to(&mut out);
    refs_to(&mut out, service, version, advertisement, true);
    out
}

/// The first words on a connection that stays open, in versions 0 and 1.
pub fn greet(service: Service, version: Version, advertisement: &Advertisement) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + advertisement.refs.len() * 80);
    refs_to(&mut out, service, version, advertisement, false);
    out
}

fn refs_to(out: &mut Vec<u8>, service: Service, version: Version, advertisement: &Advertisement, no_done: bool) {
    if version == Version::V1 {
        line_to(out, "version 1");
    }
    let mut capabilities = Some(capabilities(service, advertisement, no_done));
    let mut put = |oid: Oid, name: &str| {
        let line = match capabilities.take() {
            Some(capabilities) => format!("{oid} {name}\0{capabilities}\n"),
            None => format!("{oid} {name}\n"),
        };
        raw_to(out, line.as_bytes());
    };
    // A client that pushes has no use for HEAD and for what tags are of.
    let fetching = service == Service::UploadPack;
    if let (true, Some(oid)) = (fetching, advertisement.head_oid()) {
        put(oid, "HEAD");
    }
    for found in &advertisement.refs {
        put(found.oid, &found.name);
        if let (true, Some(peeled)) = (fetching, found.peeled) {
            put(peeled, &format!("{}^{{}}", found.name));
        }
    }
    if advertisement.refs.is_empty() {
        put(Oid::ZERO, "capabilities^{}");
    }
    flush_to(out);
}

/// The answer of `info/refs` in version 2: only what the server can do.
pub fn advertise_v2() -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    line_to(&mut out, "version 2");
    line_to(&mut out, &format!("agent={AGENT}"));
    line_to(&mut out, "ls-refs=unborn");
    line_to(&mut out, "fetch=shallow wait-for-done filter");
    line_to(&mut out, "server-option");
    line_to(&mut out, "object-format=sha1");
    flush_to(&mut out);
    out
}

/// The answer to version 2's `ls-refs`.
pub fn list_refs(request: &LsRefs, advertisement: &Advertisement) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let wanted = |name: &str| request.prefixes.is_empty() || request.prefixes.iter().any(|p| name.starts_with(p));
    let target = || if request.symrefs { format!(" symref-target:{}", advertisement.head) } else { String::new() };
    if wanted("HEAD") {
        match advertisement.head_oid() {
            Some(oid) => line_to(&mut out, &format!("{oid} HEAD{}", target())),
            None if request.unborn && request.symrefs => line_to(&mut out, &format!("unborn HEAD{}", target())),
            None => {}
        }
    }
    for found in advertisement.refs.iter().filter(|r| wanted(&r.name)) {
        let peeled = match found.peeled {
            Some(peeled) if request.peel => format!(" peeled:{peeled}"),
            _ => String::new(),
        };
        line_to(&mut out, &format!("{} {}{peeled}", found.oid, found.name));
    }
    flush_to(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Advertisement {
        let at = |name: &str, b: u8, peeled: Option<u8>| AdvertisedRef {
            name: name.into(),
            oid: Oid([b; 20]),
            peeled: peeled.map(|b| Oid([b; 20])),
        };
        Advertisement {
            head: "refs/heads/main".into(),
            refs: vec![at("refs/heads/a", 1, None), at("refs/heads/main", 2, None), at("refs/tags/v1", 3, Some(2))],
        }
    }

    #[test]
    fn versions_of_the_header() {
        for (text, version) in [
            ("version=2", Version::V2),
            ("version=1", Version::V1),
            ("", Version::V0),
            ("version=9:foo", Version::V0),
            ("foo:version=1:version=2:bar=3", Version::V2),
        ] {
            assert_eq!(Version::of_header(text), version, "{text}");
        }
    }

    #[test]
    fn empty_repositories() {
        let text = String::from_utf8(advertise(Service::ReceivePack, Version::V0, &Advertisement::default())).unwrap();
        assert!(text.starts_with("001f# service=git-receive-pack\n0000"), "{text}");
        assert!(text.contains("0000000000000000000000000000000000000000 capabilities^{}\0report-status "), "{text}");
    }

    #[test]
    fn version_0_has_head_and_peeled_tags() {
        let text = String::from_utf8(advertise(Service::UploadPack, Version::V1, &sample())).unwrap();
        assert!(text.contains("000eversion 1\n"));
        assert!(text.contains(&format!("{} HEAD\0multi_ack", "02".repeat(20))));
        assert!(text.contains(" symref=HEAD:refs/heads/main "));
        assert!(text.contains(&format!("{} refs/tags/v1^{{}}\n", "02".repeat(20))));
    }

    #[test]
    fn on_an_open_connection_there_is_no_service_line() {
        let text = String::from_utf8(greet(Service::UploadPack, Version::V0, &sample())).unwrap();
        assert!(text[4..].starts_with(&format!("{} HEAD\0multi_ack", "02".repeat(20))), "{text}");
        assert!(!text.contains("no-done") && text.contains(" symref=HEAD:refs/heads/main "), "{text}");
        let text = String::from_utf8(greet(Service::ReceivePack, Version::V1, &sample())).unwrap();
        assert!(text.starts_with("000eversion 1\n"), "{text}");
    }

    #[test]
    fn prefixes_and_unborn_heads() {
        let all = |request: &LsRefs, a: &Advertisement| String::from_utf8(list_refs(request, a)).unwrap();
        let ask =
            LsRefs { symrefs: true, peel: true, unborn: true, prefixes: vec!["HEAD".into(), "refs/tags/".into()] };
        let text = all(&ask, &sample());
        assert!(text.contains(" HEAD symref-target:refs/heads/main\n") && !text.contains("refs/heads/a"), "{text}");
        assert!(text.contains(&format!("refs/tags/v1 peeled:{}\n", "02".repeat(20))), "{text}");
        let none = Advertisement { head: "refs/heads/main".into(), refs: vec![] };
        assert!(all(&ask, &none).contains("unborn HEAD symref-target:refs/heads/main\n"));
        assert_eq!(all(&LsRefs::default(), &none), "0000");
    }
}
