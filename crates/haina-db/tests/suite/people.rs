//! Accounts, memberships, tokens, sessions, invitations.

use std::sync::Arc;

use haina_db::people::{self, InvitePurpose, NewToken, NewUser};
use haina_types::{Action, OrgRole, Slug, Timestamp, TokenRole, TokenScope};

use crate::rig::{Hub, NOW};

on_both!(accounts, memberships, tokens, sessions, invitations, an_invitation_works_once);

fn later(seconds: i64) -> Timestamp {
    NOW.plus_seconds(seconds)
}

async fn accounts(hub: Hub) {
    let name: Slug = "Ada-Lovelace".parse().unwrap();
    let new = NewUser {
        name: &name,
        full_name: "Ада 爱达",
        email: Some("Ada@Example.org"),
        password_hash: Some("$argon2id$x"),
        is_admin: true,
        created_at: NOW,
        service_of: None,
    };
    let mut tx = hub.db.begin().await.unwrap();
    assert_eq!(people::count_users(&mut tx).await.unwrap(), 0);
    let id = people::insert_user(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();

    let mut s = hub.db.read().await.unwrap();
    let user = people::find_user(&mut s, "ada-lovelace").await.unwrap().unwrap();
    assert_eq!((user.id, user.name.as_str(), user.full_name.as_str()), (id, "Ada-Lovelace", "Ада 爱达"));
    assert_eq!(user.email.as_deref(), Some("Ada@Example.org"));
    assert!(user.is_admin && user.disabled_at.is_none() && user.created_at == NOW);
    assert_eq!(people::find_user_by_id(&mut s, id).await.unwrap().as_ref(), Some(&user));
    assert_eq!(people::find_user_by_email(&mut s, "ADA@example.ORG").await.unwrap().as_ref(), Some(&user));
    assert_eq!(people::find_user(&mut s, "Ada-Lovelace").await.unwrap(), None, "only folded names are keys");
    let ns = people::find_namespace(&mut s, "ada-lovelace").await.unwrap().unwrap();
    assert!(!ns.is_org() && ns.id == id);
    assert_eq!(people::find_namespace_by_id(&mut s, id).await.unwrap(), Some(ns));

    for (name, email, table) in [("ADA-lovelace", None, "namespace"), ("other", Some("aDa@example.org"), "account")] {
        let name: Slug = name.parse().unwrap();
        let mut tx = hub.db.begin().await.unwrap();
        let again = NewUser { name: &name, email, ..new.clone() };
        let e = people::insert_user(&mut tx, &again).await.unwrap_err();
        assert!(e.is_conflict_on(table), "{e:?}");
    }
    // Many may have no address.
    hub.user("b").await;
    hub.user("c").await;
    let mut tx = hub.db.begin().await.unwrap();
    assert!(people::set_password(&mut tx, id, "new").await.unwrap());
    assert!(people::set_disabled(&mut tx, id, Some(later(5))).await.unwrap());
    assert!(people::set_admin(&mut tx, id, false).await.unwrap());
    assert!(people::set_full_name(&mut tx, id, "A").await.unwrap());
    assert!(people::set_email(&mut tx, id, None).await.unwrap());
    assert!(!people::set_password(&mut tx, 999, "new").await.unwrap());
    tx.commit().await.unwrap();
    let user = people::find_user_by_id(&mut s, id).await.unwrap().unwrap();
    assert_eq!(user.password_hash.as_deref(), Some("new"));
    assert_eq!((user.disabled_at, user.is_admin, user.email), (Some(later(5)), false, None));
    assert_eq!(people::count_users(&mut s).await.unwrap(), 3);
    let users = people::list_users(&mut s, 0, 2).await.unwrap();
    assert_eq!(users.len(), 2);
    let rest = people::list_users(&mut s, users[1].id, 2).await.unwrap();
    assert_eq!(rest.iter().map(|u| u.name.as_str()).collect::<Vec<_>>(), ["c"]);
}

async fn memberships(hub: Hub) {
    let (ada, bob) = (hub.user("ada").await, hub.user("Bob").await);
    let mut tx = hub.db.begin().await.unwrap();
    let zoo = people::insert_org(&mut tx, &"Zoo".parse().unwrap(), "The Zoo", NOW).await.unwrap();
    let lab = people::insert_org(&mut tx, &"lab".parse().unwrap(), "The Lab", NOW).await.unwrap();
    people::put_org_member(&mut tx, zoo, ada, OrgRole::Admin, NOW).await.unwrap();
    people::put_org_member(&mut tx, zoo, bob, OrgRole::Read, NOW).await.unwrap();
    people::put_org_member(&mut tx, lab, ada, OrgRole::Contributor, NOW).await.unwrap();
    people::put_org_member(&mut tx, zoo, bob, OrgRole::Write, later(1)).await.unwrap();
    tx.commit().await.unwrap();

    let mut s = hub.db.read().await.unwrap();
    let names = |list: Vec<(people::Namespace, OrgRole)>| -> Vec<(String, OrgRole)> {
        list.into_iter().map(|(n, role)| (n.name.to_string(), role)).collect()
    };
    let orgs = people::list_orgs_of_user(&mut s, ada).await.unwrap();
    assert!(orgs.iter().all(|(n, _)| n.is_org()));
    assert_eq!(names(orgs), [("lab".into(), OrgRole::Contributor), ("Zoo".into(), OrgRole::Admin)]);
    let members = people::list_members(&mut s, zoo).await.unwrap();
    assert_eq!(names(members), [("ada".into(), OrgRole::Admin), ("Bob".into(), OrgRole::Write)]);
    assert_eq!(people::find_org_role(&mut s, zoo, bob).await.unwrap(), Some(OrgRole::Write));
    assert_eq!(people::find_org_role(&mut s, lab, bob).await.unwrap(), None);
    assert_eq!(people::find_user(&mut s, "zoo").await.unwrap(), None, "organizations are no users");
    let mut tx = hub.db.begin().await.unwrap();
    assert!(people::remove_org_member(&mut tx, zoo, bob).await.unwrap());
    assert!(!people::remove_org_member(&mut tx, zoo, bob).await.unwrap());
    assert_eq!(people::list_members(&mut tx, zoo).await.unwrap().len(), 1);
}

async fn tokens(hub: Hub) {
    let ada = hub.user("ada").await;
    let scopes = vec![TokenScope { entity: "datasets/ns/名".into(), action: Action::Write }];
    let roles = [TokenRole::Read, TokenRole::Write, TokenRole::FineGrained(scopes)];
    let mut tx = hub.db.begin().await.unwrap();
    let mut ids = Vec::new();
    for (n, role) in roles.iter().enumerate() {
        let new = NewToken {
            user_id: ada,
            name: "laptop",
            hash: &[n as u8; 32],
            hint: "abcd",
            role,
            created_at: NOW,
            expires_at: (n == 1).then_some(later(9)),
            grant_id: None,
        };
        ids.push(people::insert_token(&mut tx, &new).await.unwrap());
    }
    tx.commit().await.unwrap();

    let mut s = hub.db.read().await.unwrap();
    for (n, role) in roles.iter().enumerate() {
        let (token, user) = people::find_token_by_hash(&mut s, &[n as u8; 32]).await.unwrap().unwrap();
        assert_eq!((token.id, user.id, &token.role), (ids[n], ada, role));
        assert_eq!(token.expires_at, (n == 1).then_some(later(9)));
        assert_eq!((token.name.as_str(), token.hint.as_str(), token.last_used_at), ("laptop", "abcd", None));
    }
    assert_eq!(people::find_token_by_hash(&mut s, &[9; 32]).await.unwrap(), None);

    let bob = hub.user("bob").await;
    let mut tx = hub.db.begin().await.unwrap();
    people::touch_token(&mut tx, ids[0], later(3)).await.unwrap();
    assert!(!people::revoke_token(&mut tx, bob, ids[1], later(4)).await.unwrap(), "not his");
    assert!(people::revoke_token(&mut tx, ada, ids[1], later(4)).await.unwrap());
    assert!(!people::revoke_token(&mut tx, ada, ids[1], later(4)).await.unwrap(), "once");
    tx.commit().await.unwrap();
    let listed = people::list_tokens(&mut s, ada).await.unwrap();
    assert_eq!(
        listed.iter().map(|t| (t.id, t.last_used_at)).collect::<Vec<_>>(),
        [(ids[0], Some(later(3))), (ids[2], None)]
    );
    let (revoked, _) = people::find_token_by_hash(&mut s, &[1; 32]).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(later(4)), "found, so that the caller can say so");
}

async fn sessions(hub: Hub) {
    let ada = hub.user("ada").await;
    let mut tx = hub.db.begin().await.unwrap();
    let id = people::insert_session(&mut tx, &[1; 32], ada, NOW, later(10)).await.unwrap();
    people::insert_session(&mut tx, &[2; 32], ada, NOW, later(20)).await.unwrap();
    people::insert_session(&mut tx, &[3; 32], ada, NOW, later(20)).await.unwrap();
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    let (session, user) = people::find_session_by_hash(&mut s, &[1; 32]).await.unwrap().unwrap();
    assert_eq!((session.id, session.expires_at, user.id), (id, later(10), ada));
    let mut tx = hub.db.begin().await.unwrap();
    people::touch_session(&mut tx, id, later(5), later(15)).await.unwrap();
    assert!(people::delete_session(&mut tx, &[2; 32]).await.unwrap());
    assert!(!people::delete_session(&mut tx, &[2; 32]).await.unwrap());
    assert_eq!(people::delete_expired_sessions(&mut tx, later(15)).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(people::find_session_by_hash(&mut s, &[1; 32]).await.unwrap(), None);
    assert!(people::find_session_by_hash(&mut s, &[3; 32]).await.unwrap().is_some());
    let mut tx = hub.db.begin().await.unwrap();
    assert_eq!(people::delete_sessions_of_user(&mut tx, ada).await.unwrap(), 1);
}

async fn invitations(hub: Hub) {
    let ada = hub.user("ada").await;
    let mut tx = hub.db.begin().await.unwrap();
    let by = Some(ada);
    people::insert_invite(&mut tx, &[1; 32], InvitePurpose::Signup, Some("x@y.z"), by, NOW, later(10)).await.unwrap();
    people::insert_invite(&mut tx, &[2; 32], InvitePurpose::Setup, None, None, NOW, later(10)).await.unwrap();
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    let invite = people::find_invite_by_hash(&mut s, &[1; 32]).await.unwrap().unwrap();
    assert_eq!(
        (invite.purpose, invite.email.as_deref(), invite.created_by),
        (InvitePurpose::Signup, Some("x@y.z"), by)
    );
    assert!(invite.is_open(NOW) && !invite.is_open(later(10)));
    assert!(people::has_open_setup_invite(&mut s, NOW).await.unwrap());
    assert!(!people::has_open_setup_invite(&mut s, later(10)).await.unwrap());

    let mut tx = hub.db.begin().await.unwrap();
    assert!(
        !people::use_invite(&mut tx, &[1; 32], InvitePurpose::Setup, ada, NOW).await.unwrap(),
        "for another purpose"
    );
    assert!(!people::use_invite(&mut tx, &[1; 32], InvitePurpose::Signup, ada, later(10)).await.unwrap(), "too late");
    assert!(people::use_invite(&mut tx, &[1; 32], InvitePurpose::Signup, ada, later(1)).await.unwrap());
    assert!(!people::use_invite(&mut tx, &[1; 32], InvitePurpose::Signup, ada, later(1)).await.unwrap(), "twice");
    assert_eq!(people::expire_setup_invites(&mut tx, later(2)).await.unwrap(), 1);
    assert!(!people::use_invite(&mut tx, &[2; 32], InvitePurpose::Setup, ada, later(3)).await.unwrap());
    tx.commit().await.unwrap();
    let invite = people::find_invite_by_hash(&mut s, &[1; 32]).await.unwrap().unwrap();
    assert_eq!((invite.used_by, invite.used_at), (Some(ada), Some(later(1))));
}

async fn an_invitation_works_once(hub: Hub) {
    let ada = hub.user("ada").await;
    let hub = Arc::new(hub);
    let mut tx = hub.db.begin().await.unwrap();
    people::insert_invite(&mut tx, &[1; 32], InvitePurpose::Setup, None, None, NOW, later(10)).await.unwrap();
    tx.commit().await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let hub = hub.clone();
        tasks.push(tokio::spawn(async move {
            let mut tx = hub.db.begin().await.unwrap();
            let used = people::use_invite(&mut tx, &[1; 32], InvitePurpose::Setup, ada, later(1)).await.unwrap();
            tx.commit().await.unwrap();
            used
        }));
    }
    let mut winners = 0;
    for task in tasks {
        winners += usize::from(task.await.unwrap());
    }
    assert_eq!(winners, 1);
}
