//! Gated content: asking for access, giving it, taking it away.
//!
//! Whoever has a part in a repository's namespace is behind its gate already. For everyone else a row says whether they
//! asked and what came of it, and the gate ([`crate::gate`]) lets in who was accepted.

mod form;
mod report;

pub(crate) use report::cell;

use std::collections::BTreeMap;

use haina_db::gates::{self, AccessStatus, Decision, NewRequest};
use haina_db::people::{self, User};
use haina_types::{Code, Error, RepoKind, RepoPath, Result, Slug};
use serde_json::json;

use crate::gate::{ReadAccess, WriteAccess};
use crate::repos::Gating;
use crate::{App, Caller, Page};

pub use form::{FieldKind, FormField, GateForm};
pub use haina_db::gates::{AccessRequest, AccessStatus as Status};

/// Most requests of one page.
const PAGE_MAX: usize = 1000;
/// Longest reason for a rejection, in bytes.
const REASON_BYTES_MAX: usize = 2000;

/// Where somebody stands before a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is no gate, or they are behind it for having a part in the repository.
    Free,
    /// They would have to sign in first.
    Unknown,
    /// They may ask.
    Outside,
    /// They asked, and nobody has decided.
    Pending,
    /// They were let in.
    Accepted,
    /// They were refused, perhaps with a reason.
    Rejected(Option<String>),
}

/// Whose request.
#[derive(Debug, Clone)]
pub enum Which {
    /// That of a user.
    Of(Slug),
    /// That of an id.
    Id(String),
}

fn not_gated() -> Error {
    Error::invalid("This repository is not gated: everyone who may see it may read its content.")
}

fn no_user(name: &Slug) -> Error {
    Error::new(Code::NotFound, format!("There is no user '{name}'."))
}

impl App {
    /// Where the caller stands before the gate of a repository.
    pub async fn gate_standing(&self, caller: &Caller, access: &ReadAccess) -> Result<Standing> {
        let repo = access.repo();
        if repo.gated.is_none() || self.has_part(caller, repo).await? {
            return Ok(Standing::Free);
        }
        let Some(user) = caller.user() else { return Ok(Standing::Unknown) };
        let mut s = self.db().read().await?;
        Ok(match gates::find_request(&mut s, repo.id, user.id).await? {
            None => Standing::Outside,
            Some(r) => match r.status {
                AccessStatus::Pending => Standing::Pending,
                AccessStatus::Accepted => Standing::Accepted,
                AccessStatus::Rejected => Standing::Rejected(r.reason),
            },
        })
    }

    async fn before_gate(&self, caller: &Caller, kind: RepoKind, path: &RepoPath) -> Result<(ReadAccess, User)> {
        let access = self.read(caller, kind, path).await?;
        let user = caller.require_user()?;
        if !caller.token_may_manage_account() {
            return Err(Error::new(
                Code::Forbidden,
                "This token cannot ask in your name. Use one with the role 'write', or the repository's page.",
            ));
        }
        let repo = access.repo();
        if repo.disabled_reason.is_some() {
            return Err(Error::new(Code::Disabled, "Access to this resource is disabled."));
        }
        if repo.gated.is_none() {
            return Err(not_gated());
        }
        let user = user.clone();
        Ok((access, user))
    }

    /// Asks for access to gated content. `answers` are those of the form, by the label of the field.
    pub async fn ask_access(
        &self,
        caller: &Caller,
        kind: RepoKind,
        path: &RepoPath,
        answers: &BTreeMap<String, String>,
    ) -> Result<AccessStatus> {
        let (access, user) = self.before_gate(caller, kind, path).await?;
        let repo = access.repo();
        if self.has_part(caller, repo).await? {
            return Err(Error::invalid("You have access to this repository already."));
        }
        self.count_community(user.id)?;
        let fields = self.gate_form(&access).await?.check(answers)?;
        let status = match Gating::of(repo) {
            Gating::Auto => AccessStatus::Accepted,
            Gating::Manual | Gating::Open => AccessStatus::Pending,
        };
        let public_id = self.public_id();
        let text = (!fields.is_empty()).then(|| json!(fields).to_string());
        let mut tx = self.db().begin().await?;
        let new = NewRequest {
            public_id: &public_id,
            repo: repo.id,
            user: user.id,
            status,
            by_hand: None,
            fields: text.as_deref(),
            now: self.now(),
        };
        if !gates::insert_request(&mut tx, &new).await? {
            return Err(Error::new(
                Code::Conflict,
                "You have asked for access to this repository before. Its owners decide about it.",
            ));
        }
        let data = json!({"user": user.name, "status": status.as_str()});
        self.append(&mut tx, Some(user.id), "access.ask", Some(repo.id), Some(repo.namespace.id), data).await?;
        tx.commit().await?;
        Ok(status)
    }

    /// Takes back the caller's own request, as long as nobody has decided it.
    pub async fn withdraw_request(&self, caller: &Caller, kind: RepoKind, path: &RepoPath) -> Result<()> {
        let (access, user) = self.before_gate(caller, kind, path).await?;
        let repo = access.repo();
        let mut tx = self.db().begin().await?;
        let found = gates::find_request(&mut tx, repo.id, user.id).await?;
        let found = found.ok_or_else(|| Error::new(Code::NotFound, "You have not asked for access."))?;
        if !gates::delete_request(&mut tx, found.id).await? {
            return Err(Error::new(Code::Conflict, "Your request was decided already, so it cannot be taken back."));
        }
        let data = json!({"user": user.name});
        self.append(&mut tx, Some(user.id), "access.withdraw", Some(repo.id), Some(repo.namespace.id), data).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Requests of one status, the oldest first.
    pub async fn list_requests(
        &self,
        access: &WriteAccess,
        status: AccessStatus,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<AccessRequest>> {
        if access.repo().gated.is_none() {
            return Err(not_gated());
        }
        let after = cursor.unwrap_or("0").parse::<i64>();
        let after =
            after.map_err(|_| Error::invalid("This cursor is not one of ours: start again from the first page."))?;
        let limit = limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let mut s = self.db().read().await?;
        let mut items = gates::list_requests(&mut s, access.repo().id, status, after, limit + 1).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = more.then(|| items.last().map(|r| r.id.to_string())).flatten();
        Ok(Page { items, next })
    }

    /// How many requests wait for a decision.
    pub async fn count_pending_requests(&self, access: &WriteAccess) -> Result<u64> {
        let mut s = self.db().read().await?;
        Ok(gates::count_requests(&mut s, access.repo().id, AccessStatus::Pending).await?)
    }

    /// Decides a request: accepts it, rejects it, or lets it wait again, which takes access away.
    pub async fn decide_request(
        &self,
        access: &WriteAccess,
        which: &Which,
        status: AccessStatus,
        reason: Option<&str>,
    ) -> Result<()> {
        let repo = access.repo();
        if repo.gated.is_none() {
            return Err(not_gated());
        }
        let reason = reason.map(str::trim).filter(|r| !r.is_empty());
        if reason.is_some() && status != AccessStatus::Rejected {
            return Err(Error::invalid("\"rejectionReason\" goes with the status 'rejected' only."));
        }
        if reason.is_some_and(|r| r.len() > REASON_BYTES_MAX) {
            return Err(Error::invalid(format!("\"rejectionReason\" has at most {REASON_BYTES_MAX} bytes.")));
        }
        let mut tx = self.db().begin().await?;
        let found = match which {
            Which::Id(id) => gates::find_request_by_public_id(&mut tx, repo.id, id).await?,
            Which::Of(name) => {
                let user = people::find_user(&mut tx, &name.fold()).await?.ok_or_else(|| no_user(name))?;
                gates::find_request(&mut tx, repo.id, user.id).await?
            }
        };
        let found = found.ok_or_else(|| Error::new(Code::NotFound, "There is no such access request."))?;
        let already =
            || Error::new(Code::NotFound, format!("The access request is in the {} list already.", status.as_str()));
        if found.status == status {
            return Err(already());
        }
        let decision = Decision { old: found.status, new: status, reason, by: access.actor(), now: self.now() };
        if !gates::decide_request(&mut tx, found.id, &decision).await? {
            return Err(Error::new(Code::Conflict, "Somebody else decided this request meanwhile. Look again."));
        }
        let kind = match status {
            AccessStatus::Accepted => "access.accept",
            AccessStatus::Rejected => "access.reject",
            AccessStatus::Pending => "access.cancel",
        };
        let data = json!({"user": found.user});
        self.append(&mut tx, access.actor(), kind, Some(repo.id), Some(repo.namespace.id), data).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives access to a user, whether they asked or not.
    pub async fn grant_access(&self, access: &WriteAccess, name: &Slug) -> Result<AccessRequest> {
        let repo = access.repo();
        if repo.gated.is_none() {
            return Err(not_gated());
        }
        let now = self.now();
        let public_id = self.public_id();
        let mut tx = self.db().begin().await?;
        let user = people::find_user(&mut tx, &name.fold()).await?.ok_or_else(|| no_user(name))?;
        let already = || Error::invalid(format!("'{name}' has access to this repository already."));
        match gates::find_request(&mut tx, repo.id, user.id).await? {
            Some(found) if found.status == AccessStatus::Accepted => return Err(already()),
            Some(found) => {
                let (old, new) = (found.status, AccessStatus::Accepted);
                let decision = Decision { old, new, reason: None, by: access.actor(), now };
                if !gates::decide_request(&mut tx, found.id, &decision).await? {
                    return Err(Error::new(
                        Code::Conflict,
                        "Somebody else decided this request meanwhile. Look again.",
                    ));
                }
            }
            None => {
                let new = NewRequest {
                    public_id: &public_id,
                    repo: repo.id,
                    user: user.id,
                    status: AccessStatus::Accepted,
                    // The operator at the command line is nobody in particular: then it is the one who is let in.
                    by_hand: access.actor().or(Some(user.id)),
                    fields: None,
                    now,
                };
                if !gates::insert_request(&mut tx, &new).await? {
                    return Err(already());
                }
            }
        }
        let data = json!({"user": user.name});
        self.append(&mut tx, access.actor(), "access.grant", Some(repo.id), Some(repo.namespace.id), data).await?;
        let made = gates::find_request(&mut tx, repo.id, user.id).await?;
        tx.commit().await?;
        made.ok_or_else(|| Error::internal("an access request just made is gone"))
    }
}
