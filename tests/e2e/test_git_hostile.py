"""What a push may bring that nobody means well with: counts, chains, cycles, depths, dates, names. Refused, or taken whole."""

import struct
import zlib

import pytest
from test_git import BLOB, commit_of, oid_of, pack_of, packets_of_push, person, raw_push, tree_of, whole
from test_git_rules import ONE, ZERO

EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def ref_delta(base: str, delta: bytes):
    return 7, len(delta), bytes.fromhex(base), zlib.compress(delta)


def varint(n: int) -> bytes:
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def delta_to(base: bytes, new: bytes) -> bytes:
    """New bytes only."""
    pieces = b"".join(bytes([len(new[i:i + 127])]) + new[i:i + 127] for i in range(0, len(new), 127))
    return varint(len(base)) + varint(len(new)) + pieces


def push(hub, repo, *entries, tip: str, name="refs/heads/x", old=ZERO, pack=None) -> str:
    return raw_push(hub, repo, packets_of_push((old, tip, name), pack=pack or pack_of(*entries)))


def one_file(blob: bytes, mode="100644"):
    tree = tree_of((mode, "x", oid_of("blob", blob)))
    raw = commit_of(oid_of("tree", tree))
    return [whole("tree", tree), whole("commit", raw)], oid_of("commit", raw)


def alive(hub, repo):
    """It goes on as if nothing had been."""
    assert [b["name"] for b in hub.get(f"/api/models/{repo}/refs", "alice").expect(200).json()["branches"]] == ["main"]
    assert hub.alive()


def test_counts_that_are_not_true(hub, repo):
    entries, tip = one_file(b"x")
    pack = pack_of(whole("blob", b"x"), *entries)
    for count in (0, 2, 4, 1000, 999_999):
        import hashlib

        body = pack[:8] + struct.pack(">I", count) + pack[12:-20]
        said = push(hub, repo, tip=tip, pack=body + hashlib.sha1(body).digest())
        assert "ng refs/heads/x" in said, (count, said)
    alive(hub, repo)
    assert "ok refs/heads/x" in push(hub, repo, tip=tip, pack=pack)


def test_the_same_object_many_times(hub, repo):
    """Whole twice, and once more as a delta: one object."""
    entries, tip = one_file(b"hello")
    base = b"another"
    again = ref_delta(oid_of("blob", base), delta_to(base, b"hello"))
    said = push(hub, repo, whole("blob", b"hello"), whole("blob", base), again, whole("blob", b"hello"), *entries, *entries, tip=tip)
    assert "ok refs/heads/x" in said, said
    assert hub.get(f"/{repo}/resolve/x/x").expect(200).body == b"hello"


def test_chains_of_deltas(hub, repo):
    def chain(depth):
        entries, raw = [whole("blob", b"0")], b"0"
        for i in range(1, depth + 1):
            new = str(i).encode()
            entries.append(ref_delta(oid_of("blob", raw), delta_to(raw, new)))
            raw = new
        return entries, raw

    entries, last = chain(4095)
    more, tip = one_file(last)
    # The worst order: each before what it builds upon.
    assert "ok refs/heads/x" in push(hub, repo, *reversed(entries), *more, tip=tip)
    for depth in (4096, 20_000):
        entries, last = chain(depth)
        more, tip = one_file(last)
        said = push(hub, repo, *entries, *more, tip=tip, name="refs/heads/y")
        assert "more than 4095 deep" in said, said


def test_deltas_that_build_upon_each_other(hub, repo):
    names = [str(i).encode() for i in range(1000)]
    ring = [ref_delta(oid_of("blob", names[i - 1]), delta_to(names[i - 1], names[i])) for i in range(1000)]
    _, tip = one_file(names[5])
    assert "1000 unresolved deltas" in push(hub, repo, *ring, tip=tip)
    itself = ref_delta(BLOB, delta_to(b"x", b"x"))
    assert "unresolved deltas" in push(hub, repo, itself, tip=tip)
    alive(hub, repo)


def test_a_delta_that_copies_itself_large(hub, repo):
    """A kilobyte that copies 64 KiB again and again: what it would make is looked at first."""
    base = bytes(65_536)
    copies = b"\x80" * 1000
    bomb = varint(len(base)) + varint(len(base) * 1000) + copies
    _, tip = one_file(b"x")
    said = push(hub, repo, whole("blob", base), ref_delta(oid_of("blob", base), bomb), tip=tip)
    assert "ng refs/heads/x" in said, said
    # Within the limit of a file it is one.
    fine = varint(len(base)) + varint(len(base) * 100) + b"\x80" * 100
    made = bytes(6_553_600)
    entries, tip = one_file(made)
    assert "ok refs/heads/x" in push(hub, repo, whole("blob", base), ref_delta(oid_of("blob", base), fine), *entries, tip=tip)
    # Many of them make a gigabyte of a few kilobytes.
    many = [ref_delta(oid_of("blob", base), varint(len(base)) + varint(len(base) * 100 + i) + b"\x80" * 100 + bytes([i]) + bytes(i)) for i in range(1, 48)]
    said = push(hub, repo, whole("blob", base), *many, *entries, tip=tip, name="refs/heads/y")
    assert "inflates to far more than its size" in said, said


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, (10 << 20) - 1, 10 << 20])
def test_sizes_at_the_edges(hub, repo, size):
    blob = bytes(i * 7 & 0xFF for i in range(256)) * (size // 256 + 1)
    blob = blob[:size]
    entries, tip = one_file(blob)
    assert "ok refs/heads/x" in push(hub, repo, whole("blob", blob), *entries, tip=tip)
    assert hub.get(f"/{repo}/resolve/x/x").expect(200).body == blob


def test_folders_in_folders(hub, repo):
    def nest(depth):
        raw, kind, entries = b"x", "blob", [whole("blob", b"x")]
        for _ in range(depth):
            raw = tree_of(("100644" if kind == "blob" else "40000", "d", oid_of(kind, raw)))
            kind = "tree"
            entries.append(whole("tree", raw))
        commit = commit_of(oid_of("tree", raw))
        return [*entries, whole("commit", commit)], oid_of("commit", commit)

    entries, tip = nest(10_000)
    assert "more than 2048 deep" in push(hub, repo, *entries, tip=tip)
    alive(hub, repo)
    entries, tip = nest(600)
    assert "ok refs/heads/x" in push(hub, repo, *entries, tip=tip)
    hub.get(f"/api/models/{repo}/tree/x?recursive=true", "alice").expect(200)


def test_a_folder_of_a_hundred_thousand(hub, repo, tmp_path):
    tree = tree_of(*(("100644", f"f{i:06}", BLOB) for i in range(100_000)))
    commit = commit_of(oid_of("tree", tree))
    said = push(hub, repo, whole("blob", b"x"), whole("tree", tree), whole("commit", commit), tip=oid_of("commit", commit))
    assert "ok refs/heads/x" in said, said
    assert hub.get(f"/{repo}/resolve/x/f099999").expect(200).body == b"x"
    hub.get(f"/api/models/{repo}/tree/x", "alice").expect(200)


def test_commits_of_many_parents_and_odd_times(hub, repo, tmp_path):
    git = person(hub, tmp_path / "alice", "alice")
    parents = [commit_of(EMPTY, who=f"A <a@b> {i} +0000") for i in range(16)]
    octopus = commit_of(EMPTY, *(oid_of("commit", p) for p in parents))
    chain, times = octopus, ["0 +0000", "2147483647 +0000", "2147483648 -1200", "4294967296 +1400", "99999999999 +0000", "1 -0001"]
    entries = [whole("commit", p) for p in parents] + [whole("commit", octopus), whole("tree", b"")]
    for time in times:
        chain = commit_of(EMPTY, oid_of("commit", chain), who=f"A <a@b> {time}")
        entries.append(whole("commit", chain))
    tip = oid_of("commit", chain)
    assert "ok refs/heads/x" in push(hub, repo, *entries, tip=tip)
    back = git.clone(git.of(repo), "back", "-b", "x")
    git.run("fsck", "--strict", cwd=back)
    assert len(git.run("rev-list", "HEAD", cwd=back).splitlines()) == 16 + 1 + len(times)
    assert len(hub.get(f"/api/models/{repo}/commits/x", "alice").expect(200).json()) == 16 + 1 + len(times)
    # What git's own check refuses.
    for time in ("-1 +0000", "18446744073709551616 +0000", "01 +0000", "1", "1 +00000", "x +0000", "9223372036854775808 +0000"):
        bad = commit_of(EMPTY, who=f"A <a@b> {time}")
        assert "ng refs/heads/y" in push(hub, repo, whole("commit", bad), whole("tree", b""), tip=oid_of("commit", bad), name="refs/heads/y"), time


def test_tags_of_tags(hub, repo):
    def tags(count):
        target, kind, entries = commit_of(EMPTY), "commit", [whole("tree", b""), whole("commit", commit_of(EMPTY))]
        for i in range(count):
            target = f"object {oid_of(kind, target)}\ntype {kind}\ntag t{i}\ntagger A <a@b> 1 +0000\n\nx\n".encode()
            kind = "tag"
            entries.append(whole("tag", target))
        return entries, oid_of("tag", target)

    entries, tip = tags(10_000)
    assert "more than 64 deep" in push(hub, repo, *entries, tip=tip, name="refs/tags/deep")
    entries, tip = tags(64)
    assert "ok refs/tags/fine" in push(hub, repo, *entries, tip=tip, name="refs/tags/fine")


def test_references_beside_each_other(hub, repo):
    tip = hub.get(f"/api/models/{repo}", "alice").json()["sha"]
    # Of a folder and a file only one can be, also within one push; whichever comes first.
    for names in (("refs/heads/a", "refs/heads/a/b"), ("refs/heads/c/d", "refs/heads/c")):
        said = raw_push(hub, repo, packets_of_push(*((ZERO, tip, name) for name in names)))
        assert f"ok {names[0]}\n" in said and f"ng {names[1]} another reference is in the way" in said, said
    # Names that only some systems take for the same are two.
    pairs = [("refs/heads/Case", "refs/heads/case"), ("refs/heads/\u00e9", "refs/heads/e\u0301")]
    for pair in pairs:
        said = raw_push(hub, repo, packets_of_push(*((ZERO, tip, name) for name in pair)))
        assert said.count("ok refs") == 2, said
    longest = "refs/heads/" + "/".join(["n" * 59] * 4)
    assert len(longest) == 250
    assert f"ok {longest}" in raw_push(hub, repo, packets_of_push((ZERO, tip, longest)))
    for name in (longest + "n", "refs/heads/" + "n" * 1024, "refs/heads/" + "n/" * 500 + "n"):
        assert f"ng {name[:400]}" in raw_push(hub, repo, packets_of_push((ZERO, tip, name)))
    assert "is a tree, not a commit" in raw_push(hub, repo, packets_of_push((ZERO, EMPTY, "refs/heads/t"))) or \
        "missing object" in raw_push(hub, repo, packets_of_push((ZERO, EMPTY, "refs/heads/t")))
    assert "missing object" in raw_push(hub, repo, packets_of_push((ZERO, ONE, "refs/heads/t")))


def test_a_body_that_comes_byte_by_byte(hub, repo):
    entries, tip = one_file(b"x")
    body = packets_of_push((ZERO, tip, "refs/heads/x"), pack=pack_of(whole("blob", b"x"), *entries))
    answer = hub.post(f"/{repo}.git/git-receive-pack", "alice", body=(body[i:i + 1] for i in range(len(body))),
                      headers={"Content-Type": "application/x-git-receive-pack-request"})
    assert b"ok refs/heads/x" in answer.expect(200).body, answer
