"""Likes, follows and collections as clients use them."""

import json
import subprocess
import time

import hub as hubs
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

numbers = iter(range(1, 1 << 30))


@pytest.fixture
def bob(hub):
    return HfApi(endpoint=hub.url, token=hub.tokens["bob"])


@pytest.fixture
def title():
    return f"My cool stuff {next(numbers)}"


# ---------------------------------------------------------------- likes


def test_likes_of_every_kind(hub, api, bob):
    for kind in ("model", "dataset", "space", "kernel"):
        name = f"alice/liked-{kind}"
        hub.create(name, "alice", kind=kind, **({"sdk": "static"} if kind == "space" else {})).expect(200)
        for who in ("bob", "root", "bob"):
            hub.post(f"/api/{kind}s/{name}/like", who).expect(200)
        assert hub.get(f"/api/{kind}s/{name}").json()["likes"] == 2
        likers = list(api.list_repo_likers(name, repo_type=kind))
        assert [(u.username, u.fullname) for u in likers] == [("root", "root"), ("bob", "Bob 鲍勃")]
        assert likers[0].avatar_url == f"{hub.url}/api/avatars/root"
    likes = api.list_liked_repos("bob")
    assert (likes.total, likes.models, likes.datasets, likes.spaces, likes.kernels) == (
        4, ["alice/liked-model"], ["alice/liked-dataset"], ["alice/liked-space"], ["alice/liked-kernel"])
    bob.unlike("alice/liked-model")
    bob.unlike("alice/liked-model")
    assert hub.get("/api/models/alice/liked-model").json()["likes"] == 1
    assert bob.list_liked_repos().models == []
    found = [m.id for m in api.list_models(author="alice", sort="likes")]
    assert found[0] == "alice/liked-model"
    with pytest.raises(RepositoryNotFoundError):
        bob.unlike("missing_repo_id")
    with pytest.raises(RepositoryNotFoundError):
        bob.unlike("alice/missing")


def test_likers_come_in_pages(hub, repo):
    for who in ("alice", "bob", "root"):
        hub.post(f"/api/models/{repo}/like", who).expect(200)
    first = hub.get(f"/api/models/{repo}/likers?limit=2").expect(200)
    second = hub.get(first.next()).expect(200)
    assert [u["user"] for u in first.json() + second.json()] == ["root", "bob", "alice"]
    assert second.next() is None
    hub.get(f"/api/models/{repo}/likers?cursor=nonsense").error(400, None, "cursor")
    hub.get(f"/api/models/{repo}/likers?limit=x").error(400, None, "limit")


def test_the_trending_score_follows_from_likes(hub, repo):
    hub.post(f"/api/models/{repo}/like", "bob").expect(200)
    # Counted by a job, at the start of the hub and every hour.
    hub.stop()
    hub.start()
    for _ in range(100):
        score = hub.get(f"/api/models/{repo}?expand=trendingScore").json()["trendingScore"]
        if score:
            break
        time.sleep(0.1)
    assert score == 40
    assert hub.get("/api/models?sort=trendingScore").json()[0]["likes"] >= 1


# ---------------------------------------------------------------- follows


def test_follows(hub, api, bob):
    for path in ("/api/users/Alice/follow", "/api/organizations/acme/follow", "/api/users/alice/follow"):
        hub.post(path, "root").expect(200)
    assert [u.username for u in api.list_user_followers("alice")] == ["root"]
    assert [u.username for u in api.list_organization_followers("acme")] == ["root"]
    assert [(u.username, u.user_type) for u in api.list_user_following("root")] == [("acme", "org"), ("alice", "user")]
    hub.request("DELETE", "/api/users/alice/follow", "root").expect(200)
    assert list(api.list_user_followers("alice")) == []
    hub.post("/api/users/root/follow", "root").error(400, None, "yourself")
    hub.post("/api/users/acme/follow", "root").error(404, None, "no such user")
    hub.post("/api/organizations/alice/follow", "root").error(404, None, "no such organization")
    hub.post("/api/users/a%20b/follow", "root").error(404, None)
    for path in ("/api/users/nobody/followers", "/api/users/acme/following", "/api/organizations/x/followers", "/api/users/nobody/likes"):
        hub.get(path).error(404, None)


# ---------------------------------------------------------------- collections


def test_a_collection_from_its_making_to_its_end(hub, api, bob, title):
    made = api.create_collection(title, description="Contains a lot")
    assert made.slug.startswith(f"alice/my-cool-stuff-") and made.title == title and made.description == "Contains a lot"
    assert made.url == f"{hub.url}/collections/{made.slug}" and made.owner["name"] == "alice"
    assert api.create_collection(title, exists_ok=True).slug == made.slug
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_collection(title)
    changed = api.update_collection_metadata(made.slug, title="Other " + title, private=True, theme="pink", position=0)
    assert changed.slug != made.slug and changed.slug[-24:] == made.slug[-24:] and changed.theme == "pink"
    assert api.get_collection(made.slug).slug == changed.slug
    with pytest.raises(HfHubHTTPError, match="404"):
        bob.get_collection(made.slug)
    api.update_collection_metadata(made.slug, private=False)
    assert bob.get_collection(made.slug).private is False
    with pytest.raises(HfHubHTTPError, match="403"):
        bob.update_collection_metadata(made.slug, title="mine now")
    api.update_collection_resource_group(made.slug, None)
    with pytest.raises(HfHubHTTPError, match="501"):
        api.update_collection_resource_group(made.slug, "66980ecfc1e12a49c8f0e42d")
    api.delete_collection(made.slug)
    with pytest.raises(HfHubHTTPError, match="404"):
        api.delete_collection(made.slug)
    api.delete_collection(made.slug, missing_ok=True)


def test_items_of_every_kind(hub, api, bob, title):
    for kind in ("model", "dataset", "space", "kernel"):
        hub.create(f"alice/item-{kind}", "alice", kind=kind).expect(200)
    hub.create("alice/item-private", "alice", visibility="private").expect(200)
    slug = api.create_collection(title).slug
    nested = api.create_collection("nested in " + title).slug
    for kind in ("model", "dataset", "space"):
        api.add_collection_item(slug, f"alice/item-{kind}", kind, note=f"the {kind}, *mine*")
    api.add_collection_item(slug, "datasets/alice/item-dataset", "dataset", exists_ok=True)
    api.add_collection_item(slug, "2311.12983", "paper")
    api.add_collection_item(slug, nested, "collection")
    api.add_collection_item(slug, "alice/item-private", "model")
    api.add_collection_item(slug, "alice/item-kernel", "kernel")
    items = api.get_collection(slug).items
    assert [(i.item_type, i.item_id) for i in items] == [
        ("model", "alice/item-model"), ("dataset", "alice/item-dataset"), ("space", "alice/item-space"), ("paper", "2311.12983"),
        ("collection", nested), ("model", "alice/item-private"), ("kernel", "alice/item-kernel")]
    assert items[0].note == "the model, *mine*" and items[3].note is None
    raw = hub.get(f"/api/collections/{slug}").json()
    assert raw["items"][0]["note"]["html"].strip() == "<p>the model, <em>mine</em></p>"
    assert "alice/item-private" not in [i["id"] for i in raw["items"]]
    api.update_collection_item(slug, items[0].item_object_id, note="<script>alert(1)</script>", position=1)
    api.delete_collection_item(slug, items[3].item_object_id)
    api.delete_collection_item(slug, items[3].item_object_id, missing_ok=True)
    now = api.get_collection(slug)
    assert [i.item_id for i in now.items][:3] == ["alice/item-dataset", "alice/item-model", "alice/item-space"]
    assert "<script" not in hub.get(f"/api/collections/{slug}").json()["items"][1]["note"]["html"]
    api.delete_repo("alice/item-model")
    assert "alice/item-model" not in [i.item_id for i in api.get_collection(slug).items]
    for kind, item in (("dataset", "alice/item-model"), ("model", "alice/none"), ("paper", "no paper"), ("collection", "x/y")):
        with pytest.raises(HfHubHTTPError, match="404"):
            api.add_collection_item(slug, item, kind)
    with pytest.raises(HfHubHTTPError, match="item.type"):
        api.add_collection_item(slug, "alice/item-model", "bucket-of-bricks")


def test_listing_collections(hub, api, title):
    hub.create(f"alice/wanted-{len(title)}", "alice").expect(200, 409)
    wanted = f"alice/wanted-{len(title)}"
    slugs = [api.create_collection(f"{title} list {i}", namespace="alice").slug for i in range(5)]
    for slug in slugs[:3]:
        api.add_collection_item(slug, wanted, "model")
    with_it = list(api.list_collections(item=f"models/{wanted}", limit=2))
    assert [c.slug for c in with_it] == [slugs[2], slugs[1]] and with_it[0].position == 0 and with_it[1].position == 1
    assert {c.slug for c in api.list_collections(owner=["alice", "bob"])} >= set(slugs)
    assert list(api.list_collections(owner="nobody")) == []
    hub.post(f"/api/collections/{slugs[4]}/upvote", "bob").expect(200)
    assert next(iter(api.list_collections(sort="upvotes"))).slug == slugs[4]
    found = hub.get(f"/api/collections?q={title.replace(' ', '+')}+list&limit=2").expect(200)
    seen = [c["slug"] for c in found.json()]
    while found.next():
        found = hub.get(found.next()).expect(200)
        seen += [c["slug"] for c in found.json()]
    assert sorted(seen) == sorted(slugs)
    hub.get("/api/collections?sort=size").error(400, None, "sort")
    hub.get("/api/collections?item=x").error(400, None, "item")


def test_bad_bodies_name_the_field(hub, api, title):
    slug = api.create_collection(title).slug
    for body, word in (({}, "title"), ({"title": ""}, "title"), ({"title": "x" * 101}, "title"), ({"title": "a\nb"}, "title"),
                       ({"title": "a", "namespace": "a b"}, "namespace"), ({"title": "a", "description": "x" * 151}, "description"),
                       ({"title": "a", "resourceGroupId": "x"}, "resourceGroupId")):
        hub.post("/api/collections", "alice", json=body).error(400, None, word)
    hub.request("PATCH", f"/api/collections/{slug}", "alice", json={"theme": "mauve"}).error(400, None, "theme")
    hub.request("PATCH", f"/api/collections/{slug}", "alice", json={"position": -1}).error(400, None)
    hub.post(f"/api/collections/{slug}/items", "alice", json={"item": {"id": "2311.12983", "type": "paper"}, "note": "x" * 501}).error(400, None, "note")
    for path in ("alice/x", "alice/%00", "alice/..%2f..", f"alice/{'Z' * 24}"):
        hub.get(f"/api/collections/{path}", "alice").expect(404)


def test_collections_of_javascript(hub, title):
    script = """
    import * as hub from "@huggingface/hub";
    const [hubUrl, accessToken, title] = process.argv.slice(1);
    const made = await hub.createCollection({ hubUrl, accessToken, collection: { title, namespace: "alice", description: "d" } });
    // As its other functions ask, which this version does not export.
    async function call(path, method, body) {
      const answer = await fetch(`${hubUrl}/api/collections/${made.slug}${path}`, { method, body: body && JSON.stringify(body),
        headers: { Authorization: `Bearer ${accessToken}`, "Content-Type": "application/json" } });
      if (!answer.ok) throw new Error(await answer.text());
      return answer.json();
    }
    await call("/items", "POST", { item: { type: "paper", id: "2311.12983" }, note: "n" });
    const info = await call("", "GET");
    await call(`/items/${info.items[0]._id}`, "DELETE");
    const listed = [];
    for await (const one of hub.listCollections({ hubUrl, accessToken, search: { owner: ["alice"], q: title }, limit: 3 })) listed.push(one.slug);
    await hub.deleteCollection({ hubUrl, accessToken, slug: made.slug });
    console.log(JSON.stringify({ made, info, listed }));
    """
    folder = hubs.javascript()
    run = ["node", "--input-type=module", "-e", script, "--", hub.url, hub.tokens["alice"], title]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["listed"] == [told["made"]["slug"]]
    assert told["info"]["items"][0]["type"] == "paper" and told["info"]["items"][0]["note"]["text"] == "n"
    assert told["info"]["owner"]["name"] == "alice"
