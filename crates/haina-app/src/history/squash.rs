//! One commit in place of a whole history.

use haina_db::git;
use haina_types::{Code, Error, RefName, Result, Revision};
use serde_json::json;

use super::commit::{MESSAGE_BYTES_MAX, NewCommit, RefChange};
use super::revision::revision_not_found;
use crate::App;
use crate::gate::WriteAccess;

impl App {
    /// Puts one commit with the same files in place of the history of a branch (or another reference that is no tag).
    /// Other references keep theirs.
    pub async fn squash_history(&self, access: &WriteAccess, revision: &Revision, message: &str) -> Result<()> {
        let message = message.trim();
        if message.is_empty() || message.len() > MESSAGE_BYTES_MAX {
            return Err(Error::invalid(format!("A commit message has 1 to {MESSAGE_BYTES_MAX} bytes.")));
        }
        let (summary, description) = message.split_once('\n').unwrap_or((message, ""));
        let name = match revision.as_str() {
            text if text.starts_with("refs/") => text.parse().ok(),
            text => RefName::branch(text).ok(),
        };
        let name: RefName =
            name.filter(|n: &RefName| n.as_tag().is_none()).ok_or_else(|| revision_not_found(revision))?;
        let repo = access.repo().id;
        let _turn = self.history().turn(repo).await;
        let author = self.author(access.actor()).await?;
        let mut tx = self.db().begin().await?;
        let head = git::find_ref(&mut tx, repo, &name).await?.ok_or_else(|| revision_not_found(revision))?.oid;
        let commit = git::find_commit(&mut tx, repo, &head).await?.ok_or_else(|| revision_not_found(revision))?;
        let new = NewCommit {
            branch: &name,
            old: Some(head),
            parents: Vec::new(),
            generation: 1,
            summary,
            description,
            root: commit.tree,
            trees: Vec::new(),
            operations: 0,
        };
        let id = self.write_commit(&mut tx, access, &author, &new).await?;
        let data = json!({"title": summary, "door": "api"});
        let change = RefChange { name: &name, old: Some(head), new: Some(id), event: "ref.squash", data };
        if !self.move_ref(&mut tx, access, change).await? {
            return Err(Error::new(Code::Stale, "The branch moved meanwhile. Please try again."));
        }
        tx.commit().await?;
        if name == RefName::main() {
            self.refresh_facts(repo).await?;
        }
        Ok(())
    }
}
