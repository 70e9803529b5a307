//! Resource groups: exceptions from what members of an organization may do, for the repositories in a group. The gate
//! alone decides by them; here they are kept.

use haina_db::groups as db;
use haina_db::{Session, git_usage, orgs, people, repos};
use haina_types::{Code, Error, OrgRole, RepoKind, RepoName, RepoPath, Result, Slug};
use serde_json::json;

use super::members::not_a_member;
use crate::App;
use crate::gate::{OrgAdmin, OrgMember, repo_not_found};

/// Most groups of one organization.
const GROUPS_MAX: usize = 500;
/// Most people or repositories that are named at once, and repositories that are listed.
const NAMED_MAX: usize = 1000;
/// Longest name and description, in characters.
const NAME_MAX: usize = 100;
const DESCRIPTION_MAX: usize = 1000;

/// A group with what is in it.
#[derive(Debug, Clone)]
pub struct GroupView {
    /// The 24 hexadecimal digits that clients know.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who has which role in it: name, name for people, role.
    pub users: Vec<(Slug, String, OrgRole)>,
    /// Its repositories and buckets: kind, name, whether it is private.
    pub repos: Vec<(RepoKind, RepoName, bool)>,
}

/// A group to make.
#[derive(Debug, Clone, Default)]
pub struct NewGroup {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Members of the organization with their roles in it.
    pub users: Vec<(Slug, OrgRole)>,
    /// Repositories and buckets of the organization.
    pub repos: Vec<(RepoKind, RepoPath)>,
}

fn not_found() -> Error {
    Error::new(Code::NotFound, "There is no such resource group.")
}

fn check(name: &str, description: &str) -> Result<()> {
    if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(Error::invalid(format!("\"name\" of a resource group is one line of 1 to {NAME_MAX} characters.")));
    }
    if description.chars().count() > DESCRIPTION_MAX {
        return Err(Error::invalid(format!("\"description\" has at most {DESCRIPTION_MAX} characters.")));
    }
    Ok(())
}

fn taken(name: &str) -> impl FnOnce(haina_db::Error) -> Error + '_ {
    move |e| match e {
        haina_db::Error::Conflict(_) => {
            Error::new(Code::Conflict, format!("There is a resource group called '{name}' already."))
        }
        e => e.into(),
    }
}

async fn view(s: &mut Session, group: db::Group) -> Result<GroupView> {
    Ok(GroupView {
        users: db::list_members(s, group.id).await?,
        repos: db::list_repos(s, group.id, NAMED_MAX).await?,
        id: group.public_id,
        name: group.name,
        description: group.description,
    })
}

impl App {
    /// The groups of an organization that the caller may know: where they have a role, or all that they administer.
    pub async fn list_groups(&self, access: &OrgMember) -> Result<Vec<GroupView>> {
        let mut s = self.db().read().await?;
        let seen = db::list_groups_of_user(&mut s, access.actor()).await?;
        let mut out = Vec::new();
        for group in db::list_groups(&mut s, access.org().id).await? {
            if access.may_manage() || seen.contains(&group.id) {
                out.push(view(&mut s, group).await?);
            }
        }
        Ok(out)
    }

    /// One of them.
    pub async fn get_group(&self, access: &OrgMember, id: &str) -> Result<GroupView> {
        let mut s = self.db().read().await?;
        let group = db::find_group(&mut s, access.org().id, id).await?.ok_or_else(not_found)?;
        let seen = access.may_manage() || db::list_groups_of_user(&mut s, access.actor()).await?.contains(&group.id);
        if seen { view(&mut s, group).await } else { Err(not_found()) }
    }

    /// Makes a group, all of it or nothing.
    pub async fn create_group(&self, access: &OrgAdmin, new: &NewGroup) -> Result<GroupView> {
        let name = new.name.trim();
        check(name, &new.description)?;
        if new.users.len() > NAMED_MAX || new.repos.len() > NAMED_MAX {
            return Err(Error::invalid(format!("At most {NAMED_MAX} users and repositories are named at once.")));
        }
        let (public_id, org) = (self.public_id(), access.org());
        let mut tx = self.db().begin().await?;
        orgs::lock_org(&mut tx, org.id).await?;
        if db::list_groups(&mut tx, org.id).await?.len() >= GROUPS_MAX {
            return Err(Error::invalid(format!("An organization has at most {GROUPS_MAX} resource groups.")));
        }
        let id = db::insert_group(&mut tx, &public_id, org.id, name, &new.description, self.now())
            .await
            .map_err(taken(name))?;
        let data = json!({"group": public_id, "name": name});
        self.append(&mut tx, access.actor(), "group.create", None, Some(org.id), data).await?;
        let group = db::find_group_by_id(&mut tx, id).await?.ok_or_else(not_found)?;
        for (user, role) in &new.users {
            self.put_in_group(&mut tx, access, &group, user, *role).await?;
        }
        for (kind, path) in &new.repos {
            self.move_to_group(&mut tx, access, *kind, path, Some(&group)).await?;
        }
        let made = view(&mut tx, group).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Finds a group that is to be changed, while nobody else changes the organization.
    async fn lock_group(&self, tx: &mut Session, access: &OrgAdmin, id: &str) -> Result<db::Group> {
        orgs::lock_org(tx, access.org().id).await?;
        db::find_group(tx, access.org().id, id).await?.ok_or_else(not_found)
    }

    /// Changes a group's name or description.
    pub async fn update_group(
        &self,
        access: &OrgAdmin,
        id: &str,
        name: Option<&str>,
        description: Option<&str>,
    ) -> Result<GroupView> {
        let mut tx = self.db().begin().await?;
        let group = self.lock_group(&mut tx, access, id).await?;
        let name = name.map_or(group.name.as_str(), str::trim);
        let description = description.unwrap_or(&group.description);
        check(name, description)?;
        db::update_group(&mut tx, group.id, name, description).await.map_err(taken(name))?;
        let data = json!({"group": group.public_id, "name": name});
        self.append(&mut tx, access.actor(), "group.update", None, Some(access.org().id), data).await?;
        let group = db::find_group_by_id(&mut tx, group.id).await?.ok_or_else(not_found)?;
        let now = view(&mut tx, group).await?;
        tx.commit().await?;
        Ok(now)
    }

    /// Deletes a group without repositories.
    pub async fn delete_group(&self, access: &OrgAdmin, id: &str) -> Result<()> {
        let holds = || {
            Error::new(
                Code::Conflict,
                "The resource group still has repositories, which all members would see without it. Take them out first.",
            )
        };
        let mut tx = self.db().begin().await?;
        let group = self.lock_group(&mut tx, access, id).await?;
        if db::has_repos(&mut tx, group.id).await? {
            return Err(holds());
        }
        db::delete_group(&mut tx, group.id).await.map_err(|e| match e {
            // One came in just now.
            haina_db::Error::Conflict(_) => holds(),
            e => e.into(),
        })?;
        let data = json!({"group": group.public_id, "name": group.name});
        self.append(&mut tx, access.actor(), "group.delete", None, Some(access.org().id), data).await?;
        Ok(tx.commit().await?)
    }

    async fn put_in_group(
        &self,
        tx: &mut Session,
        access: &OrgAdmin,
        group: &db::Group,
        user: &Slug,
        role: OrgRole,
    ) -> Result<()> {
        let org = access.org();
        let found = people::find_user(tx, &user.fold()).await?.ok_or_else(|| not_a_member(user, &org.name))?;
        if people::find_org_role(tx, org.id, found.id).await?.is_none() {
            return Err(not_a_member(&found.name, &org.name));
        }
        db::put_member(tx, group.id, found.id, role, self.now()).await?;
        let data = json!({"group": group.public_id, "user": found.name, "role": role});
        self.append(tx, access.actor(), "group.member", None, Some(org.id), data).await
    }

    /// Gives members of the organization a role in a group.
    pub async fn put_group_members(&self, access: &OrgAdmin, id: &str, users: &[(Slug, OrgRole)]) -> Result<GroupView> {
        if users.len() > NAMED_MAX {
            return Err(Error::invalid(format!("\"users\": at most {NAMED_MAX} are named at once.")));
        }
        let mut tx = self.db().begin().await?;
        let group = self.lock_group(&mut tx, access, id).await?;
        for (user, role) in users {
            self.put_in_group(&mut tx, access, &group, user, *role).await?;
        }
        let now = view(&mut tx, group).await?;
        tx.commit().await?;
        Ok(now)
    }

    /// Changes the role of somebody who has one in a group; with `None` they have none any more.
    pub async fn change_group_member(
        &self,
        access: &OrgAdmin,
        id: &str,
        user: &Slug,
        role: Option<OrgRole>,
    ) -> Result<GroupView> {
        let mut tx = self.db().begin().await?;
        let group = self.lock_group(&mut tx, access, id).await?;
        let missing = || Error::new(Code::NotFound, format!("'{user}' has no role in '{}'.", group.name));
        let found = people::find_user(&mut tx, &user.fold()).await?.ok_or_else(missing)?;
        db::find_role(&mut tx, group.id, found.id).await?.ok_or_else(missing)?;
        match role {
            Some(role) => self.put_in_group(&mut tx, access, &group, user, role).await?,
            None => {
                db::remove_member(&mut tx, group.id, found.id).await?;
                let data = json!({"group": group.public_id, "user": found.name});
                self.append(&mut tx, access.actor(), "group.leave", None, Some(access.org().id), data).await?;
            }
        }
        let now = view(&mut tx, group).await?;
        tx.commit().await?;
        Ok(now)
    }

    async fn move_to_group(
        &self,
        tx: &mut Session,
        access: &OrgAdmin,
        kind: RepoKind,
        path: &RepoPath,
        group: Option<&db::Group>,
    ) -> Result<()> {
        let org = access.org();
        let missing = || Error::new(Code::RepoNotFound, format!("'{}' has no {kind} called '{path}'.", org.name));
        let found = repos::find_repo(tx, kind, &path.namespace.fold(), &path.name.fold()).await?;
        let id = found.filter(|repo| repo.namespace.id == org.id).ok_or_else(missing)?.id;
        // It must not be moved elsewhere meanwhile.
        if !git_usage::lock_whole(tx, id).await? {
            return Err(missing());
        }
        let repo = repos::find_repo_by_id(tx, id).await?.filter(|r| r.namespace.id == org.id).ok_or_else(missing)?;
        if repo.group_id == group.map(|g| g.id) {
            return Ok(());
        }
        db::set_group(tx, id, group.map(|g| g.id)).await?;
        let data = json!({"name": repo.path().to_string(), "group": group.map(|g| &g.public_id)});
        self.append(tx, access.actor(), "repo.group", Some(id), Some(org.id), data).await
    }

    /// Puts a repository or a bucket of the organization into a group, or with `None` into none.
    pub async fn set_repo_group(
        &self,
        access: &OrgAdmin,
        kind: RepoKind,
        path: &RepoPath,
        group: Option<&str>,
    ) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let group = match group {
            Some(id) => Some(self.lock_group(&mut tx, access, id).await?),
            None => None,
        };
        self.move_to_group(&mut tx, access, kind, path, group.as_ref()).await?;
        Ok(tx.commit().await?)
    }

    /// The group that a repository or a bucket is in: its id that clients know, its name.
    pub async fn repo_group(&self, repo: &repos::Repo) -> Result<Option<(String, String)>> {
        let Some(id) = repo.group_id else { return Ok(None) };
        let mut s = self.db().read().await?;
        let group = db::find_group_by_id(&mut s, id).await?.ok_or_else(repo_not_found)?;
        Ok(Some((group.public_id, group.name)))
    }
}
