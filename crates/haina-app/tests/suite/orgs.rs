//! Organizations: invitations are answered once and by whom they are for, and an administrator always remains.

use haina_app::people::{Invitee, Which};
use haina_app::{App, Caller};
use haina_types::{Code, OrgRole, Slug, TokenRole};

use crate::hub::both;

fn slug(name: &str) -> Slug {
    name.parse().unwrap()
}

fn secret(url: &str) -> Which {
    Which::Secret(url.rsplit('/').next().unwrap().to_owned())
}

async fn roles(app: &App, caller: &Caller, org: &str) -> Vec<(String, OrgRole)> {
    let access = app.org_member(caller, &slug(org)).await.unwrap();
    app.list_members(&access).await.unwrap().into_iter().map(|m| (m.name, m.role)).collect()
}

both! {
    async fn an_invitation_by_name_is_for_that_person(hub: Hub) {
        let (alice, bob, eve) = (hub.writer("alice").await, hub.writer("bob").await, hub.writer("eve").await);
        hub.org("lab", "alice", &[]).await;
        let app = &hub.app;
        let lab = app.administer_org(&alice, &slug("lab")).await.unwrap();
        let name = Invitee::User(slug("bob"));
        let first = app.invite_member(&lab, &name, OrgRole::Read, None).await.unwrap();
        let second = app.invite_member(&lab, &name, OrgRole::Write, None).await.unwrap();
        // The newer one stands for the older one.
        let open = app.own_invites(&bob).await.unwrap();
        assert_eq!(open.iter().map(|i| (i.id, i.role)).collect::<Vec<_>>(), [(second.invite.id, OrgRole::Write)]);
        assert_eq!(app.list_invites(&lab).await.unwrap().len(), 1);
        assert!(app.own_invites(&eve).await.unwrap().is_empty());
        let not_found = async |who: &Caller, which: Which| {
            assert_eq!(app.answer_invite(who, &which, true).await.unwrap_err().code, Code::NotFound);
        };
        not_found(&bob, secret(&first.url)).await;
        not_found(&eve, secret(&second.url)).await;
        not_found(&eve, Which::Id(second.invite.id)).await;
        not_found(&bob, Which::Secret("x".repeat(1000))).await;
        app.answer_invite(&bob, &Which::Id(second.invite.id), true).await.unwrap();
        not_found(&bob, Which::Id(second.invite.id)).await;
        assert_eq!(roles(app, &bob, "lab").await, [("alice".into(), OrgRole::Admin), ("bob".into(), OrgRole::Write)]);
        let again = app.invite_member(&lab, &name, OrgRole::Admin, None).await.unwrap_err();
        assert_eq!(again.code, Code::Conflict, "a member is not invited");
        assert_eq!(app.invite_member(&lab, &Invitee::User(slug("ghost")), OrgRole::Read, None).await.unwrap_err().code, Code::NotFound);
        assert_eq!(app.invite_member(&lab, &Invitee::Email("nowhere".into()), OrgRole::Read, None).await.unwrap_err().code, Code::Invalid);
        assert_eq!(app.invite_member(&lab, &Invitee::Email("a@b.example".into()), OrgRole::Read, Some(91)).await.unwrap_err().code, Code::Invalid);
    }

    async fn a_link_is_good_for_one_and_for_a_while(hub: Hub) {
        let (alice, bob, eve) = (hub.writer("alice").await, hub.writer("bob").await, hub.writer("eve").await);
        hub.org("lab", "alice", &[]).await;
        let app = &hub.app;
        let lab = app.administer_org(&alice, &slug("lab")).await.unwrap();
        let link = async |days| {
            app.invite_member(&lab, &Invitee::Email("somebody@example.org".into()), OrgRole::Contributor, days).await.unwrap()
        };
        let made = link(Some(1)).await;
        // Its number is no key.
        assert_eq!(app.answer_invite(&bob, &Which::Id(made.invite.id), true).await.unwrap_err().code, Code::NotFound);
        let racing: Vec<_> = [&bob, &eve].map(|who| {
            let (app, who, which) = (app.clone(), who.clone(), secret(&made.url));
            tokio::spawn(async move { app.answer_invite(&who, &which, true).await })
        }).into();
        let mut joined = 0;
        for task in racing {
            match task.await.unwrap() {
                Ok(_) => joined += 1,
                Err(e) => assert_eq!(e.code, Code::NotFound, "{e:?}"),
            }
        }
        assert_eq!(joined, 1, "one link, one member");
        let late = link(Some(1)).await;
        hub.skip(86_400);
        assert_eq!(app.invite_of(&bob, &secret(&late.url)).await.unwrap_err().code, Code::NotFound, "it has ended");
        assert!(app.list_invites(&lab).await.unwrap().is_empty());
        let taken_back = link(None).await;
        app.revoke_invite(&lab, taken_back.invite.id).await.unwrap();
        assert_eq!(app.answer_invite(&eve, &secret(&taken_back.url), true).await.unwrap_err().code, Code::NotFound);
        assert_eq!(app.revoke_invite(&lab, taken_back.invite.id).await.unwrap_err().code, Code::NotFound);
        let other = hub.writer("carol").await;
        let declined = link(None).await;
        app.answer_invite(&other, &secret(&declined.url), false).await.unwrap();
        assert_eq!(app.answer_invite(&other, &secret(&declined.url), true).await.unwrap_err().code, Code::NotFound);
        // Another organization's administrator takes nothing back here.
        hub.org("other", "eve", &[]).await;
        let theirs = app.administer_org(&eve, &slug("other")).await.unwrap();
        let open = link(None).await;
        assert_eq!(app.revoke_invite(&theirs, open.invite.id).await.unwrap_err().code, Code::NotFound);
    }

    async fn an_administrator_remains(hub: Hub) {
        let (alice, bob, carol) = (hub.writer("alice").await, hub.writer("bob").await, hub.writer("carol").await);
        hub.org("lab", "alice", &[("bob", OrgRole::Admin), ("carol", OrgRole::Write)]).await;
        let app = &hub.app;
        let lab = app.administer_org(&alice, &slug("lab")).await.unwrap();
        assert_eq!(app.change_role(&lab, &slug("nobody"), OrgRole::Read).await.unwrap_err().code, Code::NotFound);
        hub.writer("dave").await;
        assert_eq!(app.change_role(&lab, &slug("dave"), OrgRole::Read).await.unwrap_err().code, Code::NotFound, "nobody joins unasked");
        // Both want to go at once: one of them stays.
        let racing: Vec<_> = [&alice, &bob].map(|who| {
            let (app, who) = (app.clone(), who.clone());
            tokio::spawn(async move { app.leave_org(&who, &slug("lab")).await })
        }).into();
        let mut left = 0;
        for task in racing {
            match task.await.unwrap() {
                Ok(()) => left += 1,
                Err(e) => assert!(e.code == Code::Conflict && e.message.contains("without an administrator"), "{e:?}"),
            }
        }
        assert_eq!(left, 1);
        let admin = roles(app, &carol, "lab").await.into_iter().find(|(_, role)| *role == OrgRole::Admin).unwrap().0;
        let (stays, gone) = if admin == "alice" { (&alice, &bob) } else { (&bob, &alice) };
        assert_eq!(app.org_member(gone, &slug("lab")).await.unwrap_err().code, Code::Forbidden);
        let lab = app.administer_org(stays, &slug("lab")).await.unwrap();
        for role in [OrgRole::Read, OrgRole::Contributor, OrgRole::Write] {
            assert_eq!(app.change_role(&lab, &slug(&admin), role).await.unwrap_err().code, Code::Conflict);
        }
        assert_eq!(app.expel(&lab, &slug(&admin)).await.unwrap_err().code, Code::Conflict);
        assert_eq!(app.remove_member(&slug("lab"), &slug(&admin)).await.unwrap_err().code, Code::Conflict, "not even the operator");
        // Whoever administers no longer has nobody invited any more.
        app.change_role(&lab, &slug("carol"), OrgRole::Admin).await.unwrap();
        let hers = app.administer_org(&carol, &slug("lab")).await.unwrap();
        let link = app.invite_member(&hers, &Invitee::Email("x@example.org".into()), OrgRole::Admin, None).await.unwrap();
        app.change_role(&lab, &slug("carol"), OrgRole::Read).await.unwrap();
        assert_eq!(app.answer_invite(gone, &secret(&link.url), true).await.unwrap_err().code, Code::NotFound);
        assert_eq!(app.administer_org(&carol, &slug("lab")).await.unwrap_err().code, Code::Forbidden);
        // A token that only reads manages nothing, and answers nothing.
        let reads = hub.user(&admin, TokenRole::Read).await;
        assert_eq!(app.administer_org(&reads, &slug("lab")).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(app.own_invites(&reads).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(app.administer_org(stays, &slug(&admin)).await.unwrap_err().code, Code::NotFound, "a person is no organization");
    }

    async fn a_service_account_is_its_organizations(hub: Hub) {
        let alice = hub.writer("alice").await;
        hub.writer("bob").await;
        hub.org("lab", "alice", &[]).await;
        hub.org("other", "bob", &[]).await;
        let app = &hub.app;
        let lab = app.administer_org(&alice, &slug("lab")).await.unwrap();
        let robot = slug("lab-robot");
        for (name, role, code) in [("alice", OrgRole::Read, Code::Conflict), ("lab", OrgRole::Read, Code::Conflict), ("lab-boss", OrgRole::Admin, Code::Invalid)] {
            assert_eq!(app.create_service(&lab, &slug(name), None, role).await.unwrap_err().code, code, "{name}");
        }
        assert!(app.list_services(&lab).await.unwrap().is_empty(), "nothing is left of what was refused");
        app.create_service(&lab, &robot, Some("Robot"), OrgRole::Contributor).await.unwrap();
        let made = app.create_service_token(&lab, &robot, "ci", TokenRole::Write, Some(30)).await.unwrap();
        let caller = app.caller_by_token(&made.secret).await.unwrap();
        // It works for its organization, within its role.
        hub.repo(&caller, "lab/built", haina_types::Visibility::Private).await;
        let model = haina_types::RepoKind::Model;
        assert!(app.write(&caller, model, &"lab/built".parse().unwrap()).await.is_ok());
        hub.repo(&alice, "lab/by-hand", haina_types::Visibility::Private).await;
        assert_eq!(app.write(&caller, model, &"lab/by-hand".parse().unwrap()).await.unwrap_err().code, Code::Forbidden);
        // And for nobody else, itself included.
        assert_eq!(hub.try_repo(&caller, "lab-robot/own", haina_types::Visibility::Private).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(app.create_token(&caller, "more", TokenRole::Write).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(app.leave_org(&caller, &slug("lab")).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(app.administer_org(&caller, &slug("lab")).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(app.reset_password(&robot).await.unwrap_err().code, Code::Invalid);
        assert_eq!(app.set_member(&slug("other"), &robot, OrgRole::Read).await.unwrap_err().code, Code::Invalid);
        assert_eq!(app.change_role(&lab, &robot, OrgRole::Admin).await.unwrap_err().code, Code::Invalid);
        assert_eq!(app.invite_member(&lab, &Invitee::User(robot.clone()), OrgRole::Read, None).await.unwrap_err().code, Code::NotFound);
        let member = app.org_member(&alice, &slug("lab")).await.unwrap();
        let shown: Vec<_> = app.list_members(&member).await.unwrap().into_iter().map(|m| (m.name, m.is_service)).collect();
        assert_eq!(shown, [("alice".to_owned(), false), ("lab-robot".to_owned(), true)]);
        // Administrators of another organization have no hand on it, nor have these on people.
        let other = app.operate_org(&slug("other")).await.unwrap();
        assert_eq!(app.create_service_token(&other, &robot, "x", TokenRole::Read, None).await.unwrap_err().code, Code::NotFound);
        assert_eq!(app.delete_service(&other, &robot).await.unwrap_err().code, Code::NotFound);
        assert_eq!(app.create_service_token(&lab, &slug("bob"), "x", TokenRole::Read, None).await.unwrap_err().code, Code::NotFound);
        // A token ends alone, the account with all of them.
        let second = app.create_service_token(&lab, &robot, "second", TokenRole::Read, None).await.unwrap();
        app.revoke_service_token(&lab, &robot, made.id).await.unwrap();
        assert_eq!(app.caller_by_token(&made.secret).await.unwrap_err().code, Code::BadCredentials);
        app.caller_by_token(&second.secret).await.unwrap();
        app.delete_service(&lab, &robot).await.unwrap();
        assert_eq!(app.caller_by_token(&second.secret).await.unwrap_err().code, Code::BadCredentials);
        assert_eq!(app.delete_service(&lab, &robot).await.unwrap_err().code, Code::NotFound);
        assert_eq!(app.create_service(&lab, &robot, None, OrgRole::Read).await.unwrap_err().code, Code::Conflict, "its name stays taken");
        // Whoever takes it out as a member ends it, too.
        app.create_service(&lab, &slug("lab-two"), None, OrgRole::Write).await.unwrap();
        let token = app.create_service_token(&lab, &slug("lab-two"), "x", TokenRole::Write, None).await.unwrap();
        app.expel(&lab, &slug("lab-two")).await.unwrap();
        assert_eq!(app.caller_by_token(&token.secret).await.unwrap_err().code, Code::BadCredentials);
        assert!(app.list_services(&lab).await.unwrap().is_empty());
    }
}
