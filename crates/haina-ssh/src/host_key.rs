//! The key by which clients know this hub again: made on the first start, kept where only the hub reads it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use haina_types::Rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{HashAlg, PrivateKey};

/// Its name in the data folder.
const FILE: &str = "ssh_host_ed25519_key";
/// Most bytes that are read of it.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// The key of a hub.
pub struct HostKey {
    pub(crate) key: PrivateKey,
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostKey").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

fn wrong(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
}

impl HostKey {
    /// Reads the key of a data folder, and makes it if there is none.
    pub fn load(data: &Path, rng: &dyn Rng) -> io::Result<Self> {
        let path = data.join(FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                make(data, &path, rng)?;
                File::open(&path)?
            }
            Err(e) => return Err(e),
        };
        if file.metadata()?.mode() & 0o077 != 0 {
            return Err(wrong(&path, "others may read this key. Take that from them: chmod 600"));
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        let key = PrivateKey::from_openssh(&text);
        let key = key.map_err(|_| wrong(&path, "not a private key of OpenSSH's format. Restore it, or remove it and a new one is made: clients will then warn of it"))?;
        if key.is_encrypted() {
            return Err(wrong(&path, "it needs a passphrase. Take it off: ssh-keygen -p -f"));
        }
        Ok(Self { key })
    }

    /// What people compare when they connect for the first time: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.key.public_key().fingerprint(HashAlg::Sha256).to_string()
    }

    /// The line of the public key, as in a `.pub` file.
    pub fn public(&self) -> String {
        self.key.public_key().to_openssh().unwrap_or_default()
    }
}

/// Makes a key: whole, or not at all.
fn make(data: &Path, path: &Path, rng: &dyn Rng) -> io::Result<()> {
    let pair = Ed25519Keypair::from_seed(&rng.array::<32>());
    let text = PrivateKey::from(pair).to_openssh(LineEnding::LF).map_err(io::Error::other)?;
    let unnamed = data.join(format!("{FILE}.new"));
    // What a start that was cut left behind is nobody's key yet.
    match std::fs::remove_file(&unnamed) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // Another start may have been quicker: its key stays.
    match std::fs::hard_link(&unnamed, path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    std::fs::remove_file(&unnamed)?;
    File::open(data)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
    use std::os::unix::fs::PermissionsExt;

    use haina_types::SystemRng;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_from_others() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join(FILE);
        std::fs::write(data.path().join(format!("{FILE}.new")), "left behind").unwrap();
        let first = HostKey::load(data.path(), &SystemRng).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let second = HostKey::load(data.path(), &SystemRng).unwrap();
        assert_eq!(first.fingerprint(), second.fingerprint());
        assert!(first.fingerprint().starts_with("SHA256:") && first.public().starts_with("ssh-ed25519 "));
        assert!(!format!("{first:?}").contains("PRIVATE"));
        let other = tempfile::tempdir().unwrap();
        assert_ne!(HostKey::load(other.path(), &SystemRng).unwrap().fingerprint(), first.fingerprint());

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(HostKey::load(data.path(), &SystemRng).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "not a key").unwrap();
        assert!(HostKey::load(data.path(), &SystemRng).unwrap_err().to_string().contains("not a private key"));
    }
}
