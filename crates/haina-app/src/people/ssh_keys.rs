//! Public keys: by which one of them somebody is known at the SSH door.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use haina_db::ssh_keys::{self, NewSshKey, SshKey};
use haina_types::{Code, Error, Result, Slug, Timestamp};
use serde_json::json;
use sha2::{Digest, Sha256};
use ssh_key::PublicKey;
use ssh_key::public::KeyData;

use crate::{App, Caller};

/// Most keys of one user.
const KEYS_MAX: usize = 100;
/// Longest line that a key is written in; an RSA key of 8192 bits has 1,400 characters.
const LINE_BYTES_MAX: usize = 8192;
/// RSA keys that are neither weak nor costly to check.
const RSA_BITS: std::ops::RangeInclusive<u64> = 2048..=8192;

/// A key as its owner sees it in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKeySummary {
    /// Its id.
    pub id: i64,
    /// The owner's name for it.
    pub name: String,
    /// The algorithm, as SSH names it.
    pub kind: String,
    /// As `ssh-keygen -l` writes it: `SHA256:…`.
    pub fingerprint: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last used, to the hour.
    pub last_used_at: Option<Timestamp>,
}

impl From<SshKey> for SshKeySummary {
    fn from(key: SshKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            kind: key.kind,
            fingerprint: fingerprint_text(&key.fingerprint),
            created_at: key.created_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// Somebody who is known by a key.
#[derive(Debug, Clone)]
pub struct KeyHolder {
    key: SshKey,
    caller: Caller,
}

impl KeyHolder {
    /// The id of the key.
    pub(crate) fn key(&self) -> i64 {
        self.key.id
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        self.caller.user().map_or("", |u| u.name.as_str())
    }
}

fn fingerprint_text(fingerprint: &[u8; 32]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(fingerprint))
}

/// A key that was read.
#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    kind: String,
    /// As on the wire.
    key: Vec<u8>,
    comment: String,
}

impl Parsed {
    fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.key).into()
    }
}

/// Reads a line as it stands in a `.pub` file. What is refused is told why, and what to do instead.
fn parse(text: &str) -> Result<Parsed> {
    const MAKE: &str = "Make one with `ssh-keygen -t ed25519`";
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid("An SSH public key is missing: paste the line of the file that ends in .pub."));
    }
    if text.contains("PRIVATE KEY") {
        return Err(Error::invalid(
            "This is a private key, which nobody else must ever see. Add the public key: the line of the file that ends in .pub.",
        ));
    }
    if text.starts_with("----") {
        return Err(Error::invalid(
            "This public key is in another format. Convert it with `ssh-keygen -i -f FILE` and add the line that comes out.",
        ));
    }
    if text.len() > LINE_BYTES_MAX || text.lines().count() > 1 {
        return Err(Error::invalid(format!(
            "An SSH public key is one line of at most {LINE_BYTES_MAX} characters. Add one key at a time."
        )));
    }
    let mut words = text.split_whitespace();
    let (kind, data) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let comment = words.collect::<Vec<_>>().join(" ");
    match kind {
        "ssh-ed25519"
        | "ssh-rsa"
        | "ecdsa-sha2-nistp256"
        | "ecdsa-sha2-nistp384"
        | "ecdsa-sha2-nistp521"
        | "sk-ssh-ed25519@openssh.com"
        | "sk-ecdsa-sha2-nistp256@openssh.com" => {}
        "ssh-dss" => return Err(Error::invalid(format!("DSA keys are too weak. {MAKE} and add that."))),
        kind if kind.ends_with("-cert-v01@openssh.com") => {
            return Err(Error::invalid(
                "Certificates are not accepted here. Add the public key itself: the file that ends in .pub, not in -cert.pub.",
            ));
        }
        _ => {
            return Err(Error::invalid(format!(
                "This is not an SSH public key that is accepted here. Such a line begins with ssh-ed25519, ecdsa-sha2-…, ssh-rsa or sk-…. {MAKE} and add the line of the file that ends in .pub."
            )));
        }
    }
    let damaged = |e: ssh_key::Error| {
        Error::invalid("This SSH public key is damaged. Copy the whole line of the .pub file again.").because(e)
    };
    // The kind stands in the line and again in its data; they must be the same.
    let public = PublicKey::from_openssh(&format!("{kind} {data}")).map_err(damaged)?;
    if let KeyData::Rsa(rsa) = public.key_data() {
        let modulus = rsa.n().as_positive_bytes().unwrap_or_default();
        let unused = modulus.first().map_or(0, |b| b.leading_zeros());
        let bits = (modulus.len() as u64 * 8).saturating_sub(u64::from(unused));
        if !RSA_BITS.contains(&bits) {
            return Err(Error::invalid(format!(
                "This RSA key has {bits} bits. RSA keys of {} to {} bits are accepted. {MAKE} and add that, or an RSA key with `ssh-keygen -t rsa -b 3072`.",
                RSA_BITS.start(),
                RSA_BITS.end()
            )));
        }
    }
    let key = public.to_bytes().map_err(damaged)?;
    Ok(Parsed { kind: kind.to_owned(), key, comment })
}

/// The name of a key: as given, or its comment, or its kind.
fn name_of(given: Option<&str>, parsed: &Parsed) -> Result<String> {
    let given = given.map(str::trim).filter(|n| !n.is_empty());
    if given.is_some_and(|n| n.chars().count() > 100 || n.chars().any(char::is_control)) {
        return Err(Error::invalid("A key's name is one line of at most 100 characters."));
    }
    let comment: String = parsed.comment.chars().filter(|c| !c.is_control()).take(100).collect();
    Ok(match given {
        Some(name) => name.to_owned(),
        None if comment.trim().is_empty() => parsed.kind.clone(),
        None => comment.trim().to_owned(),
    })
}

impl App {
    /// Who is known by a key, if it is somebody's and they may come in. That they hold the key is for the door to find
    /// out.
    pub async fn find_key_holder(&self, fingerprint: &[u8; 32]) -> Result<Option<KeyHolder>> {
        let mut s = self.db().read().await?;
        let found = ssh_keys::find_ssh_key(&mut s, fingerprint).await?;
        Ok(found
            .filter(|(_, user)| user.disabled_at.is_none())
            .map(|(key, user)| KeyHolder { key, caller: Caller::person(user) }))
    }

    /// Who holds a key now: it may have been removed, and its account closed, since they came in.
    pub async fn caller_of_key(&self, holder: &KeyHolder) -> Result<Caller> {
        let found = self.find_key_holder(&holder.key.fingerprint).await?;
        let found = found.filter(|now| now.key.id == holder.key.id).map(|now| now.caller);
        found.ok_or_else(|| Error::new(Code::BadCredentials, "This key is not in use any more. Connect again."))
    }

    /// Notes that a key was used: at most once an hour for each, as for tokens.
    pub async fn note_key_use(&self, holder: &KeyHolder) -> Result<()> {
        let now = self.now();
        if holder.key.last_used_at.is_some_and(|last| now.0 - last.0 <= 3_600_000) {
            return Ok(());
        }
        let mut tx = self.db().begin().await?;
        ssh_keys::touch_ssh_key(&mut tx, holder.key.id, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Adds a public key to the caller's account. Without a name it has that of its comment.
    pub async fn add_ssh_key(&self, caller: &Caller, name: Option<&str>, text: &str) -> Result<SshKeySummary> {
        let user = manager(caller)?;
        self.keep_ssh_key(user, name, text, Some(user)).await
    }

    /// Adds a public key to a user's account (the operator's `haina admin key add`).
    pub async fn add_ssh_key_of(&self, user: &Slug, name: Option<&str>, text: &str) -> Result<SshKeySummary> {
        let user = self.id_of(user).await?;
        self.keep_ssh_key(user, name, text, None).await
    }

    async fn id_of(&self, user: &Slug) -> Result<i64> {
        let mut s = self.db().read().await?;
        Ok(self.get_user(&mut s, user).await?.id)
    }

    async fn keep_ssh_key(
        &self,
        user: i64,
        name: Option<&str>,
        text: &str,
        actor: Option<i64>,
    ) -> Result<SshKeySummary> {
        let parsed = parse(text)?;
        let name = name_of(name, &parsed)?;
        let fingerprint = parsed.fingerprint();
        let mut tx = self.db().begin().await?;
        let present = ssh_keys::list_ssh_keys(&mut tx, user).await?;
        if present.iter().any(|k| k.fingerprint == fingerprint) {
            return Err(Error::new(Code::Conflict, "This account has this key already."));
        }
        if present.len() >= KEYS_MAX {
            return Err(Error::invalid(format!("A user has at most {KEYS_MAX} keys: remove one first.")));
        }
        let now = self.now();
        let new = NewSshKey {
            user_id: user,
            name: &name,
            kind: &parsed.kind,
            fingerprint: &fingerprint,
            key: &parsed.key,
            created_at: now,
        };
        let id = ssh_keys::insert_ssh_key(&mut tx, &new).await.map_err(|e| match e {
            haina_db::Error::Conflict(_) => Error::new(
                Code::Conflict,
                "This key belongs to another account of this hub. Make a key of its own for this one with `ssh-keygen -t ed25519`.",
            ),
            e => e.into(),
        })?;
        let fingerprint = fingerprint_text(&fingerprint);
        let data = json!({"key": id, "name": name, "kind": parsed.kind, "fingerprint": fingerprint});
        self.append(&mut tx, actor, "key.add", None, Some(user), data).await?;
        tx.commit().await?;
        Ok(SshKeySummary { id, name, kind: parsed.kind, fingerprint, created_at: now, last_used_at: None })
    }

    /// The caller's own keys, oldest first.
    pub async fn list_ssh_keys(&self, caller: &Caller) -> Result<Vec<SshKeySummary>> {
        let user = caller.require_user()?.id;
        self.keys_of(user).await
    }

    /// A user's keys (the operator's `haina admin key list`).
    pub async fn list_ssh_keys_of(&self, user: &Slug) -> Result<Vec<SshKeySummary>> {
        let user = self.id_of(user).await?;
        self.keys_of(user).await
    }

    async fn keys_of(&self, user: i64) -> Result<Vec<SshKeySummary>> {
        let mut s = self.db().read().await?;
        Ok(ssh_keys::list_ssh_keys(&mut s, user).await?.into_iter().map(SshKeySummary::from).collect())
    }

    /// Removes one of the caller's own keys. It stops working at once, with whatever it was used to get.
    pub async fn remove_ssh_key(&self, caller: &Caller, id: i64) -> Result<()> {
        let user = manager(caller)?;
        self.forget_ssh_key(user, id, Some(user)).await
    }

    /// Removes a user's key by its id or its fingerprint (the operator's `haina admin key remove`).
    pub async fn remove_ssh_key_of(&self, user: &Slug, key: &str) -> Result<()> {
        let user = self.id_of(user).await?;
        let keys = self.keys_of(user).await?;
        let found = keys.iter().find(|k| k.fingerprint == key || k.id.to_string() == key);
        self.forget_ssh_key(user, found.ok_or_else(no_such_key)?.id, None).await
    }

    async fn forget_ssh_key(&self, user: i64, id: i64, actor: Option<i64>) -> Result<()> {
        let mut tx = self.db().begin().await?;
        if !ssh_keys::delete_ssh_key(&mut tx, user, id).await? {
            return Err(no_such_key());
        }
        self.append(&mut tx, actor, "key.remove", None, Some(user), json!({"key": id})).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn no_such_key() -> Error {
    Error::new(Code::NotFound, "There is no such key.")
}

/// The user whose account the caller manages.
fn manager(caller: &Caller) -> Result<i64> {
    let user = caller.require_user()?;
    if !caller.token_may_manage_account() {
        return Err(Error::new(Code::Forbidden, "Only a signed-in person or a write token can manage keys."));
    }
    Ok(user.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    /// A key of this kind, whose data are these fields as SSH writes them.
    fn line(kind: &str, fields: &[&[u8]]) -> String {
        let mut data = Vec::new();
        for field in [kind.as_bytes()].iter().chain(fields) {
            data.extend_from_slice(&(field.len() as u32).to_be_bytes());
            data.extend_from_slice(field);
        }
        format!("{kind} {}", base64::engine::general_purpose::STANDARD.encode(data))
    }

    fn rsa(bits: usize) -> String {
        // A positive number of that many bits.
        let mut modulus = vec![0u8; bits.div_ceil(8) + 1];
        let top = modulus.len() - bits.div_ceil(8);
        modulus[top] = 1 << ((bits - 1) % 8);
        if modulus[1] < 0x80 {
            modulus.remove(0);
        }
        line("ssh-rsa", &[&[1, 0, 1], &modulus])
    }

    #[test]
    fn keys_as_files_have_them() {
        for text in [
            format!("ssh-ed25519 {ED25519} ada@laptop of mine"),
            format!("  ssh-ed25519\t{ED25519}   ada@laptop  of mine \r\n"),
        ] {
            let parsed = parse(&text).unwrap();
            assert_eq!((parsed.kind.as_str(), parsed.comment.as_str()), ("ssh-ed25519", "ada@laptop of mine"));
            assert_eq!(parsed.key.len(), 51);
            // As `ssh-keygen -l` says.
            let fingerprint = fingerprint_text(&parsed.fingerprint());
            assert_eq!(fingerprint, "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ");
            assert_eq!(name_of(None, &parsed).unwrap(), "ada@laptop of mine");
            assert_eq!(name_of(Some(" x "), &parsed).unwrap(), "x");
        }
        assert_eq!(name_of(None, &parse(&format!("ssh-ed25519 {ED25519}")).unwrap()).unwrap(), "ssh-ed25519");
        for bits in [2048, 3072, 4096, 8192] {
            assert_eq!(parse(&rsa(bits)).unwrap().kind, "ssh-rsa", "{bits}");
        }
    }

    #[test]
    fn refused_keys_are_told_why() {
        let short = format!("ssh-ed25519 {}", &ED25519[..40]);
        let lie = format!("ssh-rsa {ED25519}");
        let two = format!("ssh-ed25519 {ED25519}\nssh-ed25519 {ED25519}");
        let options = format!("command=\"sh\" ssh-ed25519 {ED25519}");
        let long = format!("ssh-ed25519 {ED25519} {}", "x".repeat(LINE_BYTES_MAX));
        let dss = line("ssh-dss", &[&[1], &[1], &[1], &[1]]);
        let curve = line("ecdsa-sha2-nistp256", &[b"nistp384", &[4; 65]]);
        for (text, words) in [
            ("", "is missing"),
            ("hello", "is not an SSH public key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", "nobody else must ever see"),
            ("-----BEGIN RSA PRIVATE KEY-----\nAAAA", "nobody else must ever see"),
            ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA", "ssh-keygen -i"),
            ("ssh-ed25519", "is damaged"),
            ("ssh-ed25519 !!!", "is damaged"),
            (&short, "is damaged"),
            (&lie, "is damaged"),
            (&curve, "is damaged"),
            (&two, "one line"),
            (&long, "one line"),
            (&options, "is not an SSH public key"),
            (&dss, "DSA keys are too weak"),
            ("ssh-ed25519-cert-v01@openssh.com AAAA", "Certificates are not accepted"),
            (&rsa(1024), "has 1024 bits"),
            (&rsa(2047), "has 2047 bits"),
            (&rsa(16384), "has 16384 bits"),
        ] {
            let e = parse(text).unwrap_err();
            assert!(e.code == Code::Invalid && e.message.contains(words), "{text}: {e:?}");
        }
        let parsed = parse(&format!("ssh-ed25519 {ED25519}")).unwrap();
        for bad in ["a\nb", "\u{7}", &"x".repeat(101)] {
            assert!(name_of(Some(bad), &parsed).is_err(), "{bad}");
        }
    }
}
