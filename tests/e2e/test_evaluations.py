"""Results of evaluations: written as the published client writes them, shown with models, ranked with benchmarks."""

import pytest
import wire
from huggingface_hub import EvalResultEntry, HfApi, ModelCard, ModelCardData, eval_result_entries_to_yaml
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

EVAL = b"name: An exam\nevaluation_framework: inspect-ai\ntasks:\n  - id: main\n    config: default\n    split: test\n  - id: hard\n"


def to_yaml(*entries) -> bytes:
    import json

    return json.dumps(eval_result_entries_to_yaml(list(entries))).encode()  # JSON is YAML


def put(api, repo, path, content, **more):
    api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo, **more)


@pytest.fixture
def exam(hub, api, repo):
    """A benchmark of alice's, named as the model of `repo`."""
    hub.create(repo, "alice", "dataset").expect(200)
    put(api, repo, "eval.yaml", EVAL, repo_type="dataset")
    return repo


def test_with_the_model(hub, api, repo, exam):
    entry = EvalResultEntry(dataset_id=exam, task_id="main", value=20.9, dataset_revision="abc", date="2025-01-15T10:30:00Z", verify_token="t",
                            source_url="https://example.org/logs", source_name="Logs", source_org="acme", notes="no-tools")
    assert api.model_info(repo, expand=["evalResults"]).eval_results is None
    put(api, repo, ".eval_results/exam.yaml", to_yaml(entry, EvalResultEntry(dataset_id="other/one", task_id="x", value=1)))
    found = api.model_info(repo, expand=["evalResults"]).eval_results
    assert found == [entry, EvalResultEntry(dataset_id="other/one", task_id="x", value=1)]
    raw = hub.get(f"/api/models/{repo}?expand=evalResults").expect(200).json()["evalResults"]
    assert [r["filename"] for r in raw] == [".eval_results/exam.yaml"] * 2 and not any(r["verified"] for r in raw)
    assert "evalResults" not in hub.get(f"/api/models/{repo}").expect(200).json()
    listed = {m.id: m for m in api.list_models(author="alice", expand=["evalResults"])}
    assert listed[repo].eval_results == found
    # A file that cannot be read is told by name and field; the client passes over it.
    put(api, repo, ".eval_results/bad.yaml", b"- dataset: {id: a/b, task_id: t}\n  value: high\n")
    raw = hub.get(f"/api/models/{repo}?expand=evalResults").expect(200).json()["evalResults"]
    assert {"filename": ".eval_results/bad.yaml", "error": ".eval_results/bad.yaml: [0].value must be a number"} in raw
    assert api.model_info(repo, expand=["evalResults"]).eval_results == found
    # By git or by commit, what is on another branch says nothing.
    api.create_branch(repo, branch="side")
    put(api, repo, ".eval_results/side.yaml", to_yaml(EvalResultEntry(dataset_id=exam, task_id="main", value=99)), revision="side")
    assert api.model_info(repo, expand=["evalResults"]).eval_results == found
    api.delete_folder(".eval_results", repo_id=repo)
    assert api.model_info(repo, expand=["evalResults"]).eval_results is None


def test_leaderboard(hub, api, repo, exam):
    bob = HfApi(endpoint=hub.url, token=hub.tokens["bob"])
    nobody = HfApi(endpoint=hub.url, token=False)
    assert api.get_dataset_leaderboard(exam) == []
    models = {}
    for name, value, who in ((repo, 0.5, api), ("acme/best", 0.9, bob), (f"{repo}-hidden", 0.95, api), (f"{repo}-tuned", 0.99, api)):
        who.create_repo(name, exist_ok=True, private="hidden" in name)
        source = {"source_url": f"{hub.url}/{name}", "source_name": "Card"} if who is bob else {"source_url": "https://example.org"}
        put(who, name, ".eval_results/x.yaml", to_yaml(EvalResultEntry(dataset_id=exam, task_id="main", value=value, notes=f"of {name}", **source)))
        models[name] = value
    put(api, f"{repo}-tuned", "README.md", f"---\nbase_model: {repo}\n---\n".encode())
    board = nobody.get_dataset_leaderboard(exam)
    assert [(e.rank, e.model_id, e.value) for e in board] == [(1, "acme/best", 0.9), (2, repo, 0.5)]
    first, second = board
    assert (first.filename, first.verified, first.notes, first.pull_request) == (".eval_results/x.yaml", False, "of acme/best", None)
    assert first.source == {"url": f"{hub.url}/acme/best", "name": "Card", "isExternal": False}
    assert second.source == {"url": "https://example.org", "isExternal": True}
    assert (first.author.name, first.author.fullname, second.author.username) == ("acme", "Acme 研究院", "alice")
    everything = nobody.get_dataset_leaderboard(exam, base_model_only=False)
    assert [e.model_id for e in everything] == [f"{repo}-tuned", "acme/best", repo]
    # Whose model it is sees it; nobody else does, whoever they are.
    assert [e.model_id for e in api.get_dataset_leaderboard(exam)] == [f"{repo}-hidden", "acme/best", repo]
    assert f"{repo}-hidden" not in {e.model_id for e in bob.get_dataset_leaderboard(exam)}
    api.update_repo_settings(repo, private=True)
    assert [e.model_id for e in nobody.get_dataset_leaderboard(exam)] == ["acme/best"]
    assert hub.get(f"/api/datasets/{exam}/leaderboard?task_id=hard").expect(200).json() == []
    answer = hub.get(f"/api/datasets/{exam}/leaderboard?task_id=none").expect(404)
    assert "It has: main, hard." in answer.json()["error"]


def test_without_a_leaderboard(hub, api, repo):
    hub.create(repo, "alice", "dataset").expect(200)
    with pytest.raises(HfHubHTTPError, match="no eval.yaml"):
        api.get_dataset_leaderboard(repo)
    put(api, repo, "eval.yaml", b"tasks: later", repo_type="dataset")
    with pytest.raises(HfHubHTTPError, match="eval.yaml.tasks must be a list"):
        api.get_dataset_leaderboard(repo)
    put(api, repo, "eval.yaml", EVAL, repo_type="dataset")
    assert api.get_dataset_leaderboard(repo) == []
    api.update_repo_settings(repo, repo_type="dataset", private=True)
    with pytest.raises(RepositoryNotFoundError):
        HfApi(endpoint=hub.url, token=False).get_dataset_leaderboard(repo)
    api.delete_file("eval.yaml", repo_id=repo, repo_type="dataset")
    with pytest.raises(HfHubHTTPError, match="no eval.yaml"):
        api.get_dataset_leaderboard(repo)


def test_results_of_cards(hub, api, repo):
    """The older form: `model-index` of the card, as the client makes it of results and reads it again."""
    from huggingface_hub import EvalResult

    result = EvalResult(task_type="text-classification", dataset_type="glue", dataset_name="GLUE", metric_type="accuracy", metric_value=0.91)
    data = ModelCardData(model_name="mine", eval_results=[result])
    card = ModelCard(f"---\n{data.to_yaml()}\n---\n# Mine\n")
    hub.post("/api/validate-yaml", "alice", json={"content": str(card), "repoType": "model"}).expect(200)
    put(api, repo, "README.md", str(card).encode())
    info = api.model_info(repo)
    assert info.model_index[0]["results"][0]["metrics"][0]["value"] == 0.91 and "model-index" in info.tags
    assert info.card_data.eval_results[0].metric_value == 0.91 and info.card_data.eval_results[0].dataset_name == "GLUE"


def test_bombs_do_not_go_off(hub, api, repo, exam):
    lines = ["a0: &a0 [" + ",".join("x" * 10) + "]"]
    lines += [f"a{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * 10) + "]" for i in range(1, 15)]
    hub.commit(repo, "alice", wire.file(".eval_results/bomb.yaml", "\n".join(lines)), wire.file(".eval_results/deep.yaml", "[" * 60_000),
               wire.file(".eval_results/big.yaml", "- x\n" * 200_000)).expect(200)
    raw = hub.get(f"/api/models/{repo}?expand=evalResults").expect(200).json()["evalResults"]
    assert {r["filename"].split("/")[1] for r in raw} == {"bomb.yaml", "deep.yaml", "big.yaml"} and all("error" in r for r in raw), raw
    put(api, exam, "eval.yaml", "\n".join(lines).encode(), repo_type="dataset")
    assert "eval.yaml" in hub.get(f"/api/datasets/{exam}/leaderboard").expect(404).json()["error"]
