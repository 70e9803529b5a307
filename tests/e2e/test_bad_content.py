"""Hostile xorbs, shards and tokens: refused, with nothing of them to be seen afterwards.

Bodies are built by xet.py, which is written from the protocol's description and shares nothing with the hub.
"""

import base64
import hashlib
import random
import struct
import time

import lz4.block
import pytest
import wire
import xet

chance = random.Random(20)


def data(size: int = 200_000) -> bytes:
    return chance.randbytes(size)


class Cas:
    """The store's routes as one token sees them."""

    def __init__(self, hub, repo, who="alice", kind="write"):
        answer = hub.get(f"/api/models/{repo}/xet-{kind}-token/main", who).expect(200)
        self.hub, self.repo = hub, repo
        self.url, self.token = answer.json()["casUrl"], answer.json()["accessToken"]

    def request(self, method, path, **kwargs):
        kwargs.setdefault("token", self.token)
        return wire.request(method, self.url + path, **kwargs)

    def put(self, xorb: xet.Xorb, body: bytes | None = None, name: str | None = None):
        body = xorb.body() if body is None else body
        return self.request("POST", f"/v1/xorbs/default/{name or xorb.name}", body=body)

    def has(self, name: str) -> bool:
        return self.request("HEAD", f"/v1/xorbs/default/{name}").status == 200

    def shard(self, body: bytes, version: int = 1):
        return self.request("POST", f"/v{version}/shards", body=body)

    def refuses(self, body: bytes, *files: xet.File):
        """Refused by both routes, and none of the files exists."""
        for version in (1, 2):
            answer = self.shard(body, version)
            if version == 2 and answer.status == 200:
                last = answer.text.strip().splitlines()[-1]
                assert '"error"' in last and '"retryable":false' in last.replace(" ", ""), answer
            else:
                answer.expect(400, 413, 422)
        for f in files:
            assert self.request("GET", f"/v1/reconstructions/{xet.text(f.hash)}").status == 404
            if f.sha256:
                answer = self.hub.commit(self.repo, "alice", wire.lfs_file("x.bin", f.sha256.hex()))
                assert 400 <= answer.status < 500, f"a commit took a file that was refused: {answer}"


@pytest.fixture
def cas(hub, repo):
    return Cas(hub, repo)


def stored(cas, size=300_000, scheme=xet.STORED) -> xet.Xorb:
    xorb = xet.Xorb(xet.split(data(size)), scheme)
    cas.put(xorb).expect(200)
    return xorb


# ---------------------------------------------------------------- what is right must pass, or the rest proves nothing


@pytest.mark.parametrize("scheme", [xet.STORED, xet.LZ4, xet.BG4])
@pytest.mark.parametrize("version", [1, 2])
def test_good_content_is_taken(cas, hub, scheme, version):
    content = (b"compressible " * 10_000 + data(100_000))[: 190_001]
    xorb = xet.Xorb(xet.split(content), scheme)
    assert cas.put(xorb).expect(200).json()["was_inserted"] is True
    assert cas.put(xorb).expect(200).json()["was_inserted"] is False
    answer = cas.shard(xet.shard([xet.File.whole(xorb)], [xorb]), version).expect(200)
    assert ('"result"' in answer.text), answer
    oid = hashlib.sha256(content).hexdigest()
    hub.commit(cas.repo, "alice", wire.lfs_file(f"{scheme}{version}.bin", oid, len(content))).expect(200)
    assert hub.get(f"/{cas.repo}/resolve/main/{scheme}{version}.bin").expect(200).body == content
    # The same bytes by the reconstruction's own route.
    plan = cas.request("GET", f"/v2/reconstructions/{xet.text(xet.File.whole(xorb).hash)}", headers={"Range": "bytes=0-1000"}).expect(200).json()
    (url,) = {d["url"] for ds in plan["xorbs"].values() for d in ds}
    part = plan["xorbs"][xorb.name][0]["ranges"][0]["bytes"]
    frames = wire.get(url, headers={"Range": f"bytes={part['start']}-{part['end']}"}).expect(206)
    assert len(frames.body) == part["end"] - part["start"] + 1
    # Outside of what was signed is nothing to be had.
    wire.get(url, headers={"Range": f"bytes={part['end'] + 1}-{part['end'] + 10}"}).expect(403, 416)


def test_files_may_share_xorbs_and_leave_some_out(cas, hub):
    a, b = stored(cas), stored(cas)
    f = xet.File.of((a, 1, 3), (b, 0, 2), (a, 0, 1), (a, 1, 3))
    cas.shard(xet.shard([f], [a, b])).expect(200)
    content = b"".join([*a.chunks[1:3], *b.chunks[0:2], a.chunks[0], *a.chunks[1:3]])
    hub.commit(cas.repo, "alice", wire.lfs_file("mixed.bin", f.sha256.hex(), len(content))).expect(200)
    assert hub.get(f"/{cas.repo}/resolve/main/mixed.bin").body == content


# ---------------------------------------------------------------- xorbs


def bad_xorbs():
    chunks = xet.split(data(150_000))
    good = xet.Xorb(chunks)
    frames = [xet.frame_of(c) for c in chunks]
    body = good.body()
    packed = lz4.block.compress(b"A" * 131072, store_size=False)
    text = (b"words words words " * 8000)[:100_000]
    lz4_good = xet.Xorb([text], xet.LZ4)
    cases = {
        "empty": (good.name, b""),
        "another name": (xet.Xorb([b"x"]).name, body),
        "chunks in another order": (good.name, frames[1] + frames[0] + frames[2]),
        "one chunk less": (good.name, b"".join(frames[:-1])),
        "one chunk twice": (good.name, b"".join([*frames, frames[-1]])),
        "one bit off": (good.name, body[:5000] + bytes([body[5000] ^ 1]) + body[5001:]),
        "a byte after the end": (good.name, body + b"\0"),
        "half a header after the end": (good.name, body + b"\0\0\0"),
        "cut in a payload": (good.name, body[:-1]),
        "cut in a header": (good.name, body[:4]),
        "version 1": (good.name, xet.frame(chunks[0], len(chunks[0]), version=1) + b"".join(frames[1:])),
        "scheme 3": (good.name, xet.frame(chunks[0], len(chunks[0]), 3) + b"".join(frames[1:])),
        "scheme 255": (good.name, xet.frame(chunks[0], len(chunks[0]), 255) + b"".join(frames[1:])),
        "raw length one more": (good.name, xet.frame(chunks[0], len(chunks[0]) + 1) + b"".join(frames[1:])),
        "raw length one less": (good.name, xet.frame(chunks[0], len(chunks[0]) - 1) + b"".join(frames[1:])),
        "raw length zero": (good.name, xet.frame(b"", 0) + body),
        "LZ4 with one more promised": (lz4_good.name, xet.frame(xet.frame_of(text, xet.LZ4)[8:], len(text) + 1, xet.LZ4)),
        "LZ4 with one less promised": (lz4_good.name, xet.frame(xet.frame_of(text, xet.LZ4)[8:], len(text) - 1, xet.LZ4)),
        "LZ4 cut": (lz4_good.name, xet.frame(xet.frame_of(text, xet.LZ4)[8:-9], len(text), xet.LZ4)),
        "LZ4 without its magic": (lz4_good.name, xet.frame(packed, len(text), xet.LZ4)),
        "LZ4 garbage": (lz4_good.name, xet.frame(b"\x04\x22\x4d\x18" + data(200), len(text), xet.LZ4)),
        "a chunk of 131073 bytes": (xet.Xorb([b"y" * 131073]).name, xet.frame(b"y" * 131073, 131073)),
        "a bomb": (lz4_good.name, xet.frame(xet.frame_of(bytes(16_000_000), xet.LZ4)[8:][:262_000], len(text), xet.LZ4)),
        "8193 chunks": ((many := xet.Xorb([struct.pack("<I", i) for i in range(8193)])).name, many.body()),
    }
    return cases


BAD_XORBS = bad_xorbs()


@pytest.mark.parametrize("case", BAD_XORBS)
def test_bad_xorbs_are_refused(cas, case):
    name, body = BAD_XORBS[case]
    cas.request("POST", f"/v1/xorbs/default/{name}", body=body).expect(400, 413)
    assert not cas.has(name)


@pytest.mark.parametrize("name", ["", "x", "0" * 63, "0" * 65, "g" * 64, "../" + "0" * 61, "%00" * 20])
def test_bad_names_are_refused(cas, name):
    cas.request("POST", f"/v1/xorbs/default/{name}", body=xet.Xorb([b"abc"]).body()).expect(400, 404, 405)


def test_a_xorb_beyond_the_limit_is_refused(cas):
    """More than 64 MiB of content. The refusal comes without reading on for ever."""
    chunks = [bytes([i % 256]) * 131072 for i in range(513)]
    xorb = xet.Xorb(chunks)
    cas.put(xorb).expect(400, 413)
    assert not cas.has(xorb.name)


def test_a_body_cut_in_the_middle_leaves_nothing(cas, hub):
    xorb = xet.Xorb(xet.split(data(1_000_000)))
    body = xorb.body()
    for part in (0, 10, len(body) // 2, len(body) - 1):
        said = wire.cut(f"{cas.url}/v1/xorbs/default/{xorb.name}", "POST", {"Authorization": f"Bearer {cas.token}"},
                        body[:part], len(body))
        assert not said.startswith(b"HTTP/1.1 2")
    assert not cas.has(xorb.name) and hub.alive()
    cas.put(xorb).expect(200)


def test_an_old_client_may_append_a_footer(cas):
    xorb = xet.Xorb(xet.split(data(150_000)))
    cas.put(xorb, xorb.body() + b"XETBLOB\x01" + bytes(100)).expect(200)


# ---------------------------------------------------------------- shards


def test_a_shard_of_a_missing_xorb_is_refused(cas):
    xorb = xet.Xorb(xet.split(data()))
    cas.refuses(xet.shard([xet.File.whole(xorb)], [xorb]), xet.File.whole(xorb))


def damaged(xorb: xet.Xorb) -> dict:
    """Shards that are wrong in one place each; the xorb is stored."""
    good = xet.File.whole(xorb)
    n = len(xorb.nodes)

    def changed(**term) -> xet.File:
        f = xet.File.whole(xorb)
        for key, value in term.items():
            setattr(f.terms[0], key, value)
        return f

    other = xet.Xorb([b"other"])
    return {
        "another file hash": ([xet.File(xet.chunk_hash(b"x"), good.terms, good.sha256)], [xorb]),
        "another proof": ([changed(proof=xet.range_hash([h for h, _ in other.nodes]))], [xorb]),
        "no proof": ([changed(proof=bytes(32))], [xorb]),
        "one chunk more than there are": ([changed(end=n + 1)], [xorb]),
        "chunks far beyond": ([changed(start=2**31, end=2**32 - 1)], [xorb]),
        "chunks backwards": ([changed(start=n, end=0)], [xorb]),
        "no chunks": ([changed(end=0, raw_bytes=0)], [xorb]),
        "another length": ([changed(raw_bytes=good.terms[0].raw_bytes + 1)], [xorb]),
        "a length of nothing": ([changed(raw_bytes=0)], [xorb]),
        "without verification": ([xet.file_entry(good, xet.METADATA)], [xorb]),
        "verification for some": ([good, xet.file_entry(xet.File.of((xorb, 0, 1)), 0)], [xorb]),
        "no terms for a hash": ([xet.file_entry(xet.File(good.hash, [], good.sha256))], [xorb]),
    }


DAMAGED = list(damaged(xet.Xorb(xet.split(data(150_000)))))


@pytest.mark.parametrize("case", DAMAGED)
def test_wrong_files_are_refused(cas, case):
    xorb = stored(cas)
    files, xorbs = damaged(xorb)[case]
    hashes = [f for f in files if isinstance(f, xet.File)]
    cas.refuses(xet.shard(files, xorbs), *[f for f in hashes if f.terms])


def test_a_wrong_sha256_is_a_claim_that_fails(cas, hub):
    """The client says which sha256 a file has; the hub believes the bytes. A commit may come before the bytes were
    read again; once they were, nothing is served under the false name."""
    xorb = stored(cas)
    f = xet.File.whole(xorb)
    lie = hashlib.sha256(b"something else").digest()
    cas.shard(xet.shard([xet.File(f.hash, f.terms, lie)], [xorb])).expect(200, 400)
    hub.commit(cas.repo, "alice", wire.lfs_file("lie.bin", lie.hex(), xorb.raw_len))
    deadline = time.monotonic() + 20
    while (answer := hub.get(f"/{cas.repo}/resolve/main/lie.bin")).status == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert 400 <= answer.status < 500, f"bytes are served under a sha256 that is not theirs: {answer}"
    answer = hub.commit(cas.repo, "alice", wire.lfs_file("again.bin", lie.hex(), xorb.raw_len))
    assert 400 <= answer.status < 500, f"the hub took a sha256 that it knows to be false: {answer}"
    # The truth, said by somebody else, still works.
    cas.shard(xet.shard([f], [xorb])).expect(200)
    hub.commit(cas.repo, "alice", wire.lfs_file("truth.bin", f.sha256.hex(), xorb.raw_len)).expect(200)
    assert hub.get(f"/{cas.repo}/resolve/main/truth.bin").body == b"".join(xorb.chunks)


def test_a_false_claim_does_not_spoil_another_repository(cas, hub):
    """Mallory claims alice's coming sha256 for bytes of his own. Alice's file is hers."""
    hub.create("bob/lies", "bob").expect(200)
    mallory = Cas(hub, "bob/lies", "bob")
    evil = stored(mallory)
    truth = xet.Xorb(xet.split(data()))
    sha = hashlib.sha256(b"".join(truth.chunks)).digest()
    f = xet.File.whole(evil)
    mallory.shard(xet.shard([xet.File(f.hash, f.terms, sha)], [evil]))
    cas.put(truth).expect(200)
    cas.shard(xet.shard([xet.File.whole(truth)], [truth])).expect(200)
    hub.commit(cas.repo, "alice", wire.lfs_file("mine.bin", sha.hex(), truth.raw_len)).expect(200)
    assert hub.get(f"/{cas.repo}/resolve/main/mine.bin").body == b"".join(truth.chunks)


def structures():
    xorb = xet.Xorb(xet.split(data(150_000)))
    f = xet.File.whole(xorb)
    good = xet.shard([f], [xorb])
    return {
        "empty": b"",
        "another tag": xet.shard([f], [xorb], tag=b"x" * 32),
        "version 1": xet.shard([f], [xorb], version=1),
        "version 3": xet.shard([f], [xorb], version=3),
        "a footer of 7 bytes": xet.shard([f], [xorb], footer=7),
        "a footer beyond all": xet.shard([f], [xorb], footer=2**64 - 1),
        "only a header": good[:48],
        "cut in the files": good[:100],
        "cut in the xorbs": good[:-60],
        "without the last bookend": good[:-48],
        "four thousand million terms": xet.shard([xet.file_entry(f, count=2**32 - 1)], [xorb]),
        "four thousand million chunks": xet.shard([f], [xet.xorb_entry(xorb, count=2**32 - 1)]),
        "rubbish": data(5_000),
        "rubbish behind a header": good[:48] + data(5_000),
    }


STRUCTURES = structures()


@pytest.mark.parametrize("case", STRUCTURES)
def test_malformed_shards_are_refused(cas, case, hub):
    cas.refuses(STRUCTURES[case])
    assert hub.alive()


def test_a_shard_may_not_lie_about_a_stored_xorb(cas):
    """Its own table of a stored xorb says something else: either it is refused or the stored one counts."""
    xorb = stored(cas)
    lie = xet.Xorb(xet.split(data(150_000)))
    lie.hash = xorb.hash
    nodes = lie.nodes
    f = xet.File(xet.file_hash(nodes), [xet.Term(xorb.hash, lie.raw_len, 0, len(nodes), xet.range_hash([h for h, _ in nodes]))],
                 hashlib.sha256(b"".join(lie.chunks)).digest())
    cas.refuses(xet.shard([f], [lie]), f)


def test_a_shard_beyond_the_limit_is_refused(cas, hub):
    answer = cas.request("POST", "/v1/shards", body=(bytes(1 << 20) for _ in range(300)), timeout=120)
    answer.expect(400, 413)
    assert hub.alive()


# ---------------------------------------------------------------- tokens of the store


def test_tokens_of_the_store(cas, hub):
    xorb = stored(cas)
    f = xet.File.whole(xorb)
    cas.shard(xet.shard([f], [xorb])).expect(200)
    path = f"/v1/reconstructions/{xet.text(f.hash)}"
    cas.request("GET", path).expect(200)
    for token in (None, "x", hub.tokens["alice"], cas.token + "x", cas.token[:-2], "." + cas.token):
        cas.request("GET", path, token=token).expect(401)
        cas.request("POST", f"/v1/xorbs/default/{xorb.name}", token=token, body=xorb.body()).expect(401)
        cas.request("POST", "/v1/shards", token=token, body=b"").expect(401)


def test_a_changed_token_is_no_token(cas):
    """Each character of the token counts: one that was altered anywhere opens nothing."""
    for at in chance.sample(range(len(cas.token)), min(24, len(cas.token))):
        other = "A" if cas.token[at] != "A" else "B"
        token = cas.token[:at] + other + cas.token[at + 1 :]
        # The last character of unpadded base64 may carry bits that mean nothing.
        if same_bytes(token, cas.token):
            continue
        cas.request("GET", f"/v1/reconstructions/{xet.ZERO}", token=token).expect(401)


def same_bytes(a: str, b: str) -> bool:
    def parts(t):
        return [base64.urlsafe_b64decode(p + "=" * (-len(p) % 4)) for p in t.split(".")]

    try:
        return parts(a) == parts(b)
    except ValueError:
        return False


def test_a_read_token_does_not_write(hub, cas):
    reader = Cas(hub, cas.repo, kind="read")
    xorb = xet.Xorb(xet.split(data()))
    reader.put(xorb).expect(403)
    reader.shard(xet.shard([], [xorb])).expect(403)
    reader.shard(xet.shard([], [xorb]), 2).expect(403)
    assert not cas.has(xorb.name)


def test_a_token_reads_its_repository_only(hub, cas):
    """Knowing a file's hash is not a right to read it."""
    hub.create("bob/private", "bob", visibility="private").expect(200)
    bobs = Cas(hub, "bob/private", "bob")
    xorb = stored(bobs)
    f = xet.File.whole(xorb)
    bobs.shard(xet.shard([f], [xorb])).expect(200)
    name = xet.text(f.hash)
    for path in (f"/v1/reconstructions/{name}", f"/v2/reconstructions/{name}"):
        assert cas.request("GET", path).status == 404
    assert cas.request("HEAD", f"/v1/files/{name}").status == 404
    # Nor may alice's commit name bob's bytes by their sha256.
    answer = hub.commit(cas.repo, "alice", wire.lfs_file("stolen.bin", f.sha256.hex(), xorb.raw_len))
    assert 400 <= answer.status < 500, f"alice committed bob's private file: {answer}"


def test_another_store_id_is_not_here(cas):
    """The address of the store carries its identity, so that clients drop what they remember of another."""
    base, _, _ = cas.url.rpartition("/xet/")
    if base:
        wire.get(f"{base}/xet/00000000-0/none/v1/reconstructions/{xet.ZERO}", token=cas.token).expect(401, 404)


def test_fetch_addresses_are_signed(cas):
    xorb = stored(cas)
    f = xet.File.whole(xorb)
    cas.shard(xet.shard([f], [xorb])).expect(200)
    plan = cas.request("GET", f"/v1/reconstructions/{xet.text(f.hash)}").expect(200).json()
    info = plan["fetch_info"][xorb.name][0]
    url, part = info["url"], info["url_range"]
    whole = {"Range": f"bytes={part['start']}-{part['end']}"}
    assert wire.get(url, headers=whole).expect(206).body
    query_at = url.index("?") if "?" in url else len(url) - 40
    for at in chance.sample(range(query_at, len(url)), 12):
        if url[at] in "&=?":
            continue
        forged = url[:at] + ("0" if url[at] != "0" else "1") + url[at + 1 :]
        assert wire.get(forged, headers=whole).status in (400, 403, 404, 416), f"forged at {at}: {url[query_at:]}"
    # Without a range, or beyond it, not more than was signed.
    bare = wire.get(url)
    assert bare.status in (200, 206, 403, 416) and len(bare.body) <= part["end"] - part["start"] + 1


def test_unknown_routes_of_the_store_are_404(cas):
    """Clients take 404 as "not offered"; any other answer ends their upload."""
    name = xet.Xorb([b"abc"]).name
    body = {"length": 11, "checksum": {"algo": "crc64nvme", "value": "1"}}
    cas.request("POST", f"/v1/xorb-grants/default/{name}", json=body).expect(404, 200, 201)
    cas.request("GET", "/v9/nothing").expect(404)
    cas.request("GET", f"/v1/chunks/default/{name}").expect(404)
    cas.request("GET", f"/v1/chunks/default-merkledb/{name}").expect(404)
    cas.request("GET", "/v1/chunks/default/xyz").expect(400, 404)
    cas.request("GET", f"/v2/reconstructions/{'1' * 64}").expect(404)


# ---------------------------------------------------------------- LFS


def batch(hub, repo, oid, size, who="alice"):
    body = {"operation": "upload", "transfers": ["basic"], "hash_algo": "sha256", "objects": [{"oid": oid, "size": size}]}
    return hub.post(f"/{repo}.git/info/lfs/objects/batch", who, json=body,
                    headers={"Content-Type": "application/vnd.git-lfs+json", "Accept": "application/vnd.git-lfs+json"})


def test_lfs_checks_what_it_gets(hub, lfs, repo):
    content = data(50_000)
    oid = hashlib.sha256(content).hexdigest()
    action = batch(hub, repo, oid, len(content)).expect(200).json()["objects"][0]["actions"]["upload"]
    headers = action.get("header") or {}
    for wrong in (content[:-1], content + b"x", data(50_000), b""):
        wire.request("PUT", action["href"], body=wrong, headers=headers).expect(400, 409, 413, 422)
        answer = hub.commit(repo, "alice", wire.lfs_file("x.bin", oid, len(content)))
        assert 400 <= answer.status < 500
    wire.request("PUT", action["href"][:-1] + ("0" if action["href"][-1] != "0" else "1"), body=content, headers=headers).expect(400, 401, 403, 404)
    wire.request("PUT", action["href"], body=content, headers=headers).expect(200, 201)
    hub.commit(repo, "alice", wire.lfs_file("x.bin", oid, len(content))).expect(200)
    assert hub.get(f"/{repo}/resolve/main/x.bin").body == content
    assert "actions" not in batch(hub, repo, oid, len(content)).json()["objects"][0], "stored already: nothing to do"


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b'{"operation":"upload"}', b'{"operation":"steal","objects":[]}',
    b'{"operation":"upload","objects":[{"oid":"xyz","size":1}]}', b'{"operation":"upload","objects":[{"oid":"' + b"0" * 64 + b'","size":-1}]}',
    b'{"operation":"upload","hash_algo":"md5","objects":[{"oid":"' + b"0" * 64 + b'","size":1}]}',
])
def test_malformed_lfs_batches(hub, lfs, repo, body):
    answer = hub.post(f"/{repo}.git/info/lfs/objects/batch", "alice", body=body, headers={"Content-Type": "application/vnd.git-lfs+json"})
    assert 400 <= answer.status < 500 or all("error" in o for o in answer.json()["objects"]), answer
