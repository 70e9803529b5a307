//! Secrets at rest: sealed where they are, for their place, by a key that can be changed beside running servers.

use haina_app::gate::SelfAccess;
use haina_app::secrets::KeySource;
use haina_app::signin::{Kind, Ldap, Oidc, Provider};
use haina_app::webhooks::{Watched, WatchedKind, WebhookChange, WebhookView};
use haina_app::{App, Caller, Options};
use haina_types::{Code, Slug};

use crate::hub::{Hub, both};

/// Long enough that no other bytes look like it.
const WEBHOOK: &str = "whsec_dGhpcyBpcyBub3QgdG8gYmUgZm91bmQ";
const CLIENT: &str = "client-secret-that-nobody-may-find";
const BIND: &str = "bind-password-that-nobody-may-find";
const SPACE: &str = "secret-of-a-space-that-nobody-may-find";

fn oidc(secret: &str) -> Provider {
    let kind = Kind::Oidc(Oidc {
        issuer: "https://id.example".into(),
        client_id: "haina".into(),
        client_secret: Some(secret.into()),
        scopes: "openid".into(),
        groups_claim: None,
    });
    Provider { title: "Campus".into(), accounts: false, groups: Vec::new(), kind }
}

fn ldap(password: &str) -> Provider {
    let kind = Kind::Ldap(Ldap {
        url: "ldaps://d.example".into(),
        starttls: false,
        bind_dn: Some("cn=hub".into()),
        bind_password: Some(password.into()),
        base: "dc=x".into(),
        filter: "(uid={name})".into(),
        subject_attribute: None,
        name_attribute: "uid".into(),
        groups_attribute: None,
    });
    Provider { title: "LDAP".into(), accounts: false, groups: Vec::new(), kind }
}

async fn me(app: &App, alice: &Caller) -> SelfAccess {
    app.act(alice).await.unwrap()
}

async fn webhook(app: &App, alice: &Caller, secret: &str) -> WebhookView {
    let new = WebhookChange {
        url: Some("http://127.0.0.1:9/hook".into()),
        watched: vec![Watched { kind: WatchedKind::User, name: "alice".into() }],
        domains: None,
        secret: Some(secret.into()),
    };
    app.create_webhook(&me(app, alice).await, new).await.unwrap()
}

async fn secret_of(app: &App, alice: &Caller, id: &str) -> Option<String> {
    app.get_webhook(&me(app, alice).await, id).await.unwrap().secret
}

/// A hub with one secret of each sort.
async fn filled(hub: &Hub) -> (Caller, WebhookView) {
    let alice = hub.writer("alice").await;
    hub.app.set_provider(&name("campus"), &oidc(CLIENT)).await.unwrap();
    hub.app.set_provider(&name("ldap"), &ldap(BIND)).await.unwrap();
    hub.app.jwks().await.unwrap();
    let made = webhook(&hub.app, &alice, WEBHOOK).await;
    crate::spaces::space(hub, &alice, "alice/room", &[crate::spaces::secret("TOKEN", SPACE)]).await;
    (alice, made)
}

fn name(text: &str) -> Slug {
    text.parse().unwrap()
}

/// Everything that rests: the database's own files if it has them, else the columns.
async fn resting(hub: &Hub) -> Vec<u8> {
    let mut all = Vec::new();
    for file in ["hub.db", "hub.db-wal"] {
        all.extend(std::fs::read(hub.data().join(file)).unwrap_or_default());
    }
    let mut s = hub.database().await.read().await.unwrap();
    for row in haina_db::identity::list_providers(&mut s).await.unwrap() {
        all.extend(row.config.into_bytes());
    }
    for row in haina_db::secrets::list_webhooks(&mut s, 0, 100).await.unwrap() {
        all.extend(row.text.into_bytes());
    }
    for row in haina_db::spaces::list_secrets(&mut s, 0, 100).await.unwrap() {
        all.extend(row.text.into_bytes());
    }
    for key in META {
        all.extend(haina_db::meta::find_meta(&mut s, key).await.unwrap().unwrap_or_default());
    }
    all
}

const META: [&str; 4] = ["content.keys", "lfs.keys", "oauth.key", "oauth.signing"];

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

fn key_file(hub: &Hub) -> String {
    std::fs::read_to_string(hub.data().join("secret.key")).unwrap()
}

async fn open(options: Options) -> String {
    match App::open(options).await {
        Ok(_) => "open".to_owned(),
        Err(e) => {
            assert_eq!(e.code, Code::Unavailable);
            e.message
        }
    }
}

both! {
    async fn nothing_rests_in_the_open(hub: Hub) {
        let (alice, hook) = filled(&hub).await;
        let found = resting(&hub).await;
        for secret in [WEBHOOK, CLIENT, BIND, SPACE] {
            assert!(!holds(&found, secret.as_bytes()), "{secret}");
        }
        let sqlite = hub.options().database == Options::new(hub.data(), "").database;
        assert!(holds(&found, hook.id.as_bytes()) || !sqlite, "the files are read that hold it");
        assert!(found.windows(9).filter(|w| w == b"sealed:1:").count() >= 8, "all of them are there, sealed");
        assert!(!holds(&found, key_file(&hub).trim().as_bytes()));
        assert_eq!(secret_of(&hub.app, &alice, &hook.id).await.as_deref(), Some(WEBHOOK));
        // A change that does not name the secret keeps it; an empty one takes it away.
        let change = WebhookChange { url: Some("http://127.0.0.1:9/other".into()), ..WebhookChange::default() };
        assert_eq!(hub.app.update_webhook(&me(&hub.app, &alice).await, &hook.id, change).await.unwrap().secret.as_deref(), Some(WEBHOOK));
        let change = WebhookChange { secret: Some(String::new()), ..WebhookChange::default() };
        assert_eq!(hub.app.update_webhook(&me(&hub.app, &alice).await, &hook.id, change).await.unwrap().secret, None);
        hub.assert_sound().await;
    }

    async fn what_rested_in_the_open_is_sealed_at_the_next_start(hub: Hub) {
        let (alice, hook) = filled(&hub).await;
        let (before, db) = (hub.app.jwks().await.unwrap(), hub.database().await);
        let plain = {
            // As a hub from before sealing left it.
            let mut tx = db.begin().await.unwrap();
            haina_db::identity::change_provider(&mut tx, "campus", &serde_json::to_string(&oidc(CLIENT)).unwrap()).await.unwrap();
            haina_db::identity::change_provider(&mut tx, "ldap", &serde_json::to_string(&ldap(BIND)).unwrap()).await.unwrap();
            let row = haina_db::secrets::list_webhooks(&mut tx, 0, 1).await.unwrap()[0].id;
            haina_db::secrets::put_webhook(&mut tx, row, Some(WEBHOOK)).await.unwrap();
            haina_db::secrets::put_meta(&mut tx, "oauth.key", Some(b"0123456789abcdef0123456789abcdef")).await.unwrap();
            for gone in ["content.keys", "lfs.keys", "oauth.signing", haina_db::secrets::CHECK] {
                haina_db::secrets::put_meta(&mut tx, gone, None).await.unwrap();
            }
            tx.commit().await.unwrap();
            resting(&hub).await
        };
        assert!(holds(&plain, WEBHOOK.as_bytes()) && holds(&plain, CLIENT.as_bytes()) && holds(&plain, b"0123456789abcdef0123456789abcdef"));
        drop(db);
        let app = App::open(hub.options()).await.unwrap();
        let found = resting(&hub).await;
        for secret in [WEBHOOK, CLIENT, BIND, "0123456789abcdef0123456789abcdef"] {
            assert!(!holds(&found, secret.as_bytes()), "{secret}");
        }
        assert_eq!(secret_of(&app, &alice, &hook.id).await.as_deref(), Some(WEBHOOK));
        assert_ne!(app.jwks().await.unwrap(), before, "that key was taken away above, so another was made");
        let again = App::open(hub.options()).await.unwrap();
        assert_eq!(again.jwks().await.unwrap(), app.jwks().await.unwrap());
        assert_eq!(secret_of(&again, &alice, &hook.id).await.as_deref(), Some(WEBHOOK), "sealed once, not twice");
    }

    async fn a_sealed_text_opens_only_where_it_belongs(hub: Hub) {
        let (alice, first) = filled(&hub).await;
        let second = webhook(&hub.app, &alice, "another").await;
        {
            let mut tx = hub.database().await.begin().await.unwrap();
            let rows = haina_db::secrets::list_webhooks(&mut tx, 0, 10).await.unwrap();
            haina_db::secrets::put_webhook(&mut tx, rows[0].id, Some(&rows[1].text)).await.unwrap();
            haina_db::secrets::put_webhook(&mut tx, rows[1].id, Some(&rows[0].text)).await.unwrap();
            tx.commit().await.unwrap();
        }
        for hook in [&first, &second] {
            let e = hub.app.get_webhook(&me(&hub.app, &alice).await, &hook.id).await.unwrap_err();
            assert_eq!(e.code, Code::Internal);
            assert!(!e.message.contains("sealed") && e.chain().contains("another place"), "{e:?}");
        }
        let report = hub.app.fsck(false, &|_| {}).await.unwrap();
        assert_eq!(report.findings.iter().filter(|f| f.contains("another place")).count(), 2, "{:?}", report.findings);
    }

    async fn the_key_changes_beside_running_servers(hub: Hub) {
        let (alice, hook) = filled(&hub).await;
        let (before, old) = (resting(&hub).await, key_file(&hub));
        let other = App::open(hub.options()).await.unwrap();
        let done = other.rotate_secrets().await.unwrap();
        assert_eq!(done.count, 8, "four keys of the hub's own, two providers, a webhook, a space");
        assert_ne!(key_file(&hub), old);
        assert_eq!(key_file(&hub).lines().count(), 1);
        let old_id = String::from_utf8_lossy(&before).split("sealed:1:").nth(1).unwrap()[..16].to_owned();
        let found = resting(&hub).await;
        assert!(!holds(&found, format!("sealed:1:{old_id}").as_bytes()) && holds(&found, done.key.as_bytes()));
        // The first server goes on: it finds the new key, and seals with it.
        assert_eq!(secret_of(&hub.app, &alice, &hook.id).await.as_deref(), Some(WEBHOOK));
        let made = webhook(&hub.app, &alice, "made-afterwards").await;
        let fresh = App::open(hub.options()).await.unwrap();
        assert_eq!(secret_of(&fresh, &alice, &made.id).await.as_deref(), Some("made-afterwards"));
        assert_eq!(secret_of(&fresh, &alice, &hook.id).await.as_deref(), Some(WEBHOOK));
        assert_eq!(fresh.jwks().await.unwrap(), hub.app.jwks().await.unwrap());
        hub.assert_sound().await;
        // The old key opens nothing any more.
        std::fs::copy(hub.data().join("secret.key"), hub.data().join("old.key")).unwrap();
        std::fs::write(hub.data().join("old.key"), old).unwrap();
        let options = Options { secret_key: KeySource::File(hub.data().join("old.key")), ..hub.options() };
        let words = open(options).await;
        assert!(words.contains(&done.key) && words.contains(&old_id), "{words}");
    }

    async fn nothing_is_lost_when_the_key_changes_while_secrets_are_made(hub: Hub) {
        let alice = hub.writer("alice").await;
        let making = async {
            let mut made = Vec::new();
            for n in 0..40 {
                made.push((webhook(&hub.app, &alice, &format!("secret{n}")).await.id, n));
            }
            made
        };
        let changing = async {
            let other = App::open(hub.options()).await.unwrap();
            for _ in 0..5 {
                other.rotate_secrets().await.unwrap();
            }
        };
        let at_once = async {
            let (one, two) = (App::open(hub.options()).await.unwrap(), App::open(hub.options()).await.unwrap());
            let (a, b) = tokio::join!(one.rotate_secrets(), two.rotate_secrets());
            a.unwrap();
            b.unwrap();
        };
        let (made, (), ()) = tokio::join!(making, changing, at_once);
        assert_eq!(key_file(&hub).lines().count(), 1);
        let fresh = App::open(hub.options()).await.unwrap();
        for (id, n) in made {
            assert_eq!(secret_of(&fresh, &alice, &id).await, Some(format!("secret{n}")));
        }
        hub.assert_sound().await;
    }

    async fn a_change_that_was_cut_is_taken_up(hub: Hub) {
        let (alice, hook) = filled(&hub).await;
        // The new key came into the file, and then the power went.
        let new = "ab".repeat(32);
        std::fs::write(hub.data().join("secret.key"), format!("{new}\n{}", key_file(&hub))).unwrap();
        let app = App::open(hub.options()).await.unwrap();
        assert_eq!(secret_of(&app, &alice, &hook.id).await.as_deref(), Some(WEBHOOK));
        app.rotate_secrets().await.unwrap();
        assert_eq!(key_file(&hub), format!("{new}\n"));
        assert_eq!(secret_of(&App::open(hub.options()).await.unwrap(), &alice, &hook.id).await.as_deref(), Some(WEBHOOK));
    }

    async fn keys_that_are_given_are_changed_by_whoever_gives_them(hub: Hub) {
        let (alice, hook) = filled(&hub).await;
        let old = key_file(&hub);
        std::fs::remove_file(hub.data().join("secret.key")).unwrap();
        let given = |text: String| Options { secret_key: KeySource::Given(text), ..hub.options() };
        let app = App::open(given(old.clone())).await.unwrap();
        let e = app.rotate_secrets().await.unwrap_err();
        assert!(e.code == Code::Invalid && e.message.contains("NEW,OLD"), "{e:?}");
        let new = "cd".repeat(32);
        let app = App::open(given(format!("{new},{old}"))).await.unwrap();
        assert_eq!(app.rotate_secrets().await.unwrap().count, 8);
        assert_eq!(secret_of(&App::open(given(new)).await.unwrap(), &alice, &hook.id).await.as_deref(), Some(WEBHOOK));
        assert!(!hub.data().join("secret.key").exists(), "nobody asked for a file");
        assert!(open(given("cd".repeat(31))).await.contains("64 hexadecimal digits"));
    }

    async fn without_the_key_one_is_told_what_to_restore(hub: Hub) {
        let (alice, hook) = filled(&hub).await;
        let path = hub.data().join("secret.key");
        let kept = key_file(&hub);
        std::fs::remove_file(&path).unwrap();
        let words = open(hub.options()).await;
        assert!(words.contains("secret.key is missing") && words.contains("Restore the file"), "{words}");
        assert!(!path.exists(), "a new one would only hide what is wrong");
        std::fs::write(&path, "ef".repeat(32)).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let words = open(hub.options()).await;
        assert!(words.contains("holds key") && words.contains("haina admin secrets reset"), "{words}");
        std::fs::write(&path, kept).unwrap();
        assert_eq!(open(hub.options()).await, "open");

        std::fs::write(&path, "ef".repeat(32)).unwrap();
        assert_eq!(App::reset_secrets(hub.options()).await.unwrap(), 8);
        let app = App::open(hub.options()).await.unwrap();
        assert_eq!(secret_of(&app, &alice, &hook.id).await, None);
        assert_eq!(app.list_providers().await.unwrap().len(), 2, "only their secrets are gone");
        app.jwks().await.unwrap();
        let report = app.fsck(true, &|_| {}).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
}
