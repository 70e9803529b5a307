//! Renaming and transferring. The old name leads on to the repository until another one takes it.

use haina_db::{git_usage, moves, repos};
use haina_types::{Code, Error, RepoKind, RepoPath, Result};
use serde_json::json;

use crate::gate::repo_not_found;
use crate::{App, Caller};

fn taken(kind: RepoKind, name: &RepoPath) -> Error {
    let noun = if kind == RepoKind::Bucket { "bucket".to_owned() } else { format!("{kind} repository") };
    Error::new(Code::Conflict, format!("A {noun} called {name} already exists"))
}

impl App {
    /// Gives a repository another name, owner, or both. Needs the right to administer it and the right to create where
    /// it goes.
    pub async fn move_repo(&self, caller: &Caller, kind: RepoKind, from: &RepoPath, to: &RepoPath) -> Result<RepoPath> {
        caller.require_user()?;
        let access = self.administer(caller, kind, from).await?;
        self.move_to(caller, access.repo(), access.actor(), to).await
    }

    /// The same for a bucket.
    pub async fn move_bucket(&self, caller: &Caller, from: &RepoPath, to: &RepoPath) -> Result<RepoPath> {
        caller.require_user()?;
        let access = self.administer_bucket(caller, from).await?;
        self.move_to(caller, access.repo(), access.actor(), to).await
    }

    /// Moves what `caller` may administer.
    async fn move_to(
        &self,
        caller: &Caller,
        moved: &repos::Repo,
        actor: Option<i64>,
        to: &RepoPath,
    ) -> Result<RepoPath> {
        let kind = moved.kind;
        // Within its organization it stays in its group; elsewhere it is in none.
        let group = moved.group_id.filter(|_| moved.namespace.name.fold() == to.namespace.fold());
        let target = self.create_within(caller, Some(&to.namespace), group).await?;
        let to = RepoPath { namespace: target.namespace().name.clone(), name: to.name.clone() };
        let (id, was) = (moved.id, moved.path());
        if was == to {
            return Err(taken(kind, &to));
        }
        let now = self.now();
        let mut tx = self.db().begin().await?;
        // Two who move the same repository take turns here, and the second finds it elsewhere.
        if !git_usage::lock_whole(&mut tx, id).await? {
            return Err(repo_not_found());
        }
        let repo = repos::find_repo_by_id(&mut tx, id).await?.ok_or_else(repo_not_found)?;
        if repo.path() != was {
            return Err(Error::new(
                Code::Conflict,
                format!("{was} was moved to {} meanwhile. Look again, then move it from there.", repo.path()),
            ));
        }
        // Two who move to the same name are told apart by the uniqueness of names.
        match repos::rename_repo(&mut tx, id, target.namespace().id, &to.name, now).await {
            Ok(_) => {}
            Err(haina_db::Error::Conflict(_)) => {
                let url = format!("{}/{}{to}", self.base_url(), kind.url_prefix());
                return Err(taken(kind, &to).with_detail(url));
            }
            Err(e) => return Err(e.into()),
        }
        let old = (repo.namespace.id, repo.name.fold());
        let new = (target.namespace().id, to.name.fold());
        // The new name is a name now, and leads nowhere else; the old one leads here.
        moves::end_alias(&mut tx, kind, new.0, &new.1).await?;
        if old != new {
            moves::put_alias(&mut tx, kind, old.0, &old.1, id, now).await?;
        }
        let data = json!({"kind": kind, "from": was.to_string(), "to": to.to_string()});
        let event = if kind == RepoKind::Bucket { "bucket.move" } else { "repo.move" };
        self.append(&mut tx, actor, event, Some(id), Some(new.0), data).await?;
        crate::quotas::check_settled(&mut tx, target.namespace()).await?;
        tx.commit().await?;
        Ok(to)
    }
}
