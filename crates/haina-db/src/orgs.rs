//! Organizations: who is invited, and who administers them.

use haina_types::{OrgRole, Slug, Timestamp};

use crate::sql::{Row, statements, values};
use crate::{Result, Session};

macro_rules! invite_columns {
    () => {
        "i.id, i.org_id, o.name, o.full_name, i.user_id, u.name, i.email, i.role, c.name, i.created_at, i.expires_at,
         i.outcome"
    };
}
macro_rules! invite_tables {
    () => {
        " from org_invite i join namespace o on o.id = i.org_id left join namespace u on u.id = i.user_id
         left join namespace c on c.id = i.created_by"
    };
}

statements! {
    LOCK_ORG = pair(
        "select id from namespace where id = $1",
        "select id from namespace where id = $1 for no key update"
    );
    COUNT_ADMINS = point("select count(*) from org_member where org_id = $1 and role = 'admin'");
    INSERT_INVITE = point(
        "insert into org_invite (hash, org_id, user_id, email, role, created_by, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) returning id"
    );
    FIND_INVITE = point(concat!("select ", invite_columns!(), invite_tables!(), " where i.id = $1"));
    FIND_INVITE_BY_HASH = point(concat!("select ", invite_columns!(), invite_tables!(), " where i.hash = $1"));
    LIST_OPEN_OF_ORG = point(concat!(
        "select ", invite_columns!(), invite_tables!(),
        " where i.org_id = $1 and i.outcome is null and i.expires_at > $2 order by i.id limit $3"
    ));
    LIST_OPEN_OF_USER = point(concat!(
        "select ", invite_columns!(), invite_tables!(),
        " where i.user_id = $1 and i.outcome is null and i.expires_at > $2 order by i.id limit $3"
    ));
    DECIDE_INVITE = point(
        "update org_invite set outcome = $2, decided_at = $3, decided_by = $4
         where id = $1 and outcome is null and expires_at > $3"
    );
    REVOKE_INVITES_OF_USER = point(
        "update org_invite set outcome = 'revoked', decided_at = $3
         where org_id = $1 and user_id = $2 and outcome is null"
    );
    REVOKE_INVITES_BY = point(
        "update org_invite set outcome = 'revoked', decided_at = $3
         where org_id = $1 and created_by = $2 and outcome is null"
    );
}

/// An invitation to an organization, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgInvite {
    /// Id.
    pub id: i64,
    /// The organization.
    pub org_id: i64,
    /// Its name.
    pub org: Slug,
    /// Its name for people.
    pub org_full_name: String,
    /// Who is invited; nobody in particular if it is for whoever holds the link.
    pub user_id: Option<i64>,
    /// Their name.
    pub user: Option<Slug>,
    /// Where the link was to be sent.
    pub email: Option<String>,
    /// The role that it gives.
    pub role: OrgRole,
    /// Who invites.
    pub by: Option<Slug>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What came of it.
    pub outcome: Option<String>,
}

impl OrgInvite {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.int(0)?,
            org_id: row.int(1)?,
            org: Slug::from_stored(row.text(2)?),
            org_full_name: row.string(3)?,
            user_id: row.opt_int(4)?,
            user: row.opt_text(5)?.map(Slug::from_stored),
            email: row.opt_string(6)?,
            role: row.parse(7)?,
            by: row.opt_text(8)?.map(Slug::from_stored),
            created_at: row.time(9)?,
            expires_at: row.time(10)?,
            outcome: row.opt_string(11)?,
        })
    }

    /// Whether it can still be answered.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.outcome.is_none() && self.expires_at > now
    }
}

/// An invitation to keep.
#[derive(Debug, Clone, Copy)]
pub struct NewOrgInvite<'a> {
    /// SHA-256 of its link's secret.
    pub hash: &'a [u8; 32],
    /// The organization.
    pub org_id: i64,
    /// Who is invited.
    pub user_id: Option<i64>,
    /// Where the link is to be sent.
    pub email: Option<&'a str>,
    /// The role that it gives.
    pub role: OrgRole,
    /// Who invites; nobody if the operator does.
    pub created_by: Option<i64>,
    /// Now.
    pub now: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Keeps others from changing the members of an organization until the end of this transaction.
pub async fn lock_org(s: &mut Session, org: i64) -> Result<bool> {
    s.check_writes()?;
    Ok(s.opt(&LOCK_ORG, &values![org]).await?.is_some())
}

/// How many administer an organization.
pub async fn count_admins(s: &mut Session, org: i64) -> Result<u64> {
    s.one(&COUNT_ADMINS, &values![org]).await?.size(0)
}

/// Keeps an invitation; its id.
pub async fn insert_invite(s: &mut Session, new: &NewOrgInvite<'_>) -> Result<i64> {
    let params =
        values![new.hash, new.org_id, new.user_id, new.email, new.role, new.created_by, new.now, new.expires_at];
    s.one(&INSERT_INVITE, &params).await?.int(0)
}

/// An invitation, whatever its state.
pub async fn find_invite(s: &mut Session, id: i64) -> Result<Option<OrgInvite>> {
    s.opt(&FIND_INVITE, &values![id]).await?.map(|r| OrgInvite::from_row(&r)).transpose()
}

/// The same by its link.
pub async fn find_invite_by_hash(s: &mut Session, hash: &[u8; 32]) -> Result<Option<OrgInvite>> {
    s.opt(&FIND_INVITE_BY_HASH, &values![hash]).await?.map(|r| OrgInvite::from_row(&r)).transpose()
}

/// Open invitations of an organization, the oldest first.
pub async fn list_invites_of_org(s: &mut Session, org: i64, now: Timestamp, limit: usize) -> Result<Vec<OrgInvite>> {
    s.rows(&LIST_OPEN_OF_ORG, &values![org, now, limit]).await?.iter().map(OrgInvite::from_row).collect()
}

/// Open invitations of a user, by name, the oldest first.
pub async fn list_invites_of_user(s: &mut Session, user: i64, now: Timestamp, limit: usize) -> Result<Vec<OrgInvite>> {
    s.rows(&LIST_OPEN_OF_USER, &values![user, now, limit]).await?.iter().map(OrgInvite::from_row).collect()
}

/// Notes what came of an invitation (`accepted`, `declined`, `revoked`); true for one caller only, while it is open.
pub async fn decide_invite(s: &mut Session, id: i64, outcome: &str, now: Timestamp, by: Option<i64>) -> Result<bool> {
    Ok(s.exec(&DECIDE_INVITE, &values![id, outcome, now, by]).await? == 1)
}

/// Ends open invitations of a user to an organization; how many.
pub async fn revoke_invites_of_user(s: &mut Session, org: i64, user: i64, now: Timestamp) -> Result<u64> {
    s.exec(&REVOKE_INVITES_OF_USER, &values![org, user, now]).await
}

/// Ends open invitations that a user made for an organization; how many.
pub async fn revoke_invites_by(s: &mut Session, org: i64, user: i64, now: Timestamp) -> Result<u64> {
    s.exec(&REVOKE_INVITES_BY, &values![org, user, now]).await
}
