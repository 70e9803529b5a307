//! Accounts, sessions, invitations, tokens.

use haina_app::people::{SignUp, Signup};
use haina_types::{Code, TokenRole};

use crate::hub::both;

fn form(name: &str, invite: Option<&str>) -> SignUp {
    SignUp {
        name: name.into(),
        full_name: Some("张三".into()),
        email: Some(format!("{name}@example.org")),
        password: "correct horse".into(),
        invite: invite.map(str::to_owned),
    }
}

both! {
    async fn the_set_up_link_works_once(hub: Hub) {
        let old = hub.app.open_setup().await.unwrap().unwrap();
        let secret = hub.app.open_setup().await.unwrap().unwrap();
        assert!(!hub.app.setup_open(&old).await.unwrap(), "a newer link ends the older one");
        assert!(hub.app.setup_open(&secret).await.unwrap());
        assert!(hub.app.complete_setup("nonsense", form("mallory", None)).await.is_err());
        let session = hub.app.complete_setup(&secret, form("root1", None)).await.unwrap();
        let caller = hub.app.caller_by_session(&session.secret).await.unwrap();
        assert!(caller.user().unwrap().is_admin);
        assert_eq!(hub.app.complete_setup(&secret, form("second", None)).await.unwrap_err().code, Code::Forbidden);
        assert!(hub.app.caller_by_session("x").await.unwrap().is_anonymous());
        assert_eq!(hub.app.open_setup().await.unwrap(), None);
    }

    async fn signing_up_in_each_mode(hub: Hub) {
        hub.app.sign_up(form("first", None)).await.unwrap();
        assert_eq!(hub.app.sign_up(form("First", None)).await.unwrap_err().code, Code::Conflict);
        for bad in ["", "a b", "-x", "api", "models", "x.git"] {
            assert_eq!(hub.app.sign_up(form(bad, None)).await.unwrap_err().code, Code::Invalid, "{bad}");
        }
        hub.app.set_signup_mode(Signup::Closed).await.unwrap();
        assert_eq!(hub.app.sign_up(form("second", None)).await.unwrap_err().code, Code::Forbidden);
        hub.app.set_signup_mode(Signup::Invite).await.unwrap();
        assert_eq!(hub.app.sign_up(form("second", None)).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.sign_up(form("second", Some("guess"))).await.unwrap_err().code, Code::Forbidden);
        let invite = hub.app.invite(None, 1).await.unwrap();
        hub.app.sign_up(form("second", Some(&invite))).await.unwrap();
        assert_eq!(hub.app.sign_up(form("third", Some(&invite))).await.unwrap_err().code, Code::Forbidden);
        assert!(!hub.app.caller_by_session(&hub.app.sign_in("second", "correct horse").await.unwrap().secret).await.unwrap().user().unwrap().is_admin);
    }

    async fn signing_in_and_out(hub: Hub) {
        hub.app.sign_up(form("alice", None)).await.unwrap();
        for who in ["alice", "ALICE", "alice@example.org", "Alice@Example.ORG"] {
            let session = hub.app.sign_in(who, "correct horse").await.unwrap();
            assert_eq!(hub.app.caller_by_session(&session.secret).await.unwrap().user().unwrap().name.as_str(), "alice");
        }
        let wrong = hub.app.sign_in("alice", "wrong horse").await.unwrap_err();
        let unknown = hub.app.sign_in("nobody", "wrong horse").await.unwrap_err();
        assert_eq!((wrong.code, &wrong.message), (unknown.code, &unknown.message), "an account's existence does not show");
        let session = hub.app.sign_in("alice", "correct horse").await.unwrap();
        let password = hub.app.reset_password(&"alice".parse().unwrap()).await.unwrap();
        assert!(hub.app.caller_by_session(&session.secret).await.unwrap().is_anonymous());
        assert!(hub.app.sign_in("alice", "correct horse").await.is_err());
        let session = hub.app.sign_in("alice", &password).await.unwrap();
        for who in ["alice", "nobody"] {
            for _ in 0..20 {
                if hub.app.sign_in(who, "a guess").await.unwrap_err().code == Code::RateLimited {
                    break;
                }
            }
            assert_eq!(hub.app.sign_in(who, &password).await.unwrap_err().code, Code::RateLimited, "{who}");
        }
        hub.app.sign_in("alice@example.org", &password).await.unwrap();
        hub.skip(15 * 60);
        hub.app.sign_in("alice", &password).await.unwrap();
        hub.app.sign_out(&session.secret).await.unwrap();
        assert!(hub.app.caller_by_session(&session.secret).await.unwrap().is_anonymous());
    }

    async fn tokens_have_the_shape_and_end(hub: Hub) {
        let alice = hub.writer("alice").await;
        let made = hub.app.create_token(&alice, "laptop", TokenRole::Read).await.unwrap();
        assert!(made.secret.strip_prefix("hf_").is_some_and(|t| t.len() >= 34 && t.bytes().all(|b| b.is_ascii_alphanumeric())));
        let through = hub.app.caller_by_token(&made.secret).await.unwrap();
        assert_eq!(hub.app.create_token(&through, "more", TokenRole::Write).await.unwrap_err().code, Code::Forbidden);
        let listed = hub.app.list_tokens(&alice).await.unwrap();
        assert!(listed.iter().any(|t| t.id == made.id && made.secret.ends_with(&t.hint)));
        hub.app.revoke_token(&alice, made.id).await.unwrap();
        for bad in [made.secret.as_str(), "hf_nonsense", "", "hf_'; drop table token; --"] {
            let e = hub.app.caller_by_token(bad).await.unwrap_err();
            assert_eq!((e.code, e.message.as_str()), (Code::BadCredentials, "Invalid credentials in Authorization header"));
        }
        let bob = hub.writer("bob").await;
        let other = hub.app.list_tokens(&alice).await.unwrap()[0].id;
        assert_eq!(hub.app.revoke_token(&bob, other).await.unwrap_err().code, Code::NotFound);
    }
}
