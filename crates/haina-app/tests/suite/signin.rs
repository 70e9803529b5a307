//! Providers as operators set them up. Signing in by them is tested end to end, with real ones.

use haina_app::signin::{GroupRule, Kind, Ldap, Oidc, Provider};
use haina_types::{Code, OrgRole, Slug};

use crate::hub::both;

fn oidc(issuer: &str) -> Provider {
    let kind = Kind::Oidc(Oidc {
        issuer: issuer.into(),
        client_id: "haina".into(),
        client_secret: Some("secret".into()),
        scopes: "openid".into(),
        groups_claim: Some("groups".into()),
    });
    Provider { title: "学校".into(), accounts: false, groups: Vec::new(), kind }
}

both! {
    async fn providers_are_kept_changed_and_forgotten(hub: Hub) {
        let name: Slug = "Campus".parse().unwrap();
        hub.app.set_provider(&name, &oidc("https://id.example")).await.unwrap();
        hub.app.set_provider(&name, &oidc("https://id2.example")).await.unwrap();
        let listed = hub.app.list_providers().await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].name.as_str(), listed[0].kind, listed[0].place.as_str()), ("campus", "oidc", "https://id2.example"));
        hub.writer("bob").await;
        let rule = |org: &str| GroupRule { group: "staff".into(), org: org.parse().unwrap(), role: OrgRole::Read };
        let with = |org: &str| Provider { groups: vec![rule(org)], ..oidc("https://id.example") };
        assert_eq!(hub.app.set_provider(&name, &with("lab")).await.unwrap_err().code, Code::NotFound);
        assert_eq!(hub.app.set_provider(&name, &with("bob")).await.unwrap_err().code, Code::NotFound);
        hub.org("lab", "bob", &[]).await;
        hub.app.set_provider(&name, &with("lab")).await.unwrap();
        hub.app.remove_provider(&name).await.unwrap();
        assert_eq!(hub.app.remove_provider(&name).await.unwrap_err().code, Code::NotFound);
        assert_eq!(hub.app.begin_provider("campus").await.unwrap_err().code, Code::NotFound);
    }

    async fn passwords_do_not_travel_in_the_open(hub: Hub) {
        let name: Slug = "x".parse().unwrap();
        for bad in ["http://id.example", "ftp://id.example", "id.example", "https://"] {
            assert_eq!(hub.app.set_provider(&name, &oidc(bad)).await.unwrap_err().code, Code::Invalid, "{bad}");
        }
        let ldap = |url: &str, starttls| {
            let kind = Kind::Ldap(Ldap {
                url: url.into(),
                starttls,
                bind_dn: None,
                bind_password: None,
                base: "dc=x".into(),
                filter: "(uid={name})".into(),
                subject_attribute: None,
                name_attribute: "uid".into(),
                groups_attribute: None,
            });
            Provider { title: "LDAP".into(), accounts: true, groups: Vec::new(), kind }
        };
        assert_eq!(hub.app.set_provider(&name, &ldap("ldap://d.example", false)).await.unwrap_err().code, Code::Invalid);
        for (url, starttls) in [("ldaps://d.example", false), ("ldap://d.example", true), ("ldap://127.0.0.1:3890", false)] {
            hub.app.set_provider(&name, &ldap(url, starttls)).await.unwrap();
        }
        assert_eq!(hub.app.begin_provider("x").await.unwrap_err().code, Code::Invalid);
        for secret in ["", "guess"] {
            assert_eq!(hub.app.pending_identity(secret).await.unwrap_err().code, Code::Forbidden);
        }
    }

    async fn tokens_end_by_themselves(hub: Hub) {
        let alice = hub.writer("alice").await;
        let made = hub.app.create_token_for_days(&alice, "short", haina_types::TokenRole::Read, 1).await.unwrap();
        let listed = hub.app.list_tokens(&alice).await.unwrap();
        let listed = listed.iter().find(|t| t.id == made.id).unwrap();
        let life = listed.expires_at.unwrap().0 - listed.created_at.0;
        assert_eq!(life, 86_400_000);
        for bad in [0, -1, 4000, i64::MAX] {
            let e = hub.app.create_token_for_days(&alice, "x", haina_types::TokenRole::Read, bad).await.unwrap_err();
            assert_eq!(e.code, Code::Invalid, "{bad}");
        }
    }
}
