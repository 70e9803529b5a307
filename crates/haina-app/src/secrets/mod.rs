//! Secrets at rest. What the hub must be able to read again (what it proves itself with to providers, what webhooks are
//! signed by, its own keys, secrets of spaces) lies in the database sealed by AES-256-GCM, under a key that does not lie there:
//! a copy of the database alone gives nothing away. What only has to be compared is kept as a hash, as everywhere else.
//!
//! A sealed text is `sealed:1:KEY:BODY`: the key's name, and nonce, ciphertext and tag in base64. It is sealed for its
//! place (`webhook/ID/secret`), so that moved to another row it does not open. Which key seals is a row of the database
//! too ([`haina_db::secrets::CHECK`]), sealed by it; a change of the key writes it first and then seals everything anew.

mod keys;
mod places;
mod rotate;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use haina_db::{Session, secrets as db};
use haina_types::{Code, Error, Result, Rng};
use keys::{Fault, Key};
pub(crate) use places::{provider_place, space_place, webhook_place};
pub use rotate::Rotated;

/// Where the key is.
#[derive(Clone)]
pub enum KeySource {
    /// In a file, which is made when there is nothing sealed yet.
    File(PathBuf),
    /// Given by whoever starts the hub: 64 hexadecimal digits, or several keys with the newest first.
    Given(String),
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Given(_) => f.write_str("given"),
        }
    }
}

impl KeySource {
    /// What it is called for whoever has to look after it.
    fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Given(_) => "HAINA_SECRET_KEY".to_owned(),
        }
    }
}

/// What the check row holds, sealed: whoever can read it has the key.
const CHECK_TEXT: &[u8] = b"haina";

/// The place of a fact of the hub.
fn meta_place(name: &str) -> String {
    format!("meta/{name}/value")
}

/// Seals and opens.
pub(crate) struct Vault {
    source: KeySource,
    /// The newest first. Keys are added while the hub runs, never taken away.
    ring: RwLock<Arc<Vec<Arc<Key>>>>,
}

fn refused(message: String) -> Error {
    Error::new(Code::Unavailable, message)
}

impl Vault {
    /// Finds the key and proves that it is the right one. On a database without anything sealed, everything is sealed.
    pub(crate) async fn open(database: &haina_db::Db, source: KeySource, rng: &dyn Rng) -> Result<Self> {
        let check = {
            let mut s = database.read().await?;
            haina_db::meta::find_meta(&mut s, db::CHECK).await?
        };
        let mut found = keys::load(&source)?;
        if found.is_empty() && check.is_none() {
            if let KeySource::File(path) = &source {
                keys::make(path, rng)?;
            }
            found = keys::load(&source)?;
        }
        let vault = Self { source, ring: RwLock::new(Arc::new(found)) };
        match check {
            Some(check) => vault.prove(&check)?,
            None => vault.begin(database).await?,
        }
        Ok(vault)
    }

    /// The check row opens with one of our keys.
    fn prove(&self, check: &[u8]) -> Result<()> {
        let Err(fault) = self.try_open(&meta_place(db::CHECK), check) else { return Ok(()) };
        let place = self.source.place();
        let id = match fault {
            Fault::Unknown(id) => id,
            Fault::Foreign | Fault::Broken => {
                return Err(refused(
                    "The row secrets.check of the database is damaged: restore the database from a backup.".to_owned(),
                ));
            }
        };
        let have = match self.ring().first() {
            Some(key) => format!("{place} holds key {}", key.id),
            None => format!("{place} is missing"),
        };
        Err(refused(format!(
            "The secrets in this database are sealed with key {id}, but {have}. Restore the file secret.key that belongs to \
             this database (it is in the data folder's backup; other servers of this hub have the same key), or give it with \
             --secret-key-file or HAINA_SECRET_KEY. If it is lost for good, `haina admin secrets reset` forgets what it sealed."
        )))
    }

    /// The first start with sealing: says which key counts and seals what is there, in one transaction.
    async fn begin(&self, database: &haina_db::Db) -> Result<()> {
        let Some(key) = self.ring().first().cloned() else {
            return Err(refused(format!("There is no key in {}.", self.source.place())));
        };
        let mut tx = database.begin().await?;
        let ours = key.seal(&meta_place(db::CHECK), CHECK_TEXT)?;
        // Servers that start together agree on the first, and the others find everything sealed.
        let kept = haina_db::meta::get_or_insert(&mut tx, db::CHECK, ours.as_bytes()).await?;
        if kept != ours.as_bytes() {
            drop(tx);
            return self.prove(&kept);
        }
        let count = places::each(&mut tx, |place, plain| Ok(places::Change::To(key.seal(place, plain)?))).await?;
        tx.commit().await?;
        if count > 0 {
            database.fold_log().await?;
            tracing::info!(count, key = key.id, "sealed the secrets that rested in the open");
        }
        Ok(())
    }

    fn ring(&self) -> Arc<Vec<Arc<Key>>> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find(&self, id: &str) -> Option<Arc<Key>> {
        self.ring().iter().find(|key| key.id == id).cloned()
    }

    /// Looks for keys that came meanwhile: another process may have changed the key.
    fn reload(&self) -> Result<()> {
        let mut all = keys::load(&self.source)?;
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        all.extend(ring.iter().filter(|key| all.iter().all(|a| a.id != key.id)).cloned().collect::<Vec<_>>());
        *ring = Arc::new(all);
        Ok(())
    }

    /// The key by this name, looked for again if it is new.
    fn key(&self, id: &str) -> Result<Option<Arc<Key>>> {
        if let Some(key) = self.find(id) {
            return Ok(Some(key));
        }
        self.reload()?;
        Ok(self.find(id))
    }

    /// The key that seals now, which stays so until the caller's transaction ends.
    async fn current(&self, tx: &mut Session) -> Result<Arc<Key>> {
        let check = db::current(tx).await?.ok_or_else(|| Error::internal("the meta row secrets.check is gone"))?;
        let (id, _) = keys::parts(&check).ok_or_else(|| Error::internal("the meta row secrets.check is damaged"))?;
        self.key(id)?.ok_or_else(|| Error::internal(format!("{} does not hold key {id}", self.source.place())))
    }

    /// Seals something for its place in the database, on the transaction that writes it there.
    pub(crate) async fn seal(&self, tx: &mut Session, place: &str, plain: &[u8]) -> Result<String> {
        self.current(tx).await?.seal(place, plain)
    }

    fn try_open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, Fault> {
        let (id, body) = keys::parts(sealed).ok_or(Fault::Foreign)?;
        let key = self.key(id).map_err(|_| Fault::Unknown(id.to_owned()))?;
        key.ok_or_else(|| Fault::Unknown(id.to_owned()))?.open(place, body)
    }

    /// Opens what was sealed for this place.
    pub(crate) fn open_bytes(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        self.try_open(place, sealed).map_err(|fault| Error::internal(format!("{place}: {fault}")))
    }

    /// The same of a text.
    pub(crate) fn open_text(&self, place: &str, sealed: &str) -> Result<String> {
        String::from_utf8(self.open_bytes(place, sealed.as_bytes())?).map_err(Error::internal)
    }

    /// A secret fact of the hub, if it was kept before.
    pub(crate) async fn find_kept(&self, s: &mut Session, name: &str) -> Result<Option<Vec<u8>>> {
        let found = haina_db::meta::find_meta(s, name).await?;
        found.map(|sealed| self.open_bytes(&meta_place(name), &sealed)).transpose()
    }

    /// A secret fact of the hub: what is kept, or `value`, which is kept from now on.
    pub(crate) async fn keep(&self, tx: &mut Session, name: &str, value: &[u8]) -> Result<Vec<u8>> {
        let place = meta_place(name);
        debug_assert!(places::META.contains(&name), "{name} would not be sealed anew when the key changes");
        if let Some(found) = self.find_kept(tx, name).await? {
            return Ok(found);
        }
        let sealed = self.seal(tx, &place, value).await?;
        // Servers that start together agree on the first.
        let kept = haina_db::meta::get_or_insert(tx, name, sealed.as_bytes()).await?;
        self.open_bytes(&place, &kept)
    }
}
