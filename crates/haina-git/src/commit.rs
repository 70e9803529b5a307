//! Commits and annotated tags.

use std::borrow::Cow;
use std::fmt;

use haina_types::Oid;

use crate::object::ObjectKind;

/// A commit or tag above this size is refused.
pub const COMMIT_BYTES_MAX: usize = 8 << 20;

/// Why bytes are not a commit or tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A header is missing, doubled or malformed.
    #[error("bad '{0}' line")]
    Header(&'static str),
    /// NUL bytes, or headers that do not end.
    #[error("malformed object")]
    Malformed,
    /// Above [`COMMIT_BYTES_MAX`].
    #[error("larger than {COMMIT_BYTES_MAX} bytes")]
    Large,
}

/// A time zone as git writes it: a sign and four digits, hours and minutes. `-0000` stays what it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone([u8; 5]);

impl Zone {
    /// `+0000`.
    pub const UTC: Self = Self(*b"+0000");

    /// From minutes east of Greenwich.
    pub fn from_minutes(minutes: i16) -> Self {
        let abs = minutes.unsigned_abs().min(99 * 60 + 59);
        let text = format!("{}{:02}{:02}", if minutes < 0 { '-' } else { '+' }, abs / 60, abs % 60);
        text.as_bytes().try_into().map_or(Self::UTC, Self)
    }

    /// Minutes east of Greenwich.
    pub fn minutes(self) -> i32 {
        let digit = |i: usize| i32::from(self.0[i] - b'0');
        let minutes = (digit(1) * 10 + digit(2)) * 60 + digit(3) * 10 + digit(4);
        if self.0[0] == b'-' { -minutes } else { minutes }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let zone: [u8; 5] = bytes.try_into().ok()?;
        (matches!(zone[0], b'+' | b'-') && zone[1..].iter().all(u8::is_ascii_digit)).then_some(Self(zone))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{}", *b as char))
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Mostly UTF-8.
    pub name: Vec<u8>,
    /// Mostly UTF-8; often empty or invented.
    pub email: Vec<u8>,
    /// Since 1970.
    pub seconds: i64,
    /// Where.
    pub zone: Zone,
}

/// What git strips from both ends of names and addresses.
fn is_crud(c: char) -> bool {
    u32::from(c) <= 32 || matches!(c, '.' | ',' | ':' | ';' | '<' | '>' | '"' | '\\' | '\'')
}

fn clean(text: &str) -> String {
    text.trim_matches(is_crud).chars().filter(|c| !matches!(c, '<' | '>' | '\n' | '\0')).collect()
}

impl Signature {
    /// For an object that we write: characters that cannot stand there are left out, as git does; an empty name
    /// becomes `unknown`. A time before 1970 becomes 1970.
    pub fn new(name: &str, email: &str, seconds: i64) -> Self {
        let name = clean(name);
        let name = if name.is_empty() { "unknown".into() } else { name };
        Self { name: name.into_bytes(), email: clean(email).into_bytes(), seconds: seconds.max(0), zone: Zone::UTC }
    }

    /// The name as text.
    pub fn name_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    /// The address as text.
    pub fn email_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.email)
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let open = line.iter().position(|c| *c == b'<')?;
        let close = open + line[open..].iter().position(|c| *c == b'>')?;
        // fsck wants a space between the name, which may be empty, and the address.
        let name = line[..open].strip_suffix(b" ")?;
        let email = &line[open + 1..close];
        if name.contains(&b'>') || email.contains(&b'<') {
            return None;
        }
        let rest = line[close + 1..].strip_prefix(b" ")?;
        let space = rest.iter().position(|c| *c == b' ')?;
        let (seconds, zone) = (&rest[..space], &rest[space + 1..]);
        if seconds.is_empty() || !seconds.iter().all(u8::is_ascii_digit) || (seconds.len() > 1 && seconds[0] == b'0') {
            return None;
        }
        Some(Self {
            name: name.to_vec(),
            email: email.to_vec(),
            seconds: std::str::from_utf8(seconds).ok()?.parse().ok()?,
            zone: Zone::parse(zone)?,
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.name.clone();
        out.extend_from_slice(b" <");
        out.extend_from_slice(&self.email);
        out.extend_from_slice(format!("> {} {}", self.seconds, self.zone).as_bytes());
        out
    }
}

/// A further header: its key, and its value with continuation lines joined by `\n`.
pub type ExtraHeader = (Vec<u8>, Vec<u8>);

/// A version of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The root folder.
    pub tree: Oid,
    /// The versions that it follows; none for the first.
    pub parents: Vec<Oid>,
    /// Who made the change.
    pub author: Signature,
    /// Who recorded it.
    pub committer: Signature,
    /// Further headers in their order (`encoding`, `gpgsig`, `mergetag`, …).
    pub extra: Vec<ExtraHeader>,
    /// The message, mostly UTF-8.
    pub message: Vec<u8>,
}

/// Reads `key value` lines up to the blank one.
struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    fn new(raw: &'a [u8]) -> Result<Self, CommitError> {
        if raw.len() > COMMIT_BYTES_MAX {
            return Err(CommitError::Large);
        }
        Ok(Self { rest: raw })
    }

    /// Takes a line that must not be the end of the headers.
    fn line(&mut self) -> Result<&'a [u8], CommitError> {
        let end = self.rest.iter().position(|c| *c == b'\n').ok_or(CommitError::Malformed)?;
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        if line.contains(&0) { Err(CommitError::Malformed) } else { Ok(line) }
    }

    /// The next header, its continuation lines included; `None` at the end.
    fn next(&mut self) -> Result<Option<ExtraHeader>, CommitError> {
        if matches!(self.rest.first(), None | Some(b'\n')) {
            return Ok(None);
        }
        let line = self.line()?;
        let space = line.iter().position(|c| *c == b' ').ok_or(CommitError::Malformed)?;
        if space == 0 {
            return Err(CommitError::Malformed);
        }
        let mut value = line[space + 1..].to_vec();
        while self.rest.first() == Some(&b' ') {
            value.push(b'\n');
            value.extend_from_slice(&self.line()?[1..]);
        }
        Ok(Some((line[..space].to_vec(), value)))
    }

    /// The next header if it is this one; a single line.
    fn take(&mut self, key: &'static str) -> Result<Option<&'a [u8]>, CommitError> {
        match self.rest.strip_prefix(key.as_bytes()) {
            Some([b' ', ..]) => Ok(Some(&self.line()?[key.len() + 1..])),
            _ => Ok(None),
        }
    }

    fn need(&mut self, key: &'static str) -> Result<&'a [u8], CommitError> {
        self.take(key)?.ok_or(CommitError::Header(key))
    }

    fn extra(&mut self, known: &[&'static str]) -> Result<Vec<ExtraHeader>, CommitError> {
        let mut extra = Vec::new();
        while let Some((key, value)) = self.next()? {
            if let Some(again) = known.iter().find(|k| k.as_bytes() == key.as_slice()) {
                return Err(CommitError::Header(again));
            }
            extra.push((key, value));
        }
        Ok(extra)
    }

    /// What follows the blank line.
    fn message(self) -> Result<Vec<u8>, CommitError> {
        let message = self.rest.strip_prefix(b"\n").unwrap_or(self.rest);
        if message.contains(&0) { Err(CommitError::Malformed) } else { Ok(message.to_vec()) }
    }
}

fn read_oid(bytes: &[u8], header: &'static str) -> Result<Oid, CommitError> {
    let wrong = CommitError::Header(header);
    let Ok(text) = std::str::from_utf8(bytes) else { return Err(wrong) };
    // git writes lower case; the same object in upper case would have another id.
    if text.bytes().any(|c| c.is_ascii_uppercase()) {
        return Err(wrong);
    }
    text.parse().map_err(|_| wrong)
}

fn read_signature(bytes: &[u8], header: &'static str) -> Result<Signature, CommitError> {
    Signature::parse(bytes).ok_or(CommitError::Header(header))
}

fn write_header(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.extend_from_slice(key);
    out.push(b' ');
    for byte in value {
        out.push(*byte);
        if *byte == b'\n' {
            out.push(b' ');
        }
    }
    out.push(b'\n');
}

fn write_extra(out: &mut Vec<u8>, extra: &[ExtraHeader]) {
    for (key, value) in extra {
        write_header(out, key, value);
    }
}

/// The first line that is not blank, and what follows it, both without blank lines around.
fn split_message(message: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(message);
    let text = text.trim_start_matches(['\n', '\r', ' ', '\t']).trim_end();
    let (title, description) = text.split_once('\n').unwrap_or((text, ""));
    (title.trim_end().to_owned(), description.trim_start_matches(['\n', '\r']).to_owned())
}

impl Commit {
    /// Reads an object's bytes, as strictly as `git fsck --strict`. Writing it again gives the same bytes, except
    /// where an object has no blank line after its headers.
    pub fn parse(raw: &[u8]) -> Result<Self, CommitError> {
        let mut headers = Headers::new(raw)?;
        let tree = read_oid(headers.need("tree")?, "tree")?;
        let mut parents = Vec::new();
        while let Some(parent) = headers.take("parent")? {
            parents.push(read_oid(parent, "parent")?);
        }
        let author = read_signature(headers.need("author")?, "author")?;
        let committer = read_signature(headers.need("committer")?, "committer")?;
        let extra = headers.extra(&["tree", "parent", "author", "committer"])?;
        Ok(Self { tree, parents, author, committer, extra, message: headers.message()? })
    }

    /// The object's bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.message.len());
        write_header(&mut out, b"tree", self.tree.to_string().as_bytes());
        for parent in &self.parents {
            write_header(&mut out, b"parent", parent.to_string().as_bytes());
        }
        for (key, who) in [("author", &self.author), ("committer", &self.committer)] {
            write_header(&mut out, key.as_bytes(), &who.to_bytes());
        }
        write_extra(&mut out, &self.extra);
        out.push(b'\n');
        out.extend_from_slice(&self.message);
        out
    }

    /// A message of a title and a description, as the clients send them: NUL bytes and blank lines around are left
    /// out, and it ends in a line feed unless it is empty.
    pub fn compose_message(title: &str, description: &str) -> Vec<u8> {
        let clean =
            |text: &str| text.replace('\0', "").replace("\r\n", "\n").trim_matches(['\n', '\r', ' ', '\t']).to_owned();
        let (title, description) = (clean(title), clean(description));
        let mut message = title;
        if !description.is_empty() {
            if !message.is_empty() {
                message.push_str("\n\n");
            }
            message.push_str(&description);
        }
        if !message.is_empty() {
            message.push('\n');
        }
        message.into_bytes()
    }

    /// The first line of the message.
    pub fn title(&self) -> String {
        split_message(&self.message).0
    }

    /// The message after its first line.
    pub fn description(&self) -> String {
        split_message(&self.message).1
    }
}

/// An annotated tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// What it names: mostly a commit; another tag is peeled further.
    pub target: Oid,
    /// The kind of the target.
    pub kind: ObjectKind,
    /// Its name, without `refs/tags/`.
    pub name: Vec<u8>,
    /// Who tagged; old tags do not say.
    pub tagger: Option<Signature>,
    /// Further headers, as of [`Commit::extra`].
    pub extra: Vec<ExtraHeader>,
    /// The message; a signature may be part of it.
    pub message: Vec<u8>,
}

impl Tag {
    /// Reads an object's bytes. Writing it again gives the same bytes, except where an object has no blank line
    /// after its headers.
    pub fn parse(raw: &[u8]) -> Result<Self, CommitError> {
        let mut headers = Headers::new(raw)?;
        let target = read_oid(headers.need("object")?, "object")?;
        let kind = std::str::from_utf8(headers.need("type")?).ok().and_then(|k| k.parse().ok());
        let kind = kind.ok_or(CommitError::Header("type"))?;
        let name = headers.need("tag")?.to_vec();
        if name.is_empty() {
            return Err(CommitError::Header("tag"));
        }
        let tagger = headers.take("tagger")?.map(|t| read_signature(t, "tagger")).transpose()?;
        let extra = headers.extra(&["object", "type", "tag", "tagger"])?;
        Ok(Self { target, kind, name, tagger, extra, message: headers.message()? })
    }

    /// The object's bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160 + self.message.len());
        write_header(&mut out, b"object", self.target.to_string().as_bytes());
        write_header(&mut out, b"type", self.kind.as_str().as_bytes());
        write_header(&mut out, b"tag", &self.name);
        if let Some(tagger) = &self.tagger {
            write_header(&mut out, b"tagger", &tagger.to_bytes());
        }
        write_extra(&mut out, &self.extra);
        out.push(b'\n');
        out.extend_from_slice(&self.message);
        out
    }

    /// The name as text.
    pub fn name_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }
}
