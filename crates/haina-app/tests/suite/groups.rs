//! Resource groups: for what is in one, the role there counts and the role in the organization does not, at every gate.

use haina_app::buckets::NewBucket;
use haina_app::people::NewGroup;
use haina_app::repos::{Duplicate, ListQuery, NewRepo};
use haina_app::{Caller, collections};
use haina_types::{Action, Code, Error, OrgRole, RepoKind, RepoPath, Result, Slug, Visibility};

use crate::hub::{Hub, both};

const MODEL: RepoKind = RepoKind::Model;
const ROLES: [OrgRole; 4] = [OrgRole::Read, OrgRole::Contributor, OrgRole::Write, OrgRole::Admin];

fn slug(name: &str) -> Slug {
    name.parse().unwrap()
}

fn path(id: &str) -> RepoPath {
    id.parse().unwrap()
}

/// What a role allows on a repository; whoever made it and may make things administers it.
fn allowed(role: OrgRole, own: bool) -> Action {
    match role {
        OrgRole::Read => Action::Read,
        OrgRole::Contributor | OrgRole::Write if own => Action::Admin,
        OrgRole::Contributor => Action::Read,
        OrgRole::Write => Action::Write,
        OrgRole::Admin => Action::Admin,
    }
}

/// The strongest that the gate lets somebody do; nothing if the repository does not exist for them.
async fn right(hub: &Hub, who: &Caller, id: &str) -> Option<Action> {
    let at = path(id);
    let passes = |done: Result<(), Error>, weaker: Option<Action>| match done {
        Ok(()) => true,
        Err(e) if weaker.is_none() => {
            assert_eq!(e.code, Code::RepoNotFound, "{id}: {e:?}");
            false
        }
        Err(e) => {
            assert_eq!(e.code, Code::Forbidden, "{id}: {e:?}");
            false
        }
    };
    let mut have = None;
    let read = hub.app.read(who, MODEL, &at).await.map(drop);
    let content = hub.app.read_content(who, MODEL, &at).await.map(drop);
    assert_eq!(read.is_ok(), content.is_ok(), "{id}");
    if passes(read, have) {
        have = Some(Action::Read);
    }
    if passes(hub.app.write(who, MODEL, &at).await.map(drop), have) {
        have = Some(Action::Write);
    }
    if passes(hub.app.administer(who, MODEL, &at).await.map(drop), have) {
        have = Some(Action::Admin);
    }
    have
}

fn new_repo(name: &str, group: Option<&str>) -> NewRepo {
    NewRepo {
        kind: MODEL,
        namespace: Some(slug("lab")),
        name: name.parse().unwrap(),
        visibility: Some(Visibility::Private),
        license: None,
        sdk: None,
        group: group.map(str::to_owned),
        files: Vec::new(),
    }
}

fn new_bucket(name: &str, group: Option<&str>) -> NewBucket {
    NewBucket {
        namespace: Some(slug("lab")),
        name: name.parse().unwrap(),
        visibility: Some(Visibility::Private),
        group: group.map(str::to_owned),
    }
}

async fn seen(hub: &Hub, who: &Caller) -> Vec<String> {
    let query = ListQuery { author: Some("lab".to_owned()), ..ListQuery::default() };
    let mut all: Vec<_> =
        hub.app.list_repos(who, query).await.unwrap().items.into_iter().map(|r| r.repo.path().to_string()).collect();
    let buckets = hub.app.list_buckets(who, &slug("lab"), "", None, None).await.unwrap();
    all.extend(buckets.items.into_iter().map(|b| format!("buckets/{}", b.path)));
    all.sort_unstable();
    all
}

both! {
    async fn each_role_by_each_role_in_the_group(hub: Hub) {
        let boss = hub.writer("boss").await;
        let outsider = hub.writer("outsider").await;
        hub.org("lab", "boss", &[]).await;
        let lab = hub.app.administer_org(&boss, &slug("lab")).await.unwrap();
        let group = hub.app.create_group(&lab, &NewGroup { name: "secret".into(), ..NewGroup::default() }).await.unwrap().id;
        for (name, inside) in [("plain", None), ("inner", Some(group.as_str()))] {
            hub.app.create_repo(&boss, new_repo(name, inside)).await.unwrap();
        }
        hub.app.create_repo(&boss, NewRepo { visibility: Some(Visibility::Public), ..new_repo("open", Some(&group)) }).await.unwrap();
        hub.app.create_bucket(&boss, new_bucket("runs", Some(&group))).await.unwrap();
        hub.app.create_bucket(&boss, new_bucket("logs", None)).await.unwrap();

        for role in ROLES {
            for inner in [None, Some(OrgRole::Read), Some(OrgRole::Contributor), Some(OrgRole::Write), Some(OrgRole::Admin)] {
                let what = format!("{role:?} with {inner:?} in the group");
                let name = format!("m-{}-{}", role.as_str(), inner.map_or("none", OrgRole::as_str));
                let who = hub.writer(&name).await;
                // Made while they were in the group as contributors, so that it is their own.
                hub.app.set_member(&slug("lab"), &slug(&name), OrgRole::Read).await.unwrap();
                hub.app.put_group_members(&lab, &group, &[(slug(&name), OrgRole::Contributor)]).await.unwrap();
                hub.app.create_repo(&who, new_repo(&format!("by-{name}"), Some(&group))).await.unwrap();
                let made = format!("lab/by-{name}");
                assert_eq!(right(&hub, &who, &made).await, Some(Action::Admin), "{what}");
                hub.app.set_member(&slug("lab"), &slug(&name), role).await.unwrap();
                hub.app.change_group_member(&lab, &group, &slug(&name), inner).await.unwrap();

                // Administrators of the organization go everywhere; for all others the role in the group is all.
                let counts = if role == OrgRole::Admin { Some(role) } else { inner };
                assert_eq!(right(&hub, &who, "lab/plain").await, Some(allowed(role, false)), "{what}");
                assert_eq!(right(&hub, &who, "lab/inner").await, counts.map(|r| allowed(r, false)), "{what}");
                assert_eq!(right(&hub, &who, &made).await, counts.map(|r| allowed(r, true)), "{what}");
                let open = counts.map_or(Action::Read, |r| allowed(r, false));
                assert_eq!(right(&hub, &who, "lab/open").await, Some(open), "{what}");

                // Buckets go by the same rule.
                let bucket = hub.app.read_bucket(&who, &path("lab/runs")).await.map(drop).map_err(|e| e.code);
                assert_eq!(bucket, if counts.is_some() { Ok(()) } else { Err(Code::RepoNotFound) }, "{what}");
                let writes = hub.app.write_bucket(&who, &path("lab/runs")).await.is_ok();
                assert_eq!(writes, counts.is_some_and(|r| allowed(r, false) >= Action::Write), "{what}");

                // Lists and counts show what the gate lets in, and no more.
                let mut want = vec!["buckets/lab/logs", "lab/open", "lab/plain"];
                if counts.is_some() {
                    want.extend(["buckets/lab/runs", "lab/inner"]);
                }
                want.sort_unstable();
                let mut found = seen(&hub, &who).await;
                let others = found.iter().filter(|id| id.starts_with("lab/by-")).count();
                assert_eq!(others > 0, counts.is_some(), "{what}");
                found.retain(|id| !id.starts_with("lab/by-"));
                assert_eq!(found, want, "{what}");
                let profile = hub.app.profile(&who, &slug("lab")).await.unwrap();
                let count = profile.counts.iter().find(|(kind, _)| *kind == MODEL).unwrap().1;
                assert_eq!(count as usize, found.iter().filter(|id| id.starts_with("lab/")).count() + others, "{what}");
                // And the group itself is known to those alone.
                let access = hub.app.org_member(&who, &slug("lab")).await.unwrap();
                assert_eq!(hub.app.list_groups(&access).await.unwrap().len(), usize::from(counts.is_some()), "{what}");
                assert_eq!(hub.app.get_group(&access, &group).await.is_ok(), counts.is_some(), "{what}");

                // Making something in the group takes the role there, outside of it the one in the organization.
                let code = |made: Result<(), Error>| made.map_err(|e| e.code);
                let inside = code(hub.app.create_repo(&who, new_repo(&format!("in-{name}"), Some(&group))).await.map(drop));
                assert_eq!(
                    inside,
                    match counts {
                        None => Err(Code::NotFound),
                        Some(OrgRole::Read) => Err(Code::Forbidden),
                        Some(_) => Ok(()),
                    },
                    "{what}"
                );
                let in_bucket = code(hub.app.create_bucket(&who, new_bucket(&format!("in-{name}"), Some(&group))).await.map(drop));
                assert_eq!(in_bucket, inside, "{what}");
                let outside = code(hub.app.create_repo(&who, new_repo(&format!("out-{name}"), None)).await.map(drop));
                assert_eq!(outside, if role == OrgRole::Read { Err(Code::Forbidden) } else { Ok(()) }, "{what}");

                // Only administrators of the organization manage groups, whatever a role in one is.
                assert_eq!(hub.app.administer_org(&who, &slug("lab")).await.is_ok(), role == OrgRole::Admin, "{what}");
                // Tidied up, so that the next one sees the same lists.
                for gone in [format!("lab/in-{name}"), format!("lab/out-{name}")] {
                    if let Ok(access) = hub.app.administer(&boss, MODEL, &path(&gone)).await {
                        hub.app.delete_repo(&access).await.unwrap();
                    }
                }
                if let Ok(access) = hub.app.administer_bucket(&boss, &path(&format!("lab/in-{name}"))).await {
                    hub.app.delete_bucket(&access).await.unwrap();
                }
                hub.app.remove_member(&slug("lab"), &slug(&name)).await.unwrap();
                assert_eq!(right(&hub, &who, &made).await, None, "{what}: a role in a group is nothing without membership");
                hub.app.set_member(&slug("lab"), &slug(&name), OrgRole::Read).await.unwrap();
                assert_eq!(right(&hub, &who, "lab/inner").await, None, "{what}: it does not come back");
                hub.app.remove_member(&slug("lab"), &slug(&name)).await.unwrap();
            }
        }
        assert_eq!(right(&hub, &outsider, "lab/inner").await, None);
        assert_eq!(right(&hub, &outsider, "lab/open").await, Some(Action::Read));
        assert_eq!(right(&hub, &boss, "lab/inner").await, Some(Action::Admin));
        hub.assert_sound().await;
    }

    async fn what_moves_keeps_or_leaves_its_group(hub: Hub) {
        let (boss, mia) = (hub.writer("boss").await, hub.writer("mia").await);
        let app = &hub.app;
        hub.org("lab", "boss", &[("mia", OrgRole::Read)]).await;
        hub.org("other", "mia", &[]).await;
        let lab = app.administer_org(&boss, &slug("lab")).await.unwrap();
        let group = NewGroup {
            name: "g".into(),
            description: String::new(),
            users: vec![(slug("mia"), OrgRole::Admin)],
            repos: Vec::new(),
        };
        let group = app.create_group(&lab, &group).await.unwrap().id;
        app.create_repo(&boss, new_repo("m", Some(&group))).await.unwrap();
        let group_of = async |id: &str| {
            let access = app.administer(&boss, MODEL, &path(id)).await.unwrap();
            app.repo_group(access.repo()).await.unwrap().map(|(id, _)| id)
        };
        // Renamed within the organization, by somebody whose role in the group alone allows it.
        app.move_repo(&mia, MODEL, &path("lab/m"), &path("lab/n")).await.unwrap();
        assert_eq!(group_of("lab/n").await.as_ref(), Some(&group));
        let content = app.read_content(&mia, MODEL, &path("lab/n")).await.unwrap();
        let copy = |group: Option<&str>| Duplicate { to: path("lab/copy"), visibility: None, group: group.map(str::to_owned) };
        assert_eq!(app.duplicate_repo(&mia, &content, copy(None)).await.unwrap_err().code, Code::Forbidden);
        app.duplicate_repo(&mia, &content, copy(Some(&group))).await.unwrap();
        assert_eq!(group_of("lab/copy").await.as_ref(), Some(&group));
        // It is not deleted over what is in it, and what is in it goes nowhere else by accident.
        assert_eq!(app.delete_group(&lab, &group).await.unwrap_err().code, Code::Conflict);
        app.set_repo_group(&lab, MODEL, &path("lab/copy"), None).await.unwrap();
        assert_eq!(right(&hub, &mia, "lab/copy").await, Some(Action::Read), "made by her, but her role in the organization reads");
        app.move_repo(&mia, MODEL, &path("lab/n"), &path("other/n")).await.unwrap();
        let moved = app.administer(&mia, MODEL, &path("other/n")).await.unwrap();
        assert_eq!(app.repo_group(moved.repo()).await.unwrap(), None);
        app.delete_group(&lab, &group).await.unwrap();
        assert_eq!(app.delete_group(&lab, &group).await.unwrap_err().code, Code::NotFound);
        // Groups and repositories of others are none of theirs.
        let other = app.administer_org(&mia, &slug("other")).await.unwrap();
        let theirs = app.create_group(&other, &NewGroup { name: "g".into(), ..NewGroup::default() }).await.unwrap().id;
        assert_eq!(app.set_repo_group(&lab, MODEL, &path("lab/copy"), Some(&theirs)).await.unwrap_err().code, Code::NotFound);
        assert_eq!(app.set_repo_group(&lab, MODEL, &path("other/n"), None).await.unwrap_err().code, Code::RepoNotFound);
        assert_eq!(app.update_group(&lab, &theirs, Some("x"), None).await.unwrap_err().code, Code::NotFound);
        assert_eq!(app.put_group_members(&other, &theirs, &[(slug("boss"), OrgRole::Read)]).await.unwrap_err().code, Code::NotFound, "not a member there");
        assert_eq!(app.create_group(&other, &NewGroup { name: "G".into(), ..NewGroup::default() }).await.unwrap_err().code, Code::Conflict);
        hub.assert_sound().await;
    }

    /// Doors beside the repository's own do not show it either: the content store, collections, webhooks.
    async fn nothing_leaks_past_the_gate(hub: Hub) {
        let (boss, mia, eve) = (hub.writer("boss").await, hub.writer("mia").await, hub.writer("eve").await);
        let app = &hub.app;
        hub.org("lab", "boss", &[("mia", OrgRole::Write), ("eve", OrgRole::Write)]).await;
        let lab = app.administer_org(&boss, &slug("lab")).await.unwrap();
        let group = NewGroup {
            name: "g".into(),
            description: String::new(),
            users: vec![(slug("mia"), OrgRole::Write)],
            repos: Vec::new(),
        };
        let group = app.create_group(&lab, &group).await.unwrap().id;
        app.create_repo(&boss, new_repo("inner", Some(&group))).await.unwrap();
        app.create_repo(&boss, new_repo("plain", None)).await.unwrap();
        // The stored content of a group is a domain of its own.
        let url = async |who: &Caller, id: &str| {
            app.open_upload(&app.write(who, MODEL, &path(id)).await.unwrap().upload()).await.unwrap().cas_url
        };
        assert_ne!(url(&mia, "lab/inner").await, url(&mia, "lab/plain").await);
        assert_eq!(url(&eve, "lab/plain").await, url(&mia, "lab/plain").await);
        // In a collection that everyone sees, those without a role do not see it.
        let access = app.collect_in(&boss, Some(&slug("lab"))).await.unwrap();
        let new = collections::NewCollection { title: "all".into(), ..collections::NewCollection::default() };
        let made = app.create_collection(&access, new).await.unwrap();
        let write = app.write_collection(&boss, &made).await.unwrap();
        for id in ["lab/inner", "lab/plain"] {
            let item = collections::NewItem { kind: "model".into(), id: id.into(), note: None };
            app.add_collection_item(&boss, &write, item).await.unwrap();
        }
        let items = async |who: &Caller| {
            let read = app.read_collection(who, &made).await.unwrap();
            app.view_collection(who, &read).await.unwrap().items.len()
        };
        assert_eq!((items(&mia).await, items(&eve).await), (2, 1));
    }
}
