//! Keys: the file they lie in, and what one of them does.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haina_types::{Code, Error, Result, Rng};

use super::KeySource;

/// Most bytes that are read of the file.
const FILE_BYTES_MAX: u64 = 16 << 10;
/// Most keys at once.
const KEYS_MAX: usize = 16;
/// What every sealed text begins with; the number is that of this form.
const PREFIX: &str = "sealed:1:";

/// Why something does not open.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It is not a sealed text.
    #[error("is not sealed")]
    Foreign,
    /// No key by this name is at hand.
    #[error("is sealed with key {0}, which this server does not have")]
    Unknown(String),
    /// It was changed, or sealed for another place.
    #[error("was changed, or belongs to another place")]
    Broken,
}

/// One key.
pub(super) struct Key {
    /// Its name: 16 hexadecimal digits that follow from it.
    pub id: String,
    /// As it is written in files.
    pub text: String,
    aead: RandomizedNonceKey,
}

fn expand(prk: &Prk, label: &str) -> Result<[u8; 32]> {
    let (mut out, info) = ([0; 32], [label.as_bytes()]);
    let made = prk.expand(&info, HKDF_SHA256).and_then(|okm| okm.fill(&mut out));
    made.map_err(|e| Error::internal(e.to_string()))?;
    Ok(out)
}

impl Key {
    fn new(secret: &[u8; 32]) -> Result<Self> {
        let prk = Salt::new(HKDF_SHA256, b"").extract(secret);
        let aead = RandomizedNonceKey::new(&AES_256_GCM, &expand(&prk, "haina secrets at rest")?);
        let name = expand(&prk, "haina name of a key")?;
        let id = name[..8].iter().map(|b| format!("{b:02x}")).collect();
        let text = secret.iter().map(|b| format!("{b:02x}")).collect();
        Ok(Self { id, text, aead: aead.map_err(|e| Error::internal(e.to_string()))? })
    }

    /// Seals something for a place.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<String> {
        let mut sealed = plain.to_vec();
        let nonce = self.aead.seal_in_place_append_tag(Aad::from(place), &mut sealed);
        let nonce = nonce.map_err(|e| Error::internal(e.to_string()))?;
        let body = URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat());
        Ok(format!("{PREFIX}{}:{body}", self.id))
    }

    /// Opens the body of a sealed text.
    pub fn open(&self, place: &str, body: &str) -> Result<Vec<u8>, Fault> {
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| Fault::Broken)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(Fault::Broken)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.aead.open_in_place(nonce, Aad::from(place), &mut sealed).map_err(|_| Fault::Broken)?;
        Ok(plain.to_vec())
    }
}

/// Key and body of a sealed text.
pub(super) fn parts(sealed: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(sealed).ok()?.strip_prefix(PREFIX)?.split_once(':')
}

fn refused(message: String) -> Error {
    Error::new(Code::Unavailable, message)
}

/// Keys with white space or commas between.
fn parse(text: &str, place: &str) -> Result<Vec<Arc<Key>>> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let mut keys: Vec<Arc<Key>> = Vec::new();
    for word in words {
        let digits: Vec<u8> = word.chars().filter_map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
        if digits.len() != 64 || word.len() != 64 || keys.len() == KEYS_MAX {
            return Err(refused(format!(
                "{place} must hold a key of 64 hexadecimal digits, such as `openssl rand -hex 32` makes, or at most {KEYS_MAX} of \
                 them, the newest first."
            )));
        }
        let mut secret = [0; 32];
        for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        keys.push(Arc::new(Key::new(&secret)?));
    }
    Ok(keys)
}

/// The keys that are there: none if the file does not exist.
pub(super) fn load(source: &KeySource) -> Result<Vec<Arc<Key>>> {
    let place = source.place();
    let keys = match source {
        KeySource::Given(text) => parse(text, &place)?,
        KeySource::File(path) => match read(path) {
            Ok(text) => parse(&text, &place)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(refused(format!("{place} cannot be read: {e}"))),
        },
    };
    if keys.is_empty() {
        return Err(refused(format!("{place} is empty: restore the key that belongs to this database.")));
    }
    Ok(keys)
}

fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    if file.metadata()?.mode() & 0o007 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others may read it. Take that from them: chmod 600",
        ));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// The text in a file beside the one that it is for, on the disk.
fn put_beside(path: &Path, text: &str) -> io::Result<PathBuf> {
    let unnamed = beside(path);
    // What a start that was cut left behind is nobody's key yet.
    match std::fs::remove_file(&unnamed) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(unnamed)
}

/// A new key.
pub(super) fn fresh(rng: &dyn Rng) -> Result<Arc<Key>> {
    Ok(Arc::new(Key::new(&rng.array::<32>())?))
}

/// Makes the file with a new key, whole or not at all; if another start was quicker, its key stays.
pub(super) fn make(path: &Path, rng: &dyn Rng) -> Result<()> {
    let key = fresh(rng)?;
    let make = || {
        let unnamed = put_beside(path, &format!("{}\n", key.text))?;
        match std::fs::hard_link(&unnamed, path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        std::fs::remove_file(&unnamed)?;
        File::open(folder(path))?.sync_all()
    };
    make().map_err(|e| refused(format!("{} cannot be made: {e}", path.display())))
}

/// Replaces the file, at once for whoever reads it.
pub(super) fn replace(path: &Path, keys: &[Arc<Key>]) -> Result<()> {
    let text: String = keys.iter().map(|key| format!("{}\n", key.text)).collect();
    let write = || {
        let unnamed = put_beside(path, &text)?;
        std::fs::rename(&unnamed, path)?;
        File::open(folder(path))?.sync_all()
    };
    write().map_err(|e| refused(format!("{} cannot be written: {e}", path.display())))
}

/// Waits until nobody else changes the file; until the value is dropped nobody does.
pub(super) fn lock(path: &Path) -> Result<File> {
    let lock = || {
        let file = File::open(folder(path))?;
        file.lock()?;
        Ok(file)
    };
    lock().map_err(|e: io::Error| refused(format!("{} cannot be locked: {e}", folder(path).display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
    use haina_types::SystemRng;

    use super::*;

    #[test]
    fn only_what_was_sealed_for_a_place_opens_there() {
        let (key, other) = (fresh(&SystemRng).unwrap(), fresh(&SystemRng).unwrap());
        let sealed = key.seal("webhook/a/secret", b"whsec").unwrap();
        assert_ne!(sealed, key.seal("webhook/a/secret", b"whsec").unwrap(), "each time another nonce");
        let (id, body) = parts(sealed.as_bytes()).unwrap();
        assert_eq!((id, id.len()), (&*key.id, 16));
        assert_eq!(key.open("webhook/a/secret", body).unwrap(), b"whsec");
        assert!(key.open("webhook/b/secret", body).is_err(), "another row");
        assert!(key.open("webhook/a/url", body).is_err(), "another field");
        assert!(other.open("webhook/a/secret", body).is_err(), "another key");
        for (i, c) in body.char_indices() {
            let changed = format!("{}{}{}", &body[..i], if c == 'A' { 'B' } else { 'A' }, &body[i + 1..]);
            assert!(key.open("webhook/a/secret", &changed).is_err(), "changed at {i}");
        }
        for cut in 0..body.len() {
            assert!(key.open("webhook/a/secret", &body[..cut]).is_err(), "cut at {cut}");
        }
        for foreign in ["", "whsec", "sealed:", "sealed:1:", "sealed:2:x:y", "sealed:1:x"] {
            assert!(parts(foreign.as_bytes()).is_none(), "{foreign}");
        }
    }

    #[test]
    fn the_file_is_made_once_and_kept_from_others() {
        use std::os::unix::fs::PermissionsExt;
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("secret.key");
        let source = KeySource::File(path.clone());
        assert!(load(&source).unwrap().is_empty());
        std::fs::write(beside(&path), "left behind").unwrap();
        make(&path, &SystemRng).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let first = load(&source).unwrap();
        make(&path, &SystemRng).unwrap();
        assert_eq!(load(&source).unwrap()[0].id, first[0].id, "the first stays");
        let new = fresh(&SystemRng).unwrap();
        replace(&path, &[new.clone(), first[0].clone()]).unwrap();
        let both: Vec<String> = load(&source).unwrap().iter().map(|k| k.id.clone()).collect();
        assert_eq!(both, [new.id.clone(), first[0].id.clone()]);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let given = KeySource::Given(format!("{},{}", new.text.to_uppercase(), first[0].text));
        assert_eq!(load(&given).unwrap().len(), 2);
        assert!(!format!("{given:?}").contains(&new.text[..8]));

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
        assert!(load(&source).err().unwrap().message.contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for bad in [
            "",
            "\n",
            "abc",
            &"g".repeat(64),
            &"a".repeat(63),
            &"é".repeat(32),
            &format!("{0} ", "a".repeat(64)).repeat(17),
        ] {
            std::fs::write(&path, bad).unwrap();
            assert!(load(&source).is_err(), "{bad:?}");
        }
    }
}
