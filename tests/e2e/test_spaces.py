"""Variables and secrets of spaces as the published client sets them, and what a hub without machines says of the rest."""

import re

import pytest
from huggingface_hub import HfApi, Volume
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RepositoryNotFoundError

SECRET = "value-of-a-secret-that-nobody-sees"


@pytest.fixture
def space(hub, repo):
    """A static space of alice's; its name is that of the model that `repo` made."""
    hub.create(repo, "alice", "space", sdk="static").expect(200)
    return repo


def test_secrets(hub, api, space):
    assert api.get_space_secrets(space) == {}
    api.add_space_secret(space, "GITHUB_API_KEY", SECRET, description="for the mirror")
    api.add_space_secret(space, "OTHER", SECRET)
    found = api.get_space_secrets(space)
    assert list(found) == ["GITHUB_API_KEY", "OTHER"]
    assert (found["GITHUB_API_KEY"].description, found["OTHER"].description) == ("for the mirror", None)
    assert found["OTHER"].updated_at is not None
    api.add_space_secret(space, "OTHER", SECRET + "2")
    assert api.get_space_secrets(space)["OTHER"].updated_at > found["OTHER"].updated_at
    api.delete_space_secret(space, "OTHER")
    assert list(api.get_space_secrets(space)) == ["GITHUB_API_KEY"]
    with pytest.raises(HfHubHTTPError, match="no secret OTHER"):
        api.delete_space_secret(space, "OTHER")
    for method, body in (("GET", None), ("POST", {"key": "MORE", "value": SECRET}), ("DELETE", {"key": "MORE"})):
        answer = hub.request(method, f"/api/spaces/{space}/secrets", "alice", **({"json": body} if body else {})).expect(200)
        assert SECRET not in answer.text
    for path in (f"/api/spaces/{space}", f"/api/spaces/{space}?expand=runtime", f"/api/spaces/{space}/variables"):
        assert SECRET not in hub.get(path, "alice").expect(200).text
    assert SECRET not in hub.output()
    assert not any(SECRET.encode() in path.read_bytes() for path in hub.data.glob("hub.db*"))


def test_variables(hub, api, space):
    assert api.get_space_variables(space) == {}
    shown = api.add_space_variable(space, "MODEL_REPO_ID", "alice/m", description="which model")
    assert (shown["MODEL_REPO_ID"].value, shown["MODEL_REPO_ID"].description) == ("alice/m", "which model")
    shown = api.add_space_variable(space, "MODEL_REPO_ID", "alice/n")
    assert (shown["MODEL_REPO_ID"].value, shown["MODEL_REPO_ID"].description) == ("alice/n", "which model")
    # Whoever reads the space reads them; nobody else.
    bob = HfApi(endpoint=hub.url, token=hub.tokens["bob"])
    assert bob.get_space_variables(space)["MODEL_REPO_ID"].value == "alice/n"
    api.update_repo_settings(space, repo_type="space", private=True)
    with pytest.raises(RepositoryNotFoundError):
        bob.get_space_variables(space)
    assert api.delete_space_variable(space, "MODEL_REPO_ID") == {}
    with pytest.raises(BadRequestError, match="name of an environment variable"):
        api.add_space_variable(space, "not a name", "x")


def test_with_a_new_space_and_with_a_copy(hub, api, repo):
    api.create_repo(repo, repo_type="space", space_sdk="static", space_secrets=[{"key": "TOKEN", "value": SECRET, "description": "d"}],
                    space_variables=[{"key": "PLACE", "value": "here"}, {"key": "TIME", "value": "now"}])
    assert api.get_space_secrets(repo)["TOKEN"].description == "d"
    assert {k: v.value for k, v in api.get_space_variables(repo).items()} == {"PLACE": "here", "TIME": "now"}
    api.duplicate_repo(repo, f"{repo}-copy", repo_type="space", space_variables=[{"key": "TIME", "value": "later"}],
                       space_secrets=[{"key": "MINE", "value": SECRET}])
    assert {k: v.value for k, v in api.get_space_variables(f"{repo}-copy").items()} == {"PLACE": "here", "TIME": "later"}
    assert list(api.get_space_secrets(f"{repo}-copy")) == ["MINE"], "those of the original stay there"
    hub.create(f"{repo}-model", "alice", secrets=[{"key": "A", "value": "b"}]).expect(400)
    hub.create(f"{repo}-bad", "alice", "space", sdk="static", secrets=[{"key": "A B", "value": "b"}]).expect(400)
    hub.get(f"/api/spaces/{repo}-bad", "alice").expect(404)


def test_by_the_command(client, space):
    client.hf("spaces", "secrets", "add", space, "-s", f"TOKEN={SECRET}")
    client.hf("spaces", "variables", "add", space, "-e", "PLACE=here")
    out = client.hf("spaces", "secrets", "ls", space) + client.hf("spaces", "variables", "ls", space)
    assert "TOKEN" in out and "PLACE" in out and "here" in out and SECRET not in out


def test_whether_it_runs(hub, api, repo):
    api.create_repo(repo, repo_type="space", space_sdk="static")
    runtime = api.get_space_runtime(repo)
    assert (runtime.stage, runtime.hardware, runtime.requested_hardware, runtime.storage, runtime.sleep_time, runtime.dev_mode,
            runtime.volumes) == ("RUNNING", None, None, None, None, False, None)
    assert api.space_info(repo).runtime.stage == "RUNNING"
    assert api.wait_for_space(repo, timeout=10).stage == "RUNNING"
    api.create_repo(f"{repo}-g", repo_type="space", space_sdk="gradio")
    runtime = api.get_space_runtime(f"{repo}-g")
    assert runtime.stage == "STOPPED" and "no machines" in runtime.raw["errorMessage"]
    assert api.space_info(f"{repo}-g", expand=["runtime"]).runtime.stage == "STOPPED"
    with pytest.raises(RepositoryNotFoundError):
        api.get_space_runtime(f"{repo}-never")


def test_what_needs_machines_is_refused_in_words(hub, api, repo):
    wishes = {
        "hardware to choose": lambda s: api.request_space_hardware(s, "t4-small"),
        "hardware": lambda s: api.set_space_sleep_time(s, 60),
        "way to pause it": lambda s: api.pause_space(s),
        "way to restart it": lambda s: api.restart_space(s, factory_reboot=True),
        "dev mode": lambda s: api.enable_space_dev_mode(s),
        "no dev mode": lambda s: api.disable_space_dev_mode(s),
        "volumes": lambda s: api.set_space_volumes(s, [Volume(type="model", source="a/b", mount_path="/m")]),
        "attach volumes": lambda s: api.delete_space_volumes(s),
        "no log": lambda s: list(api.fetch_space_logs(s)),
        "there is no log": lambda s: list(api.fetch_space_logs(s, build=True)),
    }
    for sdk, words, error in (("static", "A static space is always running", BadRequestError), ("docker", "This hub has no machines", HfHubHTTPError)):
        space = f"{repo}-{sdk}"
        api.create_repo(space, repo_type="space", space_sdk=sdk)
        for wish, ask in wishes.items():
            with pytest.raises(error, match=f"{words}.*{re.escape(wish)}") as e:
                ask(space)
            assert e.value.response.status_code == (400 if sdk == "static" else 501), wish


def test_lists_without_machines(hub, api):
    assert api.list_spaces_hardware() == []
    quota = api.get_zero_gpu_quota()
    assert (quota.base, quota.remaining, quota.resets_at) == (0, 0, None)


def test_searching_spaces(hub, api, repo):
    word = "Zwölffingerdarm"
    for sdk, private in (("static", False), ("gradio", False), ("docker", True)):
        name = f"{repo}-{sdk}"
        api.create_repo(name, repo_type="space", space_sdk=sdk, private=private)
        card = f"---\ntitle: {word} {sdk}\nemoji: 🌊\nsdk: {sdk}\n---\n# {word}\n".encode()
        api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=name, repo_type="space")
    found = {s.id: s for s in api.search_spaces(word)}
    assert set(found) == {f"{repo}-static", f"{repo}-gradio", f"{repo}-docker"}
    one = found[f"{repo}-static"]
    assert (one.title, one.emoji, one.sdk, one.author, one.runtime.stage) == (f"{word} static", "🌊", "static", "alice", "RUNNING")
    assert {s.id for s in api.search_spaces(word, sdk="gradio")} == {f"{repo}-gradio"}
    assert {s.id for s in api.search_spaces(word, sdk=["gradio", "static"])} == {f"{repo}-gradio", f"{repo}-static"}
    nobody = HfApi(endpoint=hub.url, token=False)
    assert f"{repo}-docker" not in {s.id for s in nobody.search_spaces(word)}
