//! Webhooks from an event of the ledger to a server that is told of it, without workers: each step is taken by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use haina_app::Caller;
use haina_app::repos::{Gating, Settings};
use haina_app::webhooks::{DeliveryView, Domain, Watched, WatchedKind, WebhookChange, WebhookView};
use haina_types::{Code, OrgRole, RepoKind, TokenRole, Visibility};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::hub::{Hub, both};

/// A request as it came: headers by name in lower case, and the body.
#[derive(Debug, Clone)]
struct Told {
    headers: Vec<(String, String)>,
    body: Value,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Action, scope and repository.
    fn what(&self) -> (String, String, String) {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        (text(&self.body["event"]["action"]), text(&self.body["event"]["scope"]), text(&self.body["repo"]["name"]))
    }
}

/// A server that keeps what it is told and answers with a status that the test sets.
struct Receiver {
    url: String,
    told: Arc<Mutex<Vec<Told>>>,
    status: Arc<AtomicU16>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (told, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU16::new(200)));
        let (keep, say) = (told.clone(), status.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (keep, say) = (keep.clone(), say.clone());
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    let (head, length) = loop {
                        let mut part = [0; 4096];
                        let n = stream.read(&mut part).await.unwrap();
                        bytes.extend_from_slice(&part[..n]);
                        let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
                        let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
                        let length = head
                            .lines()
                            .find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
                        let length: usize = length.unwrap().parse().unwrap();
                        if bytes.len() >= at + 4 + length {
                            break (head, length);
                        }
                    };
                    let headers = head.lines().skip(1).filter_map(|l| l.split_once(": "));
                    let headers = headers.map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned())).collect();
                    let body = serde_json::from_slice(&bytes[bytes.len() - length..]).unwrap();
                    keep.lock().await.push(Told { headers, body });
                    let status = say.load(Ordering::Relaxed);
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 4\r\n\r\ndone"
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap();
                });
            }
        });
        Self { url, told, status }
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// What was told since the last time.
    async fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().await)
    }
}

fn watch(kind: WatchedKind, name: &str) -> Watched {
    Watched { kind, name: name.into() }
}

async fn hook(hub: &Hub, caller: &Caller, url: &str, watched: &[Watched]) -> WebhookView {
    let by = hub.app.act(caller).await.unwrap();
    let new = WebhookChange {
        url: Some(url.into()),
        watched: watched.to_vec(),
        secret: Some("s3cret".into()),
        ..WebhookChange::default()
    };
    hub.app.create_webhook(&by, new).await.unwrap()
}

/// Reads the ledger to its end and sends what is due.
async fn run(hub: &Hub) -> usize {
    while hub.app.read_outbox().await.unwrap() > 0 {}
    hub.app.send_due().await.unwrap()
}

async fn log(hub: &Hub, caller: &Caller, id: &str) -> Vec<DeliveryView> {
    let by = hub.app.act(caller).await.unwrap();
    hub.app.list_deliveries(&by, id, None, None).await.unwrap().items
}

async fn delete(hub: &Hub, caller: &Caller, path: &haina_types::RepoPath) {
    let access = hub.app.administer(caller, RepoKind::Model, path).await.unwrap();
    hub.app.delete_repo(&access).await.unwrap();
}

both! {
    async fn from_an_event_to_a_server(hub: Hub) {
        let alice = hub.writer("alice").await;
        hub.repo(&alice, "alice/before", Visibility::Public).await;
        let receiver = Receiver::start().await;
        let made = hook(&hub, &alice, &receiver.url, &[watch(WatchedKind::User, "Alice")]).await;
        assert_eq!(run(&hub).await, 0, "what was before is not told");
        let path = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let done = hub.commit(&alice, &path, None, &[("README.md", Some("---\ntags: [x]\n---\n"))]).await.unwrap();
        assert_eq!(run(&hub).await, 3);
        let told = receiver.take().await;
        let mut what: Vec<_> = told.iter().map(Told::what).collect();
        what.sort();
        let of = |action: &str, scope: &str| (action.to_owned(), scope.to_owned(), "alice/m".to_owned());
        assert_eq!(what, [of("create", "repo"), of("update", "repo.content"), of("update", "repo.content")]);
        let last = told.iter().find(|t| t.body["updatedRefs"][0]["newSha"] == done.id.to_string()).unwrap();
        assert_eq!(last.body["updatedRefs"][0]["ref"], "refs/heads/main");
        assert!(last.body["updatedRefs"][0]["oldSha"].is_string());
        assert_eq!(last.body["repo"]["headSha"], done.id.to_string());
        assert_eq!(last.body["repo"]["url"]["api"], "http://hub.test/api/models/alice/m");
        assert_eq!(last.body["webhook"]["id"], made.id);
        assert_eq!(last.header("x-webhook-secret"), Some("s3cret"));
        assert!(last.header("webhook-signature").unwrap().starts_with("v1,"));
        assert!(last.header("webhook-id").is_some() && last.header("webhook-timestamp").is_some());
        assert_eq!(run(&hub).await, 0, "nothing is told twice");
        delete(&hub, &alice, &path).await;
        assert_eq!(run(&hub).await, 1);
        assert_eq!(receiver.take().await[0].what(), of("delete", "repo"));
        let log = log(&hub, &alice, &made.id).await;
        assert_eq!(log.len(), 4);
        assert!(log.iter().all(|d| d.state == "delivered" && d.status == Some(200) && d.answer.as_deref() == Some("done") && d.attempts == 1));
    }

    async fn only_what_is_watched(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        hub.org("lab", "alice", &[("bob", OrgRole::Write)]).await;
        let receiver = Receiver::start().await;
        let by = hub.app.act(&bob).await.unwrap();
        for (watched, domains) in [(watch(WatchedKind::Model, "LAB/One"), Domain::Repo), (watch(WatchedKind::Org, "lab"), Domain::Discussion),
            (watch(WatchedKind::Dataset, "lab/one"), Domain::Repo), (watch(WatchedKind::User, "lab"), Domain::Repo), (watch(WatchedKind::User, "nobody"), Domain::Repo)] {
            let new = WebhookChange { url: Some(receiver.url.clone()), watched: vec![watched.clone(), watched], domains: Some(vec![domains]), secret: None };
            hub.app.create_webhook(&by, new).await.unwrap();
        }
        for name in ["lab/one", "lab/two", "alice/one"] {
            hub.repo(&alice, name, Visibility::Public).await;
        }
        assert_eq!(run(&hub).await, 2);
        let told = receiver.take().await;
        assert!(told.iter().all(|t| t.what().2 == "lab/one"), "{told:?}");
        assert!(told.iter().all(|t| t.header("x-webhook-secret").is_none() && t.header("webhook-signature").is_none()));
    }

    async fn nobody_is_told_what_they_may_not_know(hub: Hub) {
        let (alice, bob, eve) = (hub.writer("alice").await, hub.writer("bob").await, hub.writer("eve").await);
        hub.org("lab", "alice", &[("bob", OrgRole::Read)]).await;
        let (to_bob, to_eve) = (Receiver::start().await, Receiver::start().await);
        let watched = [watch(WatchedKind::Org, "lab"), watch(WatchedKind::Model, "lab/secret")];
        let bobs = hook(&hub, &bob, &to_bob.url, &watched).await;
        hook(&hub, &eve, &to_eve.url, &watched).await;
        let secret = hub.repo(&alice, "lab/secret", Visibility::Private).await;
        run(&hub).await;
        assert_eq!((to_bob.take().await.len(), to_eve.take().await.len()), (2, 0));
        // What is queued is not sent to who has left meanwhile.
        hub.commit(&alice, &secret, None, &[("a", Some("a"))]).await.unwrap();
        while hub.app.read_outbox().await.unwrap() > 0 {}
        let gone = hub.app.administer(&alice, RepoKind::Model, &secret).await.unwrap();
        hub.app.remove_member(&"lab".parse().unwrap(), &"bob".parse().unwrap()).await.unwrap();
        assert_eq!(hub.app.send_due().await.unwrap(), 1);
        assert!(to_bob.take().await.is_empty());
        let first = &log(&hub, &bob, &bobs.id).await[0];
        assert_eq!((first.state.as_str(), first.status, first.sent_at), ("dropped", None, None));
        // Nor that it is deleted.
        hub.app.delete_repo(&gone).await.unwrap();
        let open = hub.repo(&alice, "lab/open", Visibility::Public).await;
        delete(&hub, &alice, &open).await;
        run(&hub).await;
        let names = |told: Vec<Told>| told.iter().map(|t| t.what().2).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(names(to_bob.take().await), ["lab/open".to_owned()].into());
        assert_eq!(names(to_eve.take().await), ["lab/open".to_owned()].into());
    }

    async fn failures_are_tried_again_and_end(hub: Hub) {
        let alice = hub.writer("alice").await;
        let receiver = Receiver::start().await;
        let made = hook(&hub, &alice, &receiver.url, &[watch(WatchedKind::User, "alice")]).await;
        receiver.answer(500);
        hub.repo(&alice, "alice/m", Visibility::Public).await;
        assert_eq!(run(&hub).await, 2);
        let first = &log(&hub, &alice, &made.id).await[0];
        assert_eq!((first.state.as_str(), first.status, first.attempts), ("queued", Some(500), 1));
        assert!(first.run_at > first.sent_at.unwrap().plus_seconds(3), "not at once");
        hub.skip(10);
        assert_eq!(hub.app.send_due().await.unwrap(), 2);
        receiver.answer(200);
        hub.skip(100);
        assert_eq!(hub.app.send_due().await.unwrap(), 2);
        let told = receiver.take().await;
        let ids: std::collections::HashSet<_> = told.iter().filter_map(|t| t.header("webhook-id").map(str::to_owned)).collect();
        assert_eq!((told.len(), ids.len()), (6, 2), "each try has the id of its delivery");
        assert!(log(&hub, &alice, &made.id).await.iter().all(|d| d.state == "delivered" && d.attempts == 3));

        receiver.answer(302);
        hub.repo(&alice, "alice/n", Visibility::Public).await;
        run(&hub).await;
        for _ in 0..20 {
            hub.skip(8 * 3600);
            hub.app.send_due().await.unwrap();
        }
        let ended = log(&hub, &alice, &made.id).await;
        assert_eq!((ended[0].state.as_str(), ended[0].attempts, ended[0].status), ("failed", 8, Some(302)));
        assert!(ended[0].error.as_deref().unwrap().contains("Redirects"), "{:?}", ended[0].error);
    }

    async fn what_fails_for_days_is_switched_off(hub: Hub) {
        let alice = hub.writer("alice").await;
        let receiver = Receiver::start().await;
        let made = hook(&hub, &alice, &receiver.url, &[watch(WatchedKind::User, "alice")]).await;
        receiver.answer(404);
        hub.repo(&alice, "alice/m", Visibility::Public).await;
        for _ in 0..12 {
            run(&hub).await;
            hub.skip(8 * 3600);
            let path = "alice/m".parse().unwrap();
            hub.commit(&alice, &path, None, &[("a", Some(&receiver.take().await.len().to_string()))]).await.ok();
        }
        let by = hub.app.act(&alice).await.unwrap();
        let now = hub.app.get_webhook(&by, &made.id).await.unwrap();
        assert_eq!(now.disabled.as_deref(), Some("failing"));
        let before = log(&hub, &alice, &made.id).await.len();
        hub.commit(&alice, &"alice/m".parse().unwrap(), None, &[("z", Some("z"))]).await.unwrap();
        assert_eq!(run(&hub).await, 0);
        assert_eq!(log(&hub, &alice, &made.id).await.len(), before);
        assert!(log(&hub, &alice, &made.id).await.iter().all(|d| d.state != "queued"));
        receiver.answer(200);
        assert_eq!(hub.app.switch_webhook(&by, &made.id, true).await.unwrap().disabled, None);
        hub.commit(&alice, &"alice/m".parse().unwrap(), None, &[("y", Some("y"))]).await.unwrap();
        assert!(run(&hub).await > 0);
        assert_eq!(hub.app.get_webhook(&by, &made.id).await.unwrap().failing_since, None);
    }

    async fn the_log_is_ones_own_and_can_be_sent_again(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        let receiver = Receiver::start().await;
        let made = hook(&hub, &alice, &receiver.url, &[watch(WatchedKind::Model, "alice/m")]).await;
        let path = hub.repo(&alice, "alice/m", Visibility::Private).await;
        run(&hub).await;
        receiver.take().await;
        let (me, other) = (hub.app.act(&alice).await.unwrap(), hub.app.act(&bob).await.unwrap());
        let first = log(&hub, &alice, &made.id).await.pop().unwrap();
        let with_body = hub.app.get_delivery(&me, &made.id, &first.public_id).await.unwrap();
        assert!(with_body.body.contains("\"alice/m\""));
        assert_eq!(hub.app.get_delivery(&other, &made.id, &first.public_id).await.unwrap_err().code, Code::NotFound);
        assert_eq!(hub.app.replay_delivery(&other, &made.id, &first.public_id).await.unwrap_err().code, Code::NotFound);
        assert_eq!(hub.app.replay_delivery(&me, &made.id, "none").await.unwrap_err().code, Code::NotFound);
        let again = hub.app.replay_delivery(&me, &made.id, &first.public_id).await.unwrap();
        assert_ne!(again, first.public_id);
        assert_eq!(hub.app.send_due().await.unwrap(), 1);
        let told = receiver.take().await;
        assert_eq!(told[0].header("webhook-id"), Some(again.as_str()));
        assert_eq!(told[0].body.to_string(), serde_json::from_str::<Value>(&with_body.body).unwrap().to_string());
        // Pages.
        let page = hub.app.list_deliveries(&me, &made.id, Some(2), None).await.unwrap();
        let rest = hub.app.list_deliveries(&me, &made.id, Some(2), page.next.as_deref()).await.unwrap();
        assert_eq!((page.items.len(), rest.items.len(), rest.next), (2, 1, None));
        assert!(hub.app.list_deliveries(&me, &made.id, None, Some("x")).await.is_err());
        // What is gone is not told again.
        delete(&hub, &alice, &path).await;
        hub.app.replay_delivery(&me, &made.id, &first.public_id).await.unwrap();
        hub.app.send_due().await.unwrap();
        assert!(receiver.take().await.is_empty());
        hub.app.switch_webhook(&me, &made.id, false).await.unwrap();
        assert_eq!(hub.app.replay_delivery(&me, &made.id, &first.public_id).await.unwrap_err().code, Code::Conflict);
        hub.app.delete_webhook(&me, &made.id).await.unwrap();
        assert_eq!(hub.app.delete_webhook(&me, &made.id).await.unwrap_err().code, Code::NotFound);
    }

    async fn settings_are_checked(hub: Hub) {
        let alice = hub.writer("alice").await;
        let by = hub.app.act(&alice).await.unwrap();
        let good = WebhookChange { url: Some("https://hook.example/x".into()), watched: vec![watch(WatchedKind::User, "julien-c")], domains: None, secret: None };
        let refused = async |change: WebhookChange| {
            let e = hub.app.create_webhook(&by, change).await.unwrap_err();
            assert_eq!(e.code, Code::Invalid, "{e:?}");
            e.message
        };
        for url in ["", "nonsense", "ftp://a.example", "https://u:p@a.example/", "http://10.0.0.1/", "http://169.254.169.254/", "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://0xa000001/"] {
            assert!(refused(WebhookChange { url: Some(url.into()), ..good.clone() }).await.contains("\"url\""), "{url}");
        }
        assert!(refused(WebhookChange { url: None, ..good.clone() }).await.contains("\"url\""));
        assert!(refused(WebhookChange { watched: vec![], ..good.clone() }).await.contains("\"watched\""));
        assert!(refused(WebhookChange { watched: vec![watch(WatchedKind::User, "a"); 101], ..good.clone() }).await.contains("\"watched\""));
        assert!(refused(WebhookChange { watched: vec![watch(WatchedKind::User, "a"), watch(WatchedKind::Model, "a")], ..good.clone() }).await.contains("watched[1].name"));
        assert!(refused(WebhookChange { domains: Some(vec![]), ..good.clone() }).await.contains("\"domains\""));
        for secret in ["a b", "ключ", "a\r\nx: y", &"x".repeat(257)] {
            assert!(refused(WebhookChange { secret: Some(secret.into()), ..good.clone() }).await.contains("\"secret\""), "{secret}");
        }
        let made = hub.app.create_webhook(&by, good.clone()).await.unwrap();
        assert_eq!((made.domains.len(), made.secret.as_deref(), made.disabled.as_deref()), (2, None, None));
        let change = WebhookChange { secret: Some("x".into()), domains: Some(vec![Domain::Discussion]), ..WebhookChange::default() };
        let changed = hub.app.update_webhook(&by, &made.id, change).await.unwrap();
        assert_eq!((changed.url.as_str(), changed.watched.len(), changed.domains.as_slice(), changed.secret.as_deref()), ("https://hook.example/x", 1, &[Domain::Discussion][..], Some("x")));
        let change = WebhookChange { url: Some("http://127.0.0.1:9/".into()), secret: Some(String::new()), ..WebhookChange::default() };
        assert_eq!(hub.app.update_webhook(&by, &made.id, change).await.unwrap().secret, None);
        let reader = hub.user("alice", TokenRole::Read).await;
        assert_eq!(hub.app.act(&reader).await.unwrap_err().code, Code::Forbidden);
        for _ in 1..100 {
            hub.app.create_webhook(&by, good.clone()).await.unwrap();
        }
        assert!(refused(good).await.contains("at most 100"));
        assert_eq!(hub.app.list_webhooks(&by).await.unwrap().len(), 100);
    }

    async fn two_readers_queue_everything_once(hub: Hub) {
        let alice = hub.writer("alice").await;
        let receiver = Receiver::start().await;
        let made = hook(&hub, &alice, &receiver.url, &[watch(WatchedKind::User, "alice")]).await;
        let path = hub.repo(&alice, "alice/m", Visibility::Public).await;
        for i in 0..10 {
            hub.commit(&alice, &path, None, &[("a", Some(&i.to_string()))]).await.unwrap();
        }
        let readers = (0..4).map(|_| {
            let app = hub.app.clone();
            tokio::spawn(async move { while app.read_outbox().await.unwrap() > 0 {} })
        });
        futures_util::future::join_all(readers.collect::<Vec<_>>()).await;
        let senders = (0..3).map(|_| {
            let app = hub.app.clone();
            tokio::spawn(async move { app.send_due().await.unwrap() })
        });
        let sent: usize = futures_util::future::join_all(senders.collect::<Vec<_>>()).await.into_iter().map(|n| n.unwrap()).sum();
        assert_eq!(sent, 12);
        assert_eq!(receiver.take().await.len(), 12);
        assert_eq!(log(&hub, &alice, &made.id).await.len(), 12);
        hub.assert_sound().await;
    }

    async fn discussions_and_moves_are_told(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        let path = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let receiver = Receiver::start().await;
        hook(&hub, &bob, &receiver.url, &[watch(WatchedKind::Model, "alice/m")]).await;
        let by = hub.app.talk(&bob, RepoKind::Model, &path).await.unwrap();
        let n = hub.app.create_discussion(&by, "A question", "What *is* it?").await.unwrap();
        hub.app.comment(&by, n, "Anyone?").await.unwrap();
        run(&hub).await;
        let told = receiver.take().await;
        let of = |scope: &str| told.iter().find(|t| t.body["event"]["scope"] == scope).unwrap().body.clone();
        let (opened, said) = (of("discussion"), of("discussion.comment"));
        assert_eq!(opened["event"]["action"], "create");
        assert_eq!((&opened["discussion"]["num"], &opened["discussion"]["title"], &opened["discussion"]["status"]), (&1.into(), &"A question".into(), &"open".into()));
        assert_eq!(opened["discussion"]["isPullRequest"], false);
        assert_eq!(opened["comment"]["content"], "What *is* it?");
        assert_eq!(opened["discussion"]["url"]["web"], "http://hub.test/alice/m/discussions/1");
        assert_eq!((&said["comment"]["content"], &said["comment"]["hidden"]), (&"Anyone?".into(), &false.into()));
        let id = i64::from_str_radix(said["comment"]["id"].as_str().unwrap(), 16).unwrap();
        hub.app.hide_comment(&by, n, id).await.unwrap();
        hub.app.rename_discussion(&by, n, "Another question").await.unwrap();
        run(&hub).await;
        let told = receiver.take().await;
        let hidden = told.iter().find(|t| t.body["comment"].is_object()).unwrap();
        assert_eq!((&hidden.body["comment"]["hidden"], hidden.body["comment"].get("content")), (&true.into(), None));
        assert!(told.iter().any(|t| t.body["discussion"]["title"] == "Another question"));
        let to: haina_types::RepoPath = "alice/renamed".parse().unwrap();
        hub.app.move_repo(&alice, RepoKind::Model, &path, &to).await.unwrap();
        run(&hub).await;
        let moved = &receiver.take().await[0];
        assert_eq!(moved.what(), ("move".into(), "repo".into(), "alice/m".into()));
        assert_eq!(moved.body["movedTo"]["name"], "alice/renamed");
    }

    async fn a_closed_gate_keeps_content_back(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        let path = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let admin = hub.app.administer(&alice, RepoKind::Model, &path).await.unwrap();
        let receiver = Receiver::start().await;
        hook(&hub, &bob, &receiver.url, &[watch(WatchedKind::Model, "alice/m")]).await;
        // Queued while it was open, and not sent once it is closed.
        hub.commit(&alice, &path, None, &[("a", Some("a"))]).await.unwrap();
        while hub.app.read_outbox().await.unwrap() > 0 {}
        let closed = Settings { gating: Some(Gating::Manual), ..Settings::default() };
        hub.app.change_settings(&admin, closed).await.unwrap();
        hub.commit(&alice, &path, None, &[("b", Some("b"))]).await.unwrap();
        let by = hub.app.talk(&alice, RepoKind::Model, &path).await.unwrap();
        hub.app.create_discussion(&by, "Among us", "secret").await.unwrap();
        run(&hub).await;
        let told = receiver.take().await;
        assert_eq!(told.iter().map(|t| t.what().1).collect::<Vec<_>>(), ["repo.config"]);
    }
}
