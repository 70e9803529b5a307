//! Results of evaluations from the files of models to the leaderboards of benchmarks, and who may know of which.

use haina_app::repos::{NewRepo, Settings};
use haina_app::{App, Caller};
use haina_types::{Code, OrgRole, RepoKind, RepoPath, Result, Visibility};

use crate::hub::{Hub, both};

const TASKS: &str = "name: Exam\ntasks:\n- id: main\n- id: hard\n";

async fn benchmark(hub: &Hub, caller: &Caller, id: &str, eval: &str) -> RepoPath {
    let path: RepoPath = id.parse().unwrap();
    let new = NewRepo {
        kind: RepoKind::Dataset,
        namespace: Some(path.namespace.clone()),
        name: path.name.clone(),
        visibility: None,
        license: None,
        group: None,
        sdk: None,
        files: vec![("eval.yaml".into(), eval.as_bytes().to_vec())],
    };
    hub.app.create_repo(caller, new).await.unwrap();
    path
}

fn result(dataset: &str, task: &str, value: f64) -> String {
    format!("- dataset: {{id: {dataset}, task_id: {task}}}\n  value: {value}\n")
}

async fn model(hub: &Hub, caller: &Caller, id: &str, visibility: Visibility, results: &str) -> RepoPath {
    let path = hub.repo(caller, id, visibility).await;
    hub.commit(caller, &path, None, &[(".eval_results/exam.yaml", Some(results))]).await.unwrap();
    path
}

async fn try_board(
    app: &App,
    who: &Caller,
    dataset: &RepoPath,
    task: Option<&str>,
    derived: bool,
) -> Result<Vec<(String, f64)>> {
    let access = app.read(who, RepoKind::Dataset, dataset).await?;
    let all = app.leaderboard(who, &access, task, derived).await?;
    Ok(all.into_iter().map(|l| (l.repo.path().to_string(), l.value)).collect())
}

async fn board(hub: &Hub, who: &Caller, dataset: &RepoPath) -> Vec<String> {
    try_board(&hub.app, who, dataset, None, false).await.unwrap().into_iter().map(|(name, _)| name).collect()
}

both! {
    async fn models_are_ranked_by_what_they_say(hub: Hub) {
        let alice = hub.writer("alice").await;
        let exam = benchmark(&hub, &alice, "alice/Exam", TASKS).await;
        model(&hub, &alice, "alice/low", Visibility::Public, &result("Alice/exam", "main", 0.5)).await;
        let both = format!("{}{}{}", result("alice/Exam", "main", 0.7), result("alice/Exam", "main", 0.9), result("alice/Exam", "hard", 0.1));
        let high = model(&hub, &alice, "alice/high", Visibility::Public, &both).await;
        let derived = model(&hub, &alice, "alice/tuned", Visibility::Public, &result("alice/Exam", "main", 0.95)).await;
        hub.commit(&alice, &derived, None, &[("README.md", Some("---\nbase_model: alice/high\n---\n"))]).await.unwrap();
        model(&hub, &alice, "alice/elsewhere", Visibility::Public, &result("alice/other", "main", 1.0)).await;
        let found = try_board(&hub.app, &alice, &exam, None, false).await.unwrap();
        assert_eq!(found, [("alice/high".to_owned(), 0.9), ("alice/low".to_owned(), 0.5)], "each with its best, by any case");
        let found = try_board(&hub.app, &alice, &exam, None, true).await.unwrap();
        assert_eq!(found[0], ("alice/tuned".to_owned(), 0.95));
        assert_eq!(try_board(&hub.app, &alice, &exam, Some("hard"), false).await.unwrap(), [("alice/high".to_owned(), 0.1)]);
        let e = try_board(&hub.app, &alice, &exam, Some("easy"), false).await.unwrap_err();
        assert!(e.code == Code::NotFound && e.message.contains("main, hard"), "{e:?}");
        // The board follows the main branch.
        hub.commit(&alice, &high, None, &[(".eval_results/exam.yaml", Some(&result("alice/Exam", "main", 0.4)))]).await.unwrap();
        assert_eq!(board(&hub, &alice, &exam).await, ["alice/low", "alice/high"]);
        hub.commit(&alice, &high, None, &[(".eval_results/exam.yaml", None)]).await.unwrap();
        assert_eq!(board(&hub, &alice, &exam).await, ["alice/low"]);
        hub.assert_sound().await;
    }

    async fn private_models_are_nobody_elses_business(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        hub.org("lab", "alice", &[("bob", OrgRole::Read)]).await;
        let carol = hub.writer("carol").await;
        let exam = benchmark(&hub, &alice, "alice/exam", TASKS).await;
        model(&hub, &alice, "alice/secret", Visibility::Private, &result("alice/exam", "main", 3.0)).await;
        model(&hub, &alice, "lab/inside", Visibility::Private, &result("alice/exam", "main", 2.0)).await;
        let open = model(&hub, &alice, "alice/open", Visibility::Public, &result("alice/exam", "main", 1.0)).await;
        assert_eq!(board(&hub, &alice, &exam).await, ["alice/secret", "lab/inside", "alice/open"]);
        assert_eq!(board(&hub, &bob, &exam).await, ["lab/inside", "alice/open"]);
        for who in [&carol, &Caller::anonymous()] {
            assert_eq!(board(&hub, who, &exam).await, ["alice/open"]);
        }
        let admin = hub.app.administer(&alice, RepoKind::Model, &open).await.unwrap();
        hub.app.change_settings(&admin, Settings { visibility: Some(Visibility::Private), gating: None }).await.unwrap();
        assert!(board(&hub, &carol, &exam).await.is_empty(), "from the moment that it is private");
        let hidden = hub.app.read(&alice, RepoKind::Model, &open).await.unwrap();
        assert_eq!(hub.app.list_evaluations(&hidden).await.unwrap().len(), 1);
    }

    async fn what_cannot_be_read_is_said(hub: Hub) {
        let alice = hub.writer("alice").await;
        let exam = benchmark(&hub, &alice, "alice/exam", "tasks: [{id: main}, {id: main}]").await;
        let e = try_board(&hub.app, &alice, &exam, None, false).await.unwrap_err();
        assert!(e.code == Code::NotFound && e.message.contains("eval.yaml.tasks[1].id is there twice"), "{e:?}");
        let none = benchmark(&hub, &alice, "alice/none", "x").await;
        assert!(try_board(&hub.app, &alice, &none, None, false).await.unwrap_err().message.contains("must be a mapping"));
        let path = hub.repo(&alice, "alice/model", Visibility::Public).await;
        let (good, many) = (result("a/b", "t", 1.0), result("a/b", "t", 1.0).repeat(201));
        let deep = "[".repeat(9000);
        let files = [
            (".eval_results/a.yaml", Some("- value: 1")),
            (".eval_results/b.yml", Some(good.as_str())),
            (".eval_results/c.yaml", Some(many.as_str())),
            (".eval_results/d.yaml", Some(deep.as_str())),
            (".eval_results/sub/e.yaml", Some("- nothing")),
            (".eval_results/f.txt", Some("- nothing")),
        ];
        hub.commit(&alice, &path, None, &files).await.unwrap();
        let access = hub.app.read(&alice, RepoKind::Model, &path).await.unwrap();
        let found = hub.app.list_evaluations(&access).await.unwrap();
        let said: Vec<_> = found.iter().map(|e| (e.filename.as_str(), e.outcome.as_ref().err().map(String::as_str))).collect();
        assert_eq!(said.len(), 4, "{said:?}");
        assert_eq!(said[0], (".eval_results/a.yaml", Some(".eval_results/a.yaml: [0].dataset is required")));
        assert_eq!(said[1], (".eval_results/b.yml", None));
        assert!(said[2].1.unwrap().contains("more than 200 results") && said[3].1.unwrap().contains(".eval_results/d.yaml"), "{said:?}");
    }
}
