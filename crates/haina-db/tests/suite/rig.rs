//! Databases for tests, and rows to begin with.

use haina_db::people::NewUser;
use haina_db::repos::NewRepo;
use haina_db::{Config, Db, people, repos};
use haina_types::{Oid, RepoKind, RepoName, Slug, Timestamp, Visibility};

/// A time to count from.
pub const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// An empty, migrated database.
pub struct Hub {
    pub db: Db,
    pub config: Config,
    pub folder: tempfile::TempDir,
    // Dropped last: it drops the database.
    pub server: Option<haina_test::postgres::Database>,
}

impl Hub {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::Sqlite(folder.path().join("hub.db"));
        Self { db: Db::open(&config).await.unwrap(), config, folder, server: None }
    }

    pub async fn postgres() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = haina_test::postgres::Database::create().unwrap();
        let config = Config::parse(server.url()).unwrap();
        Self { db: Db::open(&config).await.unwrap(), config, folder, server: Some(server) }
    }

    pub fn is_postgres(&self) -> bool {
        self.server.is_some()
    }

    /// A second program with the same database.
    pub async fn reopen(&self) -> Db {
        Db::open(&self.config).await.unwrap()
    }

    pub async fn user(&self, name: &str) -> i64 {
        let name: Slug = name.parse().unwrap();
        let new = NewUser {
            name: &name,
            full_name: "Somebody",
            email: None,
            password_hash: None,
            is_admin: false,
            created_at: NOW,
            service_of: None,
        };
        let mut tx = self.db.begin().await.unwrap();
        let id = people::insert_user(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// A public model.
    pub async fn repo(&self, owner: i64, name: &str) -> i64 {
        self.repo_of(owner, RepoKind::Model, name, Visibility::Public).await
    }

    pub async fn repo_of(&self, owner: i64, kind: RepoKind, name: &str, visibility: Visibility) -> i64 {
        let mut tx = self.db.begin().await.unwrap();
        let id = insert_repo(&mut tx, owner, kind, name, visibility).await.unwrap();
        tx.commit().await.unwrap();
        id
    }
}

pub async fn insert_repo(
    s: &mut haina_db::Session,
    owner: i64,
    kind: RepoKind,
    name: &str,
    visibility: Visibility,
) -> haina_db::Result<i64> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let public_id = format!("{:024x}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let name: RepoName = name.parse().unwrap();
    let new = NewRepo {
        public_id: &public_id,
        kind,
        ns_id: owner,
        name: &name,
        visibility,
        created_by: Some(owner),
        created_at: NOW,
        group_id: None,
    };
    repos::insert_repo(s, &new).await
}

/// A different id for each number.
pub fn oid(n: u32) -> Oid {
    let mut bytes = [0; 20];
    for (i, b) in bytes.iter_mut().enumerate() {
        *b = (n.wrapping_mul(2_654_435_761).rotate_left(i as u32 * 3) >> 7) as u8;
    }
    bytes[16..].copy_from_slice(&(n + 1).to_be_bytes());
    Oid(bytes)
}
