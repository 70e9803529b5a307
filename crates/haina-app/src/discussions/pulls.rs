//! The references of pull requests: who may move them, and what is noted when they move.

use haina_db::{discussions as db, git};
use haina_types::{Code, Error, Oid, RepoKind, RepoPath, Result, Revision};

use super::{Discussion, EVENTS_MAX, EventKind, Status, pull_number, pull_ref};
use crate::gate::{Moves, TalkAccess};
use crate::history::{REWRITE, merge_base};
use crate::{App, Caller};

/// Most commits that are noted for one move.
const NOTED_MAX: usize = 50;
/// Longest subject of a commit that is noted, in characters.
const SUBJECT_CHARS_MAX: usize = 200;

fn no_pull(number: i64) -> Error {
    Error::new(
        Code::RevisionNotFound,
        format!("Invalid rev id: refs/pr/{number}. There is no such pull request: open one first."),
    )
}

/// The number of the pull request whose reference a revision is.
pub(crate) fn number_of(revision: &Revision) -> Result<i64> {
    let name = revision.as_str().parse().ok();
    name.as_ref().and_then(pull_number).ok_or_else(|| crate::history::revision_not_found(revision))
}

/// Whether this pull request may get commits from whoever asks.
fn check(found: Option<Discussion>, number: i64, access: &dyn Moves) -> Result<Discussion> {
    let pull = check_own(found, number, access)?;
    if pull.status == Status::Merged {
        return Err(Error::new(
            Code::Forbidden,
            format!("Pull request {number} was merged. Open a new one for further changes."),
        ));
    }
    Ok(pull)
}

/// Whether it is a pull request, and theirs.
fn check_own(found: Option<Discussion>, number: i64, access: &dyn Moves) -> Result<Discussion> {
    let pull = found.filter(Discussion::is_pull_request).ok_or_else(|| no_pull(number))?;
    if !access.is_writer() && (pull.author_id.is_none() || pull.author_id != access.actor()) {
        return Err(Error::new(
            Code::Forbidden,
            "Only its author, and who may write to the repository, can add commits to a pull request.",
        ));
    }
    Ok(pull)
}

impl App {
    /// Whether a revision is the reference of a pull request, existing or not.
    pub fn is_pull(&self, revision: &Revision) -> bool {
        revision.as_str().starts_with("refs/pr/")
    }

    /// The right to take part, for who may add commits to the pull request that a revision names.
    pub async fn pull_access(
        &self,
        caller: &Caller,
        kind: RepoKind,
        path: &RepoPath,
        revision: &Revision,
    ) -> Result<TalkAccess> {
        let access = self.talk(caller, kind, path).await?;
        self.check_pull(&access, number_of(revision)?).await?;
        Ok(access)
    }

    /// The head of a pull request to which whoever asks may add commits.
    pub async fn check_pull(&self, access: &TalkAccess, number: i64) -> Result<Oid> {
        let mut s = self.db().read().await?;
        let repo = access.repo().id;
        check(db::find_discussion(&mut s, repo, number).await?, number, access)?;
        let head = git::find_ref(&mut s, repo, &pull_ref(number)?).await?;
        Ok(head.ok_or_else(|| no_pull(number))?.oid)
    }

    /// The same for a push, whose words stand beside the reference's name.
    pub(crate) async fn check_pull_push(&self, access: &dyn Moves, number: i64) -> Result<()> {
        let mut s = self.db().read().await?;
        check(db::find_discussion(&mut s, access.repo().id, number).await?, number, access).map(drop)
    }

    /// The same on the transaction that moves the reference: nobody merges or closes it meanwhile.
    pub(crate) async fn admit_pull(
        &self,
        tx: &mut haina_db::Session,
        access: &dyn Moves,
        number: i64,
        stays: bool,
        event: &str,
    ) -> Result<Discussion> {
        let found = db::lock_discussion(tx, access.repo().id, number).await?;
        // What was merged stays as it was, unless something is taken out of all of history.
        let pull = match event {
            REWRITE => check_own(found, number, access)?,
            _ => check(found, number, access)?,
        };
        if !stays {
            return Err(Error::new(
                Code::Forbidden,
                "The reference of a pull request is not deleted: close it instead.",
            ));
        }
        Ok(pull)
    }

    /// Notes the commits that a move brought to a pull request, the oldest first.
    pub(crate) async fn note_commits(
        &self,
        tx: &mut haina_db::Session,
        access: &dyn Moves,
        pull: &Discussion,
        old: Option<Oid>,
        new: Oid,
    ) -> Result<()> {
        let repo = access.repo().id;
        let parent = git::find_commit(tx, repo, &new).await?.and_then(|c| c.parents.first().copied());
        // Most moves add one commit; only for others it is looked for where the histories part.
        let fork = match &pull.base {
            Some(base) if old.is_none() || parent != old => match git::find_ref(tx, repo, base).await? {
                None => None,
                Some(base) => match merge_base(tx, repo, base.oid, new).await {
                    Ok(fork) => fork,
                    // Too far away to be found: the list ends by its length.
                    Err(e) if e.code == Code::TooLarge => None,
                    Err(e) => return Err(e),
                },
            },
            _ => None,
        };
        let mut came = Vec::new();
        let mut at = Some(new);
        while let Some(oid) = at.take().filter(|oid| Some(*oid) != old && Some(*oid) != fork) {
            if came.len() == NOTED_MAX || db::has_commit(tx, pull.id, &oid.to_string()).await? {
                break;
            }
            let Some(commit) = git::find_commit(tx, repo, &oid).await? else { break };
            at = commit.parents.first().copied();
            let subject: String = commit.title.chars().take(SUBJECT_CHARS_MAX).collect();
            came.push(EventKind::Commit { subject, oid: oid.to_string() });
        }
        let room = EVENTS_MAX.saturating_sub(pull.events) as usize;
        for event in came.iter().rev().take(room) {
            db::insert_event(tx, pull.id, access.actor(), event, self.now()).await?;
        }
        Ok(())
    }
}
