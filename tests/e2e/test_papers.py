"""Papers that cards refer to, and jobs, which a hub without machines has not."""

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, JobNotFoundError, RepositoryNotFoundError

CARD = "# Words\n\nAs in https://arxiv.org/abs/{} and [another](https://arxiv.org/pdf/{}v3.pdf).\n"


def put_card(api, repo, kind, *papers, head=""):
    card = (f"---\n{head}\n---\n" if head else "") + CARD.format(*papers)
    api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=repo, repo_type=kind)


def test_which_repositories_refer_to_a_paper(hub, api, repo):
    nobody = HfApi(endpoint=hub.url, token=False)
    for kind, head in (("dataset", ""), ("space", "sdk: static")):
        hub.create(repo, "alice", kind, **({"sdk": "static"} if kind == "space" else {})).expect(200)
        put_card(api, repo, kind, "2401.12345", "1706.03762", head=head)
    put_card(api, repo, None, "2401.12345", "2311.12983")
    api.create_repo(f"{repo}-hidden", private=True)
    put_card(api, f"{repo}-hidden", None, "2401.12345", "9912.99999")
    for info in (api.model_info(repo), api.dataset_info(repo), api.space_info(repo)):
        assert "arxiv:2401.12345" in info.tags, info
    assert "arxiv:2311.12983" in api.model_info(repo).tags
    paper = nobody.paper_info("2401.12345")
    assert paper.id == "2401.12345" and paper.title is None and paper.summary is None
    assert [m.id for m in paper.linked_models] == [repo] and paper.num_total_models == 1
    assert [d.id for d in paper.linked_datasets] == [repo] and [s.id for s in paper.linked_spaces] == [repo]
    # The client asks for papers in nobody's name; whoever asks in their own sees what they may know.
    found = hub.get("/api/papers/2401.12345", "alice").expect(200).json()
    assert {m["id"] for m in found["linkedModels"]} == {repo, f"{repo}-hidden"}
    assert nobody.paper_info("1706.03762v2").id == "1706.03762"
    for unknown in ("9912.99999", "2401.00000", "nonsense"):
        with pytest.raises(HfHubHTTPError, match="No repository here refers to this paper") as e:
            nobody.paper_info(unknown)
        assert e.value.response.status_code == 404 and not isinstance(e.value, RepositoryNotFoundError)
    assert list(api.list_models(filter="arxiv:2311.12983"))[0].id == repo


def test_papers_are_not_kept(hub, api):
    assert list(api.list_papers(query="attention")) == []
    assert list(api.list_daily_papers()) == []
    with pytest.raises(HfHubHTTPError, match="keeps no texts of papers") as e:
        api.read_paper("1706.03762")
    assert e.value.response.status_code == 404
    for path in ("/api/papers/search", "/api/daily_papers", "/api/papers/1706.03762"):
        hub.get(path, "hf_" + "Z" * 37).expect(401)


def test_there_are_no_jobs(hub, api):
    """Every verb is told so, in the form that clients read."""
    asks = {
        "run": lambda: api.run_job(image="python:3.12", command=["true"]), "list": lambda: list(api.list_jobs(namespace="alice")),
        "hardware": lambda: api.list_jobs_hardware(), "scheduled": lambda: list(api.list_scheduled_jobs(namespace="alice")),
        "schedule": lambda: api.create_scheduled_job(image="python:3.12", command=["true"], schedule="@daily"),
    }
    for name, ask in asks.items():
        with pytest.raises(HfHubHTTPError) as e:
            ask()
        assert e.value.response.status_code == 404 and "no machines to run jobs" in str(e.value), (name, e.value)
    for ask in (lambda: api.inspect_job(job_id="0" * 24), lambda: api.cancel_job(job_id="0" * 24),
                lambda: api.delete_scheduled_job(scheduled_job_id="0" * 24), lambda: api.suspend_scheduled_job(scheduled_job_id="0" * 24)):
        with pytest.raises(JobNotFoundError, match="no machines to run jobs"):
            ask()
    for base in ("/api/jobs", "/api/scheduled-jobs"):
        for path in (base, f"{base}/alice", f"{base}/alice/x", f"{base}/alice/x/cancel", f"{base}/hardware", f"{base}/alice/x/logs"):
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
                answer = hub.request(method, path, "alice").expect(404)
                assert answer.header("X-Error-Code") == "JobsNotOffered"
                assert method == "HEAD" or "no jobs" in answer.json()["error"], (method, path)
            hub.post(path, "hf_" + "Z" * 37).expect(401)
