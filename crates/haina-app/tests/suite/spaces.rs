//! Variables and secrets of spaces: bounded, told apart, copied with care, never shown.

use haina_app::Caller;
use haina_app::repos::{Duplicate, NewRepo};
use haina_app::spaces::NewSetting;
use haina_types::{Code, RepoKind, RepoPath};

use crate::hub::{Hub, both};

/// A space with what is given.
pub async fn space(hub: &Hub, caller: &Caller, id: &str, settings: &[NewSetting]) -> RepoPath {
    try_space(hub, caller, id, settings).await.unwrap();
    id.parse().unwrap()
}

async fn try_space(hub: &Hub, caller: &Caller, id: &str, settings: &[NewSetting]) -> haina_types::Result<()> {
    let path: RepoPath = id.parse().unwrap();
    let new = NewRepo {
        kind: RepoKind::Space,
        namespace: Some(path.namespace),
        name: path.name,
        visibility: None,
        license: None,
        group: None,
        sdk: Some("static".into()),
        files: Vec::new(),
    };
    hub.app.create_repo_with(caller, new, settings).await.map(drop)
}

/// A secret to set.
pub fn secret(key: &str, value: &str) -> NewSetting {
    NewSetting { is_secret: true, key: key.into(), value: value.into(), description: None }
}

fn variable(key: &str, value: &str) -> NewSetting {
    NewSetting { is_secret: false, ..secret(key, value) }
}

async fn variables(hub: &Hub, who: &Caller, space: &RepoPath) -> Vec<(String, String, Option<String>)> {
    let access = hub.app.read_content(who, RepoKind::Space, space).await.unwrap();
    let all = hub.app.list_space_variables(&access).await.unwrap();
    all.into_iter().map(|v| (v.key, v.value, v.description)).collect()
}

both! {
    async fn set_changed_and_taken_away(hub: Hub) {
        let alice = hub.writer("alice").await;
        let room = space(&hub, &alice, "alice/room", &[]).await;
        let access = hub.app.write(&alice, RepoKind::Space, &room).await.unwrap();
        let first = NewSetting { description: Some("what for".into()), ..variable("PLACE", "here") };
        hub.app.set_space_setting(&access, first).await.unwrap();
        hub.app.set_space_setting(&access, variable("PLACE", "there")).await.unwrap();
        hub.app.set_space_setting(&access, variable("EMPTY", "")).await.unwrap();
        let there = ("PLACE".to_owned(), "there".to_owned(), Some("what for".to_owned()));
        assert_eq!(variables(&hub, &alice, &room).await, [("EMPTY".into(), String::new(), None), there]);
        hub.app.set_space_setting(&access, secret("TOKEN", "one")).await.unwrap();
        let before = hub.app.list_space_secrets(&access).await.unwrap();
        hub.app.set_space_setting(&access, secret("TOKEN", "two")).await.unwrap();
        let after = hub.app.list_space_secrets(&access).await.unwrap();
        assert!(after.len() == 1 && after[0].value.is_empty() && after[0].updated_at > before[0].updated_at);
        // What is one is not the other.
        for (new, word) in [(variable("TOKEN", "x"), "secret"), (secret("PLACE", "x"), "variable")] {
            let e = hub.app.set_space_setting(&access, new).await.unwrap_err();
            assert!(e.code == Code::Invalid && e.message.contains(&format!("is a {word} of this space")), "{e:?}");
        }
        for (is_secret, key) in [(true, "PLACE"), (false, "TOKEN"), (true, "NEVER")] {
            assert_eq!(hub.app.delete_space_setting(&access, is_secret, key).await.unwrap_err().code, Code::NotFound);
        }
        hub.app.delete_space_setting(&access, true, "TOKEN").await.unwrap();
        hub.app.delete_space_setting(&access, false, "PLACE").await.unwrap();
        assert_eq!(variables(&hub, &alice, &room).await.len(), 1);
        assert!(hub.app.list_space_secrets(&access).await.unwrap().is_empty());
        hub.assert_sound().await;
    }

    async fn names_and_sizes_have_bounds(hub: Hub) {
        let alice = hub.writer("alice").await;
        let room = space(&hub, &alice, "alice/room", &[]).await;
        let access = hub.app.write(&alice, RepoKind::Space, &room).await.unwrap();
        let long = "x".repeat(32 << 10);
        for key in ["", "1A", "A-B", "A B", "A=B", "键", "A\n", &"K".repeat(201)] {
            for new in [secret(key, "v"), variable(key, "v")] {
                let e = hub.app.set_space_setting(&access, new.clone()).await.unwrap_err();
                assert!(e.code == Code::Invalid && e.message.contains("\"key\""), "{key}: {e:?}");
                assert_eq!(try_space(&hub, &alice, "alice/never", &[new]).await.unwrap_err().code, Code::Invalid, "{key}");
            }
        }
        for value in [format!("{long}x"), "a\0b".to_owned()] {
            let e = hub.app.set_space_setting(&access, secret("K", &value)).await.unwrap_err();
            assert!(e.message.contains("\"value\" of the secret K") && !e.message.contains(&value[..3]), "{e:?}");
        }
        let wordy = NewSetting { description: Some("d".repeat(501)), ..variable("K", "v") };
        assert!(hub.app.set_space_setting(&access, wordy).await.unwrap_err().message.contains("\"description\""));
        hub.app.set_space_setting(&access, secret("_k9", &long)).await.unwrap();
        for n in 1..200 {
            hub.app.set_space_setting(&access, variable(&format!("K{n}"), "v")).await.unwrap();
        }
        assert!(hub.app.set_space_setting(&access, variable("MORE", "v")).await.unwrap_err().message.contains("200"));
        hub.app.set_space_setting(&access, variable("K1", "changed")).await.unwrap();
        assert!(!format!("{:?}", secret("K", "visible")).contains("visible"));
        let path: RepoPath = "alice/never".parse().unwrap();
        assert_eq!(hub.app.read(&alice, RepoKind::Space, &path).await.unwrap_err().code, Code::RepoNotFound, "nothing half made");
    }

    async fn a_copy_brings_variables_and_no_secrets(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        let room = space(&hub, &alice, "alice/room", &[secret("TOKEN", "x"), variable("PLACE", "here"), variable("TIME", "now")]).await;
        let content = hub.app.read_content(&bob, RepoKind::Space, &room).await.unwrap();
        let to = Duplicate { to: "bob/room".parse().unwrap(), visibility: None, group: None };
        let given = [secret("TIME", "hidden"), variable("MORE", "m")];
        hub.app.duplicate_repo_with(&bob, &content, to, &given).await.unwrap();
        let copy: RepoPath = "bob/room".parse().unwrap();
        let found: Vec<_> = variables(&hub, &bob, &copy).await.into_iter().map(|v| (v.0, v.1)).collect();
        assert_eq!(found, [("MORE".into(), "m".into()), ("PLACE".into(), "here".into())]);
        let access = hub.app.write(&bob, RepoKind::Space, &copy).await.unwrap();
        let secrets: Vec<_> = hub.app.list_space_secrets(&access).await.unwrap().into_iter().map(|s| s.key).collect();
        assert_eq!(secrets, ["TIME"]);
        // Only spaces have any.
        hub.repo(&alice, "alice/model", haina_types::Visibility::Public).await;
        let model = hub.app.read_content(&alice, RepoKind::Model, &"alice/model".parse().unwrap()).await.unwrap();
        let to = Duplicate { to: "alice/model2".parse().unwrap(), visibility: None, group: None };
        let e = hub.app.duplicate_repo_with(&alice, &model, to, &[secret("K", "v")]).await.unwrap_err();
        assert_eq!(e.code, Code::Invalid);
        hub.assert_sound().await;
    }
}
