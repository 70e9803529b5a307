//! Resource groups of organizations: which repositories are in one, and who has which role there.

use haina_types::{OrgRole, RepoKind, RepoName, Slug, Timestamp};

use crate::sql::{Row, statements, values};
use crate::{Result, Session};

macro_rules! group_columns {
    () => {
        "g.id, g.public_id, g.org_id, g.name, g.description, g.created_at"
    };
}

statements! {
    INSERT_GROUP = point(
        "insert into resource_group (public_id, org_id, name, fold, description, created_at)
         values ($1, $2, $3, $4, $5, $6) returning id"
    );
    FIND_GROUP = point(concat!(
        "select ", group_columns!(), " from resource_group g where g.org_id = $1 and g.public_id = $2"
    ));
    FIND_GROUP_BY_ID = point(concat!("select ", group_columns!(), " from resource_group g where g.id = $1"));
    LIST_GROUPS = point(concat!(
        "select ", group_columns!(), " from resource_group g where g.org_id = $1 order by g.fold"
    ));
    UPDATE_GROUP = point("update resource_group set name = $2, fold = $3, description = $4 where id = $1");
    DELETE_GROUP = point("delete from resource_group where id = $1");
    FIND_ROLE = point("select role from resource_group_member where group_id = $1 and user_id = $2");
    LIST_GROUPS_OF_USER = point(
        "select m.group_id from resource_group_member m where m.user_id = $1
         union select g.id from resource_group g join org_member o on o.org_id = g.org_id
         where o.user_id = $1 and o.role = 'admin'"
    );
    PUT_MEMBER = point(
        "insert into resource_group_member (group_id, user_id, role, created_at) values ($1, $2, $3, $4)
         on conflict (group_id, user_id) do update set role = excluded.role"
    );
    REMOVE_MEMBER = point("delete from resource_group_member where group_id = $1 and user_id = $2");
    REMOVE_MEMBER_FROM_ALL = point(
        "delete from resource_group_member where user_id = $2
         and group_id in (select g.id from resource_group g where g.org_id = $1)"
    );
    LIST_MEMBERS = point(
        "select n.name, n.full_name, m.role from resource_group_member m join namespace n on n.id = m.user_id
         where m.group_id = $1 order by n.fold"
    );
    LIST_REPOS = point("select kind, name, visibility from repo where group_id = $1 order by kind, fold limit $2");
    COUNT_REPOS = point("select count(*) from (select 1 from repo where group_id = $1 limit 1) x");
    SET_GROUP = point("update repo set group_id = $2 where id = $1");
}

/// A resource group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Id inside this hub.
    pub id: i64,
    /// The 24 hexadecimal digits that clients know.
    pub public_id: String,
    /// Its organization.
    pub org_id: i64,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Group {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.int(0)?,
            public_id: row.string(1)?,
            org_id: row.int(2)?,
            name: row.string(3)?,
            description: row.string(4)?,
            created_at: row.time(5)?,
        })
    }
}

/// Makes a group; its id. [`crate::Error::Conflict`] says that the organization has one of this name.
pub async fn insert_group(
    s: &mut Session,
    public_id: &str,
    org: i64,
    name: &str,
    description: &str,
    now: Timestamp,
) -> Result<i64> {
    let fold = name.to_lowercase();
    s.one(&INSERT_GROUP, &values![public_id, org, name, &fold, description, now]).await?.int(0)
}

/// A group of an organization by the id that clients know.
pub async fn find_group(s: &mut Session, org: i64, public_id: &str) -> Result<Option<Group>> {
    s.opt(&FIND_GROUP, &values![org, public_id]).await?.map(|r| Group::from_row(&r)).transpose()
}

/// By id.
pub async fn find_group_by_id(s: &mut Session, id: i64) -> Result<Option<Group>> {
    s.opt(&FIND_GROUP_BY_ID, &values![id]).await?.map(|r| Group::from_row(&r)).transpose()
}

/// The groups of an organization, by name.
pub async fn list_groups(s: &mut Session, org: i64) -> Result<Vec<Group>> {
    s.rows(&LIST_GROUPS, &values![org]).await?.iter().map(Group::from_row).collect()
}

/// Changes a group's name and description. [`crate::Error::Conflict`] says that another has the name.
pub async fn update_group(s: &mut Session, id: i64, name: &str, description: &str) -> Result<bool> {
    let fold = name.to_lowercase();
    Ok(s.exec(&UPDATE_GROUP, &values![id, name, &fold, description]).await? > 0)
}

/// Deletes a group without repositories.
pub async fn delete_group(s: &mut Session, id: i64) -> Result<bool> {
    Ok(s.exec(&DELETE_GROUP, &values![id]).await? > 0)
}

/// A user's role in a group.
pub async fn find_role(s: &mut Session, group: i64, user: i64) -> Result<Option<OrgRole>> {
    s.opt(&FIND_ROLE, &values![group, user]).await?.map(|r| r.parse(0)).transpose()
}

/// The groups whose repositories a user may know: where they have a role, and all of organizations they administer.
pub async fn list_groups_of_user(s: &mut Session, user: i64) -> Result<Vec<i64>> {
    s.rows(&LIST_GROUPS_OF_USER, &values![user]).await?.iter().map(|r| r.int(0)).collect()
}

/// Gives a user a role in a group, or another one.
pub async fn put_member(s: &mut Session, group: i64, user: i64, role: OrgRole, now: Timestamp) -> Result<()> {
    s.exec(&PUT_MEMBER, &values![group, user, role, now]).await.map(drop)
}

/// Takes a user's role in a group; whether there was one.
pub async fn remove_member(s: &mut Session, group: i64, user: i64) -> Result<bool> {
    Ok(s.exec(&REMOVE_MEMBER, &values![group, user]).await? > 0)
}

/// Takes a user's roles in all groups of an organization.
pub(crate) async fn remove_from_all(s: &mut Session, org: i64, user: i64) -> Result<u64> {
    s.exec(&REMOVE_MEMBER_FROM_ALL, &values![org, user]).await
}

/// Who has a role in a group, by name: name, name for people, role.
pub async fn list_members(s: &mut Session, group: i64) -> Result<Vec<(Slug, String, OrgRole)>> {
    let rows = s.rows(&LIST_MEMBERS, &values![group]).await?;
    rows.iter().map(|r| Ok((Slug::from_stored(r.text(0)?), r.string(1)?, r.parse(2)?))).collect()
}

/// The repositories of a group: kind, name, whether it is private.
pub async fn list_repos(s: &mut Session, group: i64, limit: usize) -> Result<Vec<(RepoKind, RepoName, bool)>> {
    let rows = s.rows(&LIST_REPOS, &values![group, limit]).await?;
    rows.iter().map(|r| Ok((r.parse(0)?, RepoName::from_stored(r.text(1)?), r.text(2)? != "public"))).collect()
}

/// Whether a group has any repository.
pub async fn has_repos(s: &mut Session, group: i64) -> Result<bool> {
    s.one(&COUNT_REPOS, &values![group]).await?.flag(0)
}

/// Puts a repository into a group, or into none.
pub async fn set_group(s: &mut Session, repo: i64, group: Option<i64>) -> Result<bool> {
    Ok(s.exec(&SET_GROUP, &values![repo, group]).await? > 0)
}
