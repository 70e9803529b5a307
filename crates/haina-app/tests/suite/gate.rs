//! The gate: who may know, read, write and administer what.

use haina_app::Caller;
use haina_types::{Action, Code, OrgRole, RepoKind, TokenRole, TokenScope, Visibility};

use crate::hub::{Hub, both};

/// What a caller can do to a repository: nothing (it does not exist for them), or up to an action.
async fn power(hub: &Hub, caller: &Caller, id: &str) -> Option<Action> {
    let (app, path, kind) = (&hub.app, id.parse().unwrap(), RepoKind::Model);
    let known = match app.read(caller, kind, &path).await {
        Ok(_) => true,
        Err(e) => {
            assert_eq!(e.code, Code::RepoNotFound);
            false
        }
    };
    let content = app.read_content(caller, kind, &path).await;
    assert_eq!(content.is_ok(), known);
    let write = app.write(caller, kind, &path).await;
    let admin = app.administer(caller, kind, &path).await;
    let refused = match (known, caller.is_anonymous()) {
        (false, _) => Code::RepoNotFound,
        (true, true) => Code::Unauthenticated,
        (true, false) => Code::Forbidden,
    };
    for e in [write.as_ref().err(), admin.as_ref().err()].into_iter().flatten() {
        assert_eq!(e.code, refused, "{id}: {e:?}");
    }
    match (admin.is_ok(), write.is_ok(), known) {
        (true, true, true) => Some(Action::Admin),
        (false, true, true) => Some(Action::Write),
        (false, false, true) => Some(Action::Read),
        (false, false, false) => None,
        other => panic!("{id}: rights that do not include the lesser ones: {other:?}"),
    }
}

fn fine(scopes: &[(&str, Action)]) -> TokenRole {
    TokenRole::FineGrained(scopes.iter().map(|(e, a)| TokenScope { entity: (*e).to_owned(), action: *a }).collect())
}

both! {
    async fn rights_by_role_and_token(hub: Hub) {
        use Action::{Admin, Read, Write};
        let owner = hub.writer("owner").await;
        for name in ["reader", "maker", "writer", "boss", "stranger"] {
            hub.writer(name).await;
        }
        hub.org("lab", "owner", &[
            ("reader", OrgRole::Read), ("maker", OrgRole::Contributor), ("writer", OrgRole::Write), ("boss", OrgRole::Admin),
        ]).await;
        hub.repo(&owner, "lab/open", Visibility::Public).await;
        hub.repo(&owner, "lab/shut", Visibility::Private).await;
        let maker = hub.writer("maker").await;
        hub.repo(&maker, "lab/made", Visibility::Private).await;
        hub.repo(&owner, "owner/own", Visibility::Private).await;

        // Rows: who, through which token; columns: a public, a private, a private one made by "maker", a person's own.
        type Row<'a> = (&'a str, TokenRole, [Option<Action>; 4]);
        let rows: [Row<'_>; 13] = [
            ("owner", TokenRole::Write, [Some(Admin), Some(Admin), Some(Admin), Some(Admin)]),
            ("owner", TokenRole::Read, [Some(Read), Some(Read), Some(Read), Some(Read)]),
            ("boss", TokenRole::Write, [Some(Admin), Some(Admin), Some(Admin), None]),
            ("writer", TokenRole::Write, [Some(Write), Some(Write), Some(Write), None]),
            ("writer", TokenRole::Read, [Some(Read), Some(Read), Some(Read), None]),
            ("maker", TokenRole::Write, [Some(Read), Some(Read), Some(Admin), None]),
            ("reader", TokenRole::Write, [Some(Read), Some(Read), Some(Read), None]),
            ("stranger", TokenRole::Write, [Some(Read), None, None, None]),
            ("owner", fine(&[]), [Some(Read), None, None, None]),
            ("owner", fine(&[("LAB/shut", Write)]), [Some(Read), Some(Write), None, None]),
            ("owner", fine(&[("lab", Read), ("owner/own", Admin)]), [Some(Read), Some(Read), Some(Read), Some(Admin)]),
            ("owner", fine(&[("datasets/lab/shut", Write)]), [Some(Read), None, None, None]),
            // A token never lifts its user above their own rights.
            ("stranger", fine(&[("lab", Admin), ("lab/shut", Admin)]), [Some(Read), None, None, None]),
        ];
        for (name, role, expected) in rows {
            let caller = hub.user(name, role.clone()).await;
            for (id, want) in ["lab/open", "lab/shut", "lab/made", "owner/own"].iter().zip(expected) {
                assert_eq!(power(&hub, &caller, id).await, want, "{name} with {role:?} on {id}");
            }
        }
        let anonymous = Caller::anonymous();
        assert_eq!(power(&hub, &anonymous, "lab/open").await, Some(Read));
        assert_eq!(power(&hub, &anonymous, "LAB/Open").await, Some(Read), "look-up ignores case");
        assert_eq!(power(&hub, &anonymous, "lab/shut").await, None);
        assert_eq!(power(&hub, &anonymous, "lab/none").await, None);
    }

    async fn who_may_create_where(hub: Hub) {
        let owner = hub.writer("owner").await;
        for name in ["reader", "maker", "stranger"] {
            hub.writer(name).await;
        }
        hub.org("lab", "owner", &[("reader", OrgRole::Read), ("maker", OrgRole::Contributor)]).await;
        let rows = [
            ("owner", TokenRole::Write, true),
            ("owner", TokenRole::Read, false),
            ("maker", TokenRole::Write, true),
            ("reader", TokenRole::Write, false),
            ("stranger", TokenRole::Write, false),
            ("owner", fine(&[("lab", Action::Write)]), true),
            ("owner", fine(&[("lab", Action::Read)]), false),
            ("owner", fine(&[("lab/x0", Action::Write)]), false),
        ];
        for (i, (name, role, allowed)) in rows.into_iter().enumerate() {
            let caller = hub.user(name, role.clone()).await;
            let made = hub.try_repo(&caller, &format!("lab/x{i}"), Visibility::Private).await;
            assert_eq!(made.is_ok(), allowed, "{name} with {role:?}: {made:?}");
        }
        let e = hub.try_repo(&Caller::anonymous(), "lab/x", Visibility::Public).await.unwrap_err();
        assert_eq!(e.code, Code::Unauthenticated);
        // An existing name is a conflict for those who may create, whatever its case; for others it stays a refusal.
        let again = hub.try_repo(&owner, "lab/X0", Visibility::Public).await.unwrap_err();
        assert_eq!((again.code, again.detail.as_deref()), (Code::Conflict, Some("http://hub.test/lab/x0")));
        let stranger = hub.writer("stranger").await;
        assert_eq!(hub.try_repo(&stranger, "lab/x0", Visibility::Public).await.unwrap_err().code, Code::Forbidden);
    }

    async fn lists_show_what_one_may_know(hub: Hub) {
        use haina_app::repos::ListQuery;
        let owner = hub.writer("owner").await;
        hub.writer("reader").await;
        hub.org("lab", "owner", &[("reader", OrgRole::Read)]).await;
        hub.repo(&owner, "lab/open", Visibility::Public).await;
        hub.repo(&owner, "lab/shut", Visibility::Private).await;
        hub.repo(&owner, "owner/own", Visibility::Private).await;
        let stranger = hub.writer("stranger").await;
        let reader = hub.user("reader", TokenRole::Read).await;
        for (caller, mut expected) in [
            (&Caller::anonymous(), vec!["lab/open"]),
            (&stranger, vec!["lab/open"]),
            (&reader, vec!["lab/open", "lab/shut"]),
            (&owner, vec!["lab/open", "lab/shut", "owner/own"]),
        ] {
            // One a page, so that paging is under the same rule.
            let mut seen = Vec::new();
            let mut query = ListQuery { limit: Some(1), ..ListQuery::default() };
            loop {
                let page = hub.app.list_repos(caller, query.clone()).await.unwrap();
                seen.extend(page.items.iter().map(|r| r.repo.path().to_string()));
                match page.next {
                    Some(next) => query.cursor = Some(next),
                    None => break,
                }
            }
            seen.sort();
            expected.sort();
            assert_eq!(seen, expected);
        }
    }

    async fn a_deleted_repository_is_gone_and_its_name_free(hub: Hub) {
        let owner = hub.writer("owner").await;
        let path = hub.repo(&owner, "owner/m", Visibility::Public).await;
        hub.commit(&owner, &path, None, &[("secret.txt", Some("old"))]).await.unwrap();
        let access = hub.app.administer(&owner, RepoKind::Model, &path).await.unwrap();
        hub.app.delete_repo(&access).await.unwrap();
        assert_eq!(power(&hub, &owner, "owner/m").await, None);
        hub.repo(&owner, "owner/m", Visibility::Public).await;
        assert_eq!(hub.paths(&owner, &path, "main").await, [".gitattributes"]);
        hub.assert_sound().await;
    }
}
