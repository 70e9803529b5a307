//! A hub in a temporary folder, on either database, and the few people that tests need.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use haina_app::history::{CommitDone, CommitHeader};
use haina_app::people::{NewOrg, NewUser};
use haina_app::repos::NewRepo;
use haina_app::{App, Caller, Options};
use haina_types::{
    Clock, Error, OrgRole, RepoKind, RepoPath, Result, Revision, Slug, Timestamp, TokenRole, Visibility,
};

/// A clock that moves one second each time it is read, so that commits of one test have different times.
#[derive(Debug, Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(1_800_000_000_000 + 1000 * self.0.fetch_add(1, Ordering::Relaxed))
    }
}

pub struct Hub {
    pub app: App,
    options: Options,
    clock: Arc<Ticking>,
    data: tempfile::TempDir,
    _database: Option<haina_test::postgres::Database>,
}

impl Hub {
    async fn open(database: Option<haina_test::postgres::Database>) -> Self {
        Self::open_with(database, |_| {}).await
    }

    /// A hub that is opened in its own way.
    pub async fn open_with(
        database: Option<haina_test::postgres::Database>,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut options = Options::new(data.path(), "http://hub.test/");
        let clock = Arc::new(Ticking::default());
        options.clock = clock.clone();
        options.webhooks_allow = vec!["127.0.0.0/8".parse().unwrap()];
        if let Some(database) = &database {
            options.database = haina_db::Config::parse(database.url()).unwrap();
        }
        change(&mut options);
        Self { app: App::open(options.clone()).await.unwrap(), options, clock, data, _database: database }
    }

    /// Its folder.
    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    /// How it was opened, to open it again.
    pub fn options(&self) -> Options {
        self.options.clone()
    }

    /// Its database, as another process sees it.
    pub async fn database(&self) -> haina_db::Db {
        haina_db::Db::open(&self.options.database).await.unwrap()
    }

    /// Lets time pass.
    pub fn skip(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::Relaxed);
    }

    /// A user, as they are through a token of this power.
    pub async fn user(&self, name: &str, role: TokenRole) -> Caller {
        let slug: Slug = name.parse().unwrap();
        let new = NewUser { name: slug.clone(), full_name: None, email: None, admin: false };
        match self.app.add_user(new).await {
            Ok(_) => {}
            Err(e) => assert_eq!(e.code, haina_types::Code::Conflict, "{e:?}"),
        }
        let token = self.app.add_token(&slug, "test", role).await.unwrap();
        self.app.caller_by_token(&token.secret).await.unwrap()
    }

    pub async fn writer(&self, name: &str) -> Caller {
        self.user(name, TokenRole::Write).await
    }

    pub async fn org(&self, name: &str, owner: &str, members: &[(&str, OrgRole)]) {
        let name: Slug = name.parse().unwrap();
        self.app.add_org(NewOrg { name: name.clone(), full_name: None, owner: owner.parse().unwrap() }).await.unwrap();
        for (member, role) in members {
            self.app.set_member(&name, &member.parse().unwrap(), *role).await.unwrap();
        }
    }

    pub async fn repo(&self, caller: &Caller, id: &str, visibility: Visibility) -> RepoPath {
        self.try_repo(caller, id, visibility).await.unwrap();
        id.parse().unwrap()
    }

    pub async fn try_repo(&self, caller: &Caller, id: &str, visibility: Visibility) -> Result<()> {
        let path: RepoPath = id.parse().unwrap();
        let new = NewRepo {
            kind: RepoKind::Model,
            namespace: Some(path.namespace),
            name: path.name,
            visibility: Some(visibility),
            license: None,
            group: None,
            sdk: None,
            files: Vec::new(),
        };
        self.app.create_repo(caller, new).await.map(|_| ())
    }

    /// Commits small files; `None` deletes.
    pub async fn commit(
        &self,
        caller: &Caller,
        path: &RepoPath,
        parent: Option<&str>,
        files: &[(&str, Option<&str>)],
    ) -> Result<CommitDone, Error> {
        let access = self.app.write(caller, RepoKind::Model, path).await?;
        let header =
            CommitHeader { summary: "change".into(), description: String::new(), parent: parent.map(str::to_owned) };
        let mut writer = self.app.begin_commit(&access, &Revision::main(), header).await?;
        for (file, text) in files {
            match text {
                Some(text) => writer.put_file(file, text.as_bytes().to_vec()).await?,
                None => writer.delete_entry(file)?,
            }
        }
        writer.finish().await
    }

    /// Every path at a revision.
    pub async fn paths(&self, caller: &Caller, path: &RepoPath, rev: &str) -> Vec<String> {
        let access = self.app.read_content(caller, RepoKind::Model, path).await.unwrap();
        let commit = self.app.resolve_revision(&access, &Revision::new(rev)).await.unwrap();
        let files = self.app.list_files(&access, commit).await.unwrap();
        files.iter().map(|f| f.path.to_string()).collect()
    }

    /// Nothing is amiss in what is stored.
    pub async fn assert_sound(&self) {
        let report = self.app.fsck(true, &|_| {}).await.unwrap();
        assert!(report.findings.is_empty(), "{:#?}", report.findings);
    }
}

pub async fn on_sqlite() -> Hub {
    Hub::open(None).await
}

pub async fn on_postgres() -> Hub {
    let database = tokio::task::spawn_blocking(haina_test::postgres::Database::create).await.unwrap();
    Hub::open(Some(database.expect("a PostgreSQL server for tests"))).await
}

/// Defines each test twice, once for each database.
macro_rules! both {
    ($($(#[$doc:meta])* async fn $name:ident($hub:ident: Hub) $body:block)*) => {
        $(
            $(#[$doc])*
            async fn $name($hub: $crate::hub::Hub) $body
        )*
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::hub::on_sqlite().await).await })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::hub::on_postgres().await).await })*
        }
    };
}
pub(crate) use both;
