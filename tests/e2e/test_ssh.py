"""Real git, git-lfs and OpenSSH against the SSH door.

What git gets over SSH is compared with what it gets from git's own server on the same repository, as over HTTP.
"""

import base64
import hashlib
import json
import os
import random
import signal
import socket
import sqlite3
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import wire
from hub import Hub, free_port
from test_git import STEPS, WAYS, Git, assert_whole, commit, grow, look, objects, packets, person, refs, variety, write

SSH = True
VERSIONS = (0, 1, 2)
KINDS = {"ed25519": ("-t", "ed25519"), "rsa": ("-t", "rsa", "-b", "2048"), "rsa-4096": ("-t", "rsa", "-b", "4096"), "p256": ("-t", "ecdsa", "-b", "256"),
         "p384": ("-t", "ecdsa", "-b", "384"), "p521": ("-t", "ecdsa", "-b", "521")}


@dataclass
class Ssh(Git):
    """git in a home of its own, with a key of its own."""

    key: Path
    port: int

    def ssh(self, *args, data: bytes = b"", options=(), timeout: float = 60) -> tuple[int, str, str]:
        """What ssh itself ends with, and what it prints."""
        command = ["ssh", *self.options(), *options, "-p", str(self.port), "git@127.0.0.1", *args]
        done = subprocess.run(command, input=data, capture_output=True, env=self.env, timeout=timeout)
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def options(self) -> list[str]:
        return ssh_options(self.key)


def ssh_options(key: Path) -> list[str]:
    known = key.parent / "known_hosts"
    options = {"IdentitiesOnly": "yes", "StrictHostKeyChecking": "accept-new", "UserKnownHostsFile": known, "BatchMode": "yes", "LogLevel": "ERROR"}
    return ["-F", "none", "-i", str(key), *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]


def keygen(folder: Path, kind: str = "ed25519", comment: str = "a key of mine") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / f"id_{kind}"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", comment, *KINDS.get(kind, ("-t", kind)), "-f", key], check=True)
    return key


def by_ssh(hub, folder: Path, name: str | None, kind: str = "ed25519") -> Ssh:
    """Somebody with a new key, which the hub knows unless they are nobody."""
    git = person(hub, folder, None)
    key = keygen(folder / "keys", kind)
    if name:
        hub.admin("key", "add", name, data=key.with_suffix(".pub").read_text())
    env = git.env | {"GIT_SSH_COMMAND": " ".join(["ssh", *ssh_options(key)])}
    return Ssh(git.home, f"ssh://git@127.0.0.1:{hub.ssh_port}", env, key, hub.ssh_port)


@pytest.fixture
def git(hub, tmp_path):
    return by_ssh(hub, tmp_path / "alice", "alice")


@pytest.fixture
def stranger(hub, tmp_path):
    return by_ssh(hub, tmp_path / "stranger", None)


# ---------------------------------------------------------------- who comes in


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_every_kind(hub, repo, tmp_path, kind):
    git = by_ssh(hub, tmp_path, "alice", kind)
    status, out, err = git.ssh()
    assert (status, err) == (0, "") and out.startswith("Hello alice!"), (status, out, err)
    assert "refs/heads/main" in refs(git, git.of(repo))


def strings(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


class Token(threading.Thread):
    """An agent with one key of a hardware token, without the hardware."""

    def __init__(self, folder: Path, kind: str):
        super().__init__(daemon=True)
        folder.mkdir()
        self.kind, self.pem, self.folder = f"sk-{kind}@openssh.com".encode(), folder / "k.pem", folder
        curve = () if kind == "ssh-ed25519" else ("-pkeyopt", "ec_paramgen_curve:P-256")
        self.openssl("genpkey", "-algorithm", "EC" if curve else "ED25519", *curve, "-out", self.pem)
        public = self.openssl("pkey", "-in", self.pem, "-pubout", "-outform", "DER")
        fields = (b"nistp256", public[-65:]) if curve else (public[-32:],)
        self.blob = strings(self.kind, *fields, b"ssh:")
        self.public = folder / "id.pub"
        self.public.write_text(f"{self.kind.decode()} {base64.b64encode(self.blob).decode()} a token\n")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(folder / "agent"))
        self.socket.listen()

    def openssl(self, *args) -> bytes:
        return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True).stdout

    def sign(self, data: bytes) -> bytes:
        seen = b"\x01\0\0\0\x07"  # somebody touched it, for the seventh time
        message = self.folder / "message"
        message.write_bytes(hashlib.sha256(b"ssh:").digest() + seen + hashlib.sha256(data).digest())
        if b"ed25519" in self.kind:
            made = self.openssl("pkeyutl", "-sign", "-inkey", self.pem, "-rawin", "-in", message)
        else:
            der = self.openssl("dgst", "-sha256", "-sign", self.pem, message)
            r = der[4 : 4 + der[3]]
            made = strings(r, der[6 + len(r) :])
        return strings(self.kind, made) + seen

    def run(self):
        while True:
            line, _ = self.socket.accept()
            with line, line.makefile("rwb") as f:
                while head := f.read(4):
                    asked = f.read(struct.unpack(">I", head)[0])
                    answer = b"\x05"
                    if asked[0] == 11:
                        answer = b"\x0c\0\0\0\x01" + strings(self.blob, b"a token")
                    elif asked[0] == 13:
                        at = 5 + len(self.blob)
                        size, = struct.unpack(">I", asked[at : at + 4])
                        answer = b"\x0e" + strings(self.sign(asked[at + 4 : at + 4 + size]))
                    f.write(strings(answer))
                    f.flush()


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_keys_of_hardware_tokens(hub, repo, tmp_path, kind):
    token = Token(tmp_path / "token", kind)
    token.start()
    hub.admin("key", "add", "alice", str(token.public))
    git = by_ssh(hub, tmp_path / "machine", None)
    git.key = token.public
    options = ("-o", f"IdentityAgent={token.folder / 'agent'}")
    status, out, err = git.ssh(options=options)
    assert (status, err) == (0, "") and out.startswith("Hello alice!"), (status, out, err)
    git.env["GIT_SSH_COMMAND"] = " ".join(["ssh", *git.options(), *options])
    assert "refs/heads/main" in refs(git, git.of(repo))


@pytest.mark.parametrize("kind, words", [("dsa", "DSA keys are too weak"), ("rsa-1024", "has 1024 bits"), ("private", "nobody else must ever see"),
                                         ("nonsense", "is not an SSH public key"), ("nothing", "is missing")])
def test_refused_keys_are_told_why(hub, tmp_path, kind, words):
    if kind == "private":
        text = keygen(tmp_path).read_text()
    elif kind == "rsa-1024":
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", "rsa", "-b", "1024", "-f", tmp_path / "k"], check=True)
        text = (tmp_path / "k.pub").read_text()
    else:
        text = {"dsa": "ssh-dss AAAA x", "nonsense": "hello", "nothing": ""}[kind]
    done = hub.run("admin", "key", "add", "alice", data=text, check=False)
    assert done.returncode == 1 and words in done.stderr, done


def test_the_operator_manages_keys(hub, tmp_path):
    git = by_ssh(hub, tmp_path / "bob", None)
    public = git.key.with_suffix(".pub")
    fingerprint = subprocess.run(["ssh-keygen", "-l", "-f", public], capture_output=True, text=True).stdout.split()[1]
    done = hub.run("admin", "key", "add", "bob", str(public), "--name", "bob's laptop")
    assert fingerprint in done.stderr, done
    taken = hub.run("admin", "key", "add", "alice", str(public), check=False)
    assert taken.returncode == 1 and "belongs to another account" in taken.stderr, taken
    listed = [line.split("\t") for line in hub.admin("key", "list", "bob").splitlines()]
    assert [line[1:] for line in listed if line[1] == fingerprint] == [[fingerprint, "ssh-ed25519", "never", "bob's laptop"]], listed
    assert git.ssh()[1].startswith("Hello bob!")
    assert "never" not in hub.admin("key", "list", "bob")
    assert hub.run("admin", "key", "remove", "alice", fingerprint, check=False).returncode == 1
    hub.admin("key", "remove", "bob", fingerprint)
    status, out, err = git.ssh()
    assert status == 255 and "Permission denied (publickey)" in err, (status, out, err)
    assert hub.run("admin", "key", "add", "nobody-here", str(public), check=False).returncode == 1


def test_unknown_keys_and_passwords(hub, repo, stranger):
    out = stranger.run("clone", stranger.of(repo), "c", check=False)
    assert "Permission denied (publickey)" in out, out
    options = ("-o", "PubkeyAuthentication=no", "-o", "BatchMode=no", "-o", "NumberOfPasswordPrompts=1")
    status, _, err = stranger.ssh(options=options)
    assert status == 255 and "Permission denied (publickey)" in err, err


def test_signatures_over_sha_1_are_not_taken(hub, tmp_path):
    git = by_ssh(hub, tmp_path, "alice", "rsa")
    assert git.ssh()[0] == 0
    status, _, err = git.ssh(options=("-o", "PubkeyAcceptedAlgorithms=ssh-rsa"))
    assert status == 255 and "Permission denied" in err, err


def test_many_keys_are_tried_and_not_endlessly(hub, tmp_path):
    git = by_ssh(hub, tmp_path / "good", "alice")
    others = [keygen(tmp_path / f"k{i}") for i in range(14)]
    tried = [part for key in others[:5] for part in ("-i", str(key))]
    command = ["ssh", "-F", "none", *tried, *git.options()[2:], "-p", str(git.port), "anyone@127.0.0.1"]
    done = subprocess.run(command, capture_output=True, text=True, env=git.env, timeout=60)
    assert done.stdout.startswith("Hello alice!"), done
    tried = [part for key in others for part in ("-i", str(key))]
    command = ["ssh", "-F", "none", *tried, *git.options()[2:], "-p", str(git.port), "anyone@127.0.0.1"]
    done = subprocess.run(command, capture_output=True, text=True, env=git.env, timeout=60)
    assert done.returncode == 255 and "Too many authentication" in done.stderr, done


def test_a_key_stops_working_with_its_account(hub, repo, tmp_path):
    hub.add_user("dora")
    git = by_ssh(hub, tmp_path, "dora")
    git.clone(git.of(repo), "c")
    # A connection that is shared outlives the key by which it was opened; its rights do not.
    control = ("-o", f"ControlPath={tmp_path}/cm", "-o", "ControlMaster=auto", "-o", "ControlPersist=30")
    assert git.ssh("git-upload-pack", f"'{repo}'", data=b"0000", options=control)[0] == 0
    with sqlite3.connect(hub.data / "hub.db") as db:
        user, = db.execute("select id from namespace where fold = 'dora'").fetchone()
        db.execute("update account set disabled_at = 1 where user_id = ?", (user,))
    status, _, err = git.ssh("git-upload-pack", f"'{repo}'", data=b"0000", options=control)
    assert status == 128 and "not in use any more" in err, (status, err)
    git.ssh(options=(*control, "-O", "exit"))
    assert "Permission denied" in git.run("fetch", cwd=git.home / "c", check=False)
    with sqlite3.connect(hub.data / "hub.db") as db:
        db.execute("update account set disabled_at = null where user_id = ?", (user,))
    git.run("fetch", cwd=git.home / "c")


# ---------------------------------------------------------------- what there is and what there is not


def test_there_is_no_shell(hub, git):
    for options, end in (((), "\n"), (("-tt",), "\r\n")):
        status, out, err = git.ssh(options=options)
        assert status == 0 and out.startswith("Hello alice!") and out.endswith(end), (status, out, err)
        assert f"ssh://git@127.0.0.1:{hub.ssh_port}/namespace/name" in out
    status, _, err = git.ssh("sh", "-c", "id")
    assert status == 127 and "sh: not found" in err, (status, err)
    done = subprocess.run(["sftp", *git.options(), "-P", str(git.port), "git@127.0.0.1"], input=b"", capture_output=True, env=git.env, timeout=60)
    assert done.returncode != 0, done


def test_nothing_is_forwarded(hub, git, tmp_path):
    port = free_port()
    # To the hub's own web address, which surely answers.
    options = (*git.options(), "-N", "-o", "ExitOnForwardFailure=yes")
    remote = subprocess.run(["ssh", *options, "-R", f"{port}:127.0.0.1:{hub.port}", "-p", str(git.port), "git@127.0.0.1"], capture_output=True, text=True, env=git.env, timeout=60)
    assert remote.returncode == 255 and "remote port forwarding failed" in remote.stderr, remote
    local = subprocess.Popen(["ssh", *options, "-L", f"{port}:127.0.0.1:{hub.port}", "-p", str(git.port), "git@127.0.0.1"], stderr=subprocess.PIPE, text=True, env=git.env)
    try:
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as line:
                    line.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                    try:
                        assert line.recv(100) == b""
                    except ConnectionResetError:
                        pass
                    break
            except ConnectionRefusedError:
                time.sleep(0.05)
        else:
            raise AssertionError("ssh did not listen")
    finally:
        local.kill()
    status, out, _ = git.ssh(options=("-A", "-X"))
    assert status == 0 and out.startswith("Hello alice!")


@pytest.mark.parametrize("command, status, words", [
    ("git-lfs-transfer alice/x upload", 127, "git-lfs-transfer: not found"), ("git-upload-archive 'alice/x'", 128, "Archives are not made over SSH"),
    ("rm -rf /", 127, "rm: not found"), ("git-upload-pack 'alice/none'", 128, "Repository not found"), ("git-upload-pack '../../etc'", 128, "Repository not found"),
    ("git-upload-pack 'a/b'; id", 2, "more than one command"), ("git-upload-pack $(id)", 2, "nothing is expanded"), ("git-upload-pack `id`", 2, "nothing is expanded"),
    ("git-upload-pack 'a/b", 2, "not closed"), ("git-upload-pack 'a/b' && id", 2, "more than one command"), ("git-upload-pack 'a/b' | sh", 2, "more than one command"),
    ("git-upload-pack 'a/b\nid'", 2, "control characters"), ("git-upload-pack --upload-pack=id 'a/b'", 129, "usage"), ("git-upload-pack -- 'a/b'", 129, "usage"),
    ("git-upload-pack", 129, "usage"), ("git-receive-pack 'a/b' 'c/d'", 129, "usage"), ("git-lfs-authenticate a/b delete", 129, "download"),
    ("git-lfs-authenticate alice/none download", 1, "Repository not found"), ("x" * 5000, 2, "too long"), ("git-upload-pack 'a/b' " + "x " * 50, 2, "too many words"),
    ("git-upload-pack 'alice/\u001b[31mx'", 2, "control characters"), ("\u001b]0;x\u0007", 2, "control characters"),
], ids=range(22))
def test_hostile_commands(hub, git, command, status, words):
    got, out, err = git.ssh(command)
    assert (got, out) == (status, "") and words in err, (got, out, err)
    assert "\x1b" not in err


def test_ways_to_name_a_repository(hub, repo, git):
    hub.create(repo, "alice", kind="dataset").expect(200)
    grow(hub, repo, 1)
    model = hub.get(f"/api/models/{repo}").json()["sha"]
    data = hub.get(f"/api/datasets/{repo}").json()["sha"]
    base, short = git.url, "git@127.0.0.1:{}"
    ways = [f"{base}/{repo}", f"{base}/{repo}.git", f"{base}/{repo}/", f"{base}/~/{repo}.git", f"{base.replace('git@', 'someone@')}/{repo}"]
    for way in ways:
        assert refs(git, way)["HEAD"] == model, way
    assert refs(git, f"{base}/datasets/{repo}.git")["HEAD"] == data
    # The short form, whose port ssh must know.
    env = {"GIT_SSH_COMMAND": git.env["GIT_SSH_COMMAND"] + f" -p {git.port}"}
    for path, sha in ((repo, model), (f"/{repo}.git", model), (f"~/{repo}", model), (f"datasets/{repo}", data)):
        assert sha in git.run("ls-remote", short.format(path), "HEAD", more=env), path
    # As other clients write the command.
    for command in (f"git-upload-pack '{repo}'", f"git upload-pack '/{repo}.git'", f'git-upload-pack "{repo}"', f"git-upload-pack {repo}",
                    f"git-upload-pack '{repo[:6]}'\\{repo[6]}'{repo[7:]}'"):
        status, out, err = git.ssh(command, data=b"0000")
        assert status == 0 and f"{model} HEAD\0" in out and "no-done" not in out, (command, status, out, err)


def test_only_one_variable_of_the_environment_counts(hub, repo, git):
    asked = ("-o", "SetEnv=GIT_PROTOCOL=version=2", )
    status, out, _ = git.ssh(f"git-upload-pack '{repo}'", data=b"0000", options=asked)
    assert status == 0 and out.startswith("000eversion 2\n"), out
    for other in ("GIT_PROTOCOLS=version=2", "GIT_DIR=/tmp", "LD_PRELOAD=x"):
        status, out, _ = git.ssh(f"git-upload-pack '{repo}'", data=b"0000", options=("-o", f"SetEnv={other}"))
        assert status == 0 and " HEAD\0" in out, (other, out)


# ---------------------------------------------------------------- rights


def test_rights(hub, repo, git, tmp_path):
    bob, carol = by_ssh(hub, tmp_path / "bob", "bob"), by_ssh(hub, tmp_path / "carol", "carol")
    private = f"{repo}-private"
    hub.create(private, "alice", visibility="private").expect(200)
    at = git.clone(git.of(private), "mine")
    write(at, "a", "a")
    commit(git, at, "mine")
    git.run("push", "-q", "origin", "main", cwd=at)
    # What one may not know does not exist, whatever one asks.
    for other in (bob, carol):
        for path in (private, f"{repo}-never"):
            out = other.run("clone", other.of(path), "theirs", check=False)
            assert "Repository not found" in out and "Could not read from remote repository" in out, out
            assert other.ssh(f"git-receive-pack '{path}'") == (128, "", "Repository not found\n")
            assert other.ssh(f"git-lfs-authenticate {path} download") == (1, "", "Repository not found\n")
    # A public one may be read by everybody, and written by those who may.
    theirs = bob.clone(bob.of(repo), "theirs")
    write(theirs, "b", "b")
    commit(bob, theirs, "not mine")
    out = bob.run("push", "origin", "main", cwd=theirs, check=False)
    assert "You may not write to this repository: open a pull request" in out, out
    assert bob.run("rev-parse", "HEAD", cwd=theirs).strip() not in git.run("ls-remote", git.of(repo))
    hub.admin("org", "member", "acme", "carol", "--role", "read")
    hub.create("acme/shared", "bob", visibility="private").expect(200)
    shared = carol.clone(carol.of("acme/shared"), "shared")
    write(shared, "c", "c")
    commit(carol, shared, "a change")
    assert "You may not write to this repository" in carol.run("push", "origin", "main", cwd=shared, check=False)
    hub.admin("org", "member", "acme", "carol", "--role", "write")
    carol.run("push", "-q", "origin", "main", cwd=shared)


# ---------------------------------------------------------------- fetching


@pytest.fixture(scope="module")
def varied(hub, tmp_path_factory):
    """A repository with variety, pushed over SSH, and a bare copy for git's own server."""
    git = by_ssh(hub, tmp_path_factory.mktemp("varied"), "alice")
    hub.create("alice/varied", "alice").expect(200)
    at = git.home / "w"
    variety(git, at)
    git.run("push", "-q", "-f", "--all", git.of("alice/varied"), cwd=at)
    git.run("push", "-q", "--tags", git.of("alice/varied"), cwd=at)
    oracle = git.clone(at, "oracle.git", "--bare", "--mirror")
    for name in ("allowFilter", "allowAnySHA1InWant"):
        git.run("config", f"uploadpack.{name}", "true", cwd=oracle)
    git.run("symbolic-ref", "HEAD", "refs/heads/main", cwd=oracle)
    return git, at, oracle


def reuse(git: Ssh, folder: Path) -> Ssh:
    """The same key in an empty home."""
    folder.mkdir(parents=True, exist_ok=True)
    return Ssh(folder, git.url, git.env | {"HOME": str(folder)}, git.key, git.port)


def test_everything_comes_back(hub, varied):
    git, at, oracle = varied
    back = assert_whole(hub, git, "alice/varied", at)
    assert objects(git, back) == objects(git, oracle)
    assert refs(git, git.of("alice/varied")) == refs(git, oracle)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", WAYS)
def test_the_same_as_from_git(varied, tmp_path, way, version):
    git, oracle = reuse(varied[0], tmp_path), varied[2]
    protocol = ("-c", f"protocol.version={version}")
    git.run(*protocol, "clone", "-q", *WAYS[way], git.of("alice/varied"), "ours")
    git.run(*protocol, "clone", "-q", *WAYS[way], f"file://{oracle}", "gits")
    ours, gits = look(git, git.home / "ours"), look(git, git.home / "gits")
    assert ours[1] == gits[1]
    assert ours[0] == gits[0], (len(ours[0] - gits[0]), len(gits[0] - ours[0]))
    git.run("fsck", "--strict", cwd=git.home / "ours")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("steps", STEPS)
def test_step_by_step_as_from_git(varied, tmp_path, steps, version):
    git, oracle = reuse(varied[0], tmp_path), varied[2]
    protocol = ("-c", f"protocol.version={version}")
    first, *rest = STEPS[steps]
    git.run(*protocol, "clone", "-q", *first, git.of("alice/varied"), "ours")
    git.run(*protocol, "clone", "-q", *first, f"file://{oracle}", "gits")
    for step in [(), *rest]:
        for name in ("ours", "gits"):
            git.run(*protocol, "fetch", "-q", *step, cwd=git.home / name)
        assert look(git, git.home / "ours", objects) == look(git, git.home / "gits", objects), step
    git.run("fsck", "--strict", cwd=git.home / "ours")


@pytest.mark.parametrize("version", VERSIONS)
def test_long_negotiations(hub, repo, git, version):
    """Two histories that went apart long ago: the client says what it has in many rounds."""
    lines = []
    for branch, count in (("main", 300), ("ours", 700), ("theirs", 20)):
        for i in range(count):
            parent = "from refs/heads/main\n" if branch != "main" and i == 0 else ""
            lines.append(f"commit refs/heads/{branch}\ncommitter Ada <ada@example.org> {1_600_000_000 + len(lines)} +0000\ndata 2\nx\n{parent}M 100644 inline {branch}{i}\ndata 2\nx\n")
    at = git.home / "w"
    git.run("init", "-q", at)
    git.run("fast-import", "--quiet", cwd=at, data="".join(lines).encode())
    git.run("push", "-q", "-f", git.of(repo), "main", cwd=at)
    back = git.clone(git.of(repo), "c")
    # Only the client has this, only the hub has that.
    git.run("fetch", "-q", at, "ours:ours", cwd=back)
    git.run("push", "-q", git.of(repo), "theirs", cwd=at)
    git.run("-c", f"protocol.version={version}", "-c", "fetch.unpackLimit=1", "fetch", "-q", "origin", "theirs", cwd=back)
    assert git.run("rev-parse", "FETCH_HEAD", cwd=back) == git.run("rev-parse", "theirs", cwd=at)
    pack = max((back / ".git/objects/pack").glob("*.idx"), key=lambda p: p.stat().st_mtime_ns)
    listed = git.run("verify-pack", "-v", pack, cwd=back).splitlines()
    commits = [line for line in listed if line[40:48] == " commit "]
    assert len(commits) == 20, len(commits)
    git.run("fsck", "--strict", cwd=back)


@pytest.mark.parametrize("version", VERSIONS)
def test_empty_and_unchanged(hub, repo, git, version):
    protocol = ("-c", f"protocol.version={version}")
    git.run(*protocol, "clone", "-q", git.of(repo), "c")
    assert "up to date" in git.run(*protocol, "pull", cwd=git.home / "c")
    git.run("fetch", "-q", "--all", cwd=git.home / "c")


def test_a_partial_clone_fetches_the_rest_when_it_needs_it(varied, tmp_path):
    git, at = reuse(varied[0], tmp_path), varied[1]
    git.run("clone", "-q", "--filter=blob:none", git.of("alice/varied"), "lazy")
    lazy = git.home / "lazy"
    git.run("checkout", "-q", "left", cwd=lazy)
    git.run("log", "-p", "--all", "-m", cwd=lazy)
    git.run("fsck", "--strict", cwd=lazy)
    assert (lazy / "left").read_text() == "l"


@pytest.mark.parametrize("version, body, words", [
    (0, packets("want " + "1" * 40, "==", "done"), "not our ref"), (0, b"0000", ""), (0, b"", ""), (0, b"zzzz", "bad packet length"),
    (0, packets("hello", "=="), "expected to get object id"), (2, packets("command=ls-refs", "=="), ""), (2, packets("command=push", "=="), "invalid command"),
    (2, b"00", "ends inside a packet"), (2, packets("command=fetch", "--", "want xyz", "=="), "invalid object id"), (2, packets("command=fetch", "--", "done"), "ends before"),
], ids=range(10))
def test_wrong_requests_are_told_so(hub, repo, git, version, body, words):
    status, out, err = git.ssh(f"git-upload-pack '{repo}'", data=body, options=("-o", f"SetEnv=GIT_PROTOCOL=version={version}"))
    assert err == "", err
    if words:
        assert status == 128 and "ERR " in out and words in out, (status, out)
    else:
        assert status in (0, 128), (status, out)


def test_a_connection_that_reads_nothing_holds_little(hub, repo, git, tmp_path):
    """Ten clones by one connection, of which nobody takes a byte: what waits for them is bounded, and others are served."""
    at = git.clone(git.of(repo), "w")
    for i in range(4):
        write(at, f"f{i}", random.Random(i).randbytes(9 << 20))
    head = commit(git, at, "large")
    git.run("push", "-q", "origin", "main", cwd=at)

    def resident() -> int:
        status = Path(f"/proc/{hub.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) << 10

    control = ["-o", f"ControlPath={tmp_path}/cm"]
    master = subprocess.Popen(["ssh", *git.options(), *control, "-M", "-N", "-p", str(git.port), "git@127.0.0.1"], env=git.env)
    while not (tmp_path / "cm").exists():
        time.sleep(0.05)
    before = resident()
    command = ["ssh", *git.options(), *control, "-o", "SetEnv=GIT_PROTOCOL=version=2", "-p", str(git.port), "git@127.0.0.1", f"git-upload-pack '{repo}'"]
    clones = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=git.env) for _ in range(10)]
    try:
        for clone in clones:
            clone.stdin.write(packets("command=fetch", "--", f"want {head}", "done", "=="))
            clone.stdin.flush()
        time.sleep(4)
        assert resident() - before < 64 << 20, (before, resident())
        git.clone(git.of(repo), "meanwhile")
    finally:
        for process in (*clones, master):
            process.kill()
            process.wait()


# ---------------------------------------------------------------- pushing


def test_push_step_by_step(hub, repo, git):
    at = git.clone(git.of(repo), "w")
    write(at, "a.txt", "a\n")
    first = commit(git, at, "first pushed")
    git.run("push", "-q", "origin", "main", cwd=at)
    assert hub.get(f"/api/models/{repo}", "alice").json()["sha"] == first
    assert hub.get(f"/{repo}/resolve/main/a.txt").expect(200).text == "a\n"
    git.run("push", "-q", "origin", "main:dev", cwd=at)
    git.run("tag", "-a", "-m", "one", "v1", cwd=at)
    git.run("push", "-q", "-o", "an.option", "origin", "v1", cwd=at)
    hub.commit(repo, "alice", wire.file("api.txt", "api"), summary="by the API").expect(200)
    write(at, "b.txt", "b\n")
    commit(git, at, "behind")
    assert "rejected" in git.run("push", "origin", "main", cwd=at, check=False)
    git.run("pull", "-q", "--no-rebase", "--no-edit", cwd=at)
    git.run("push", "-q", "origin", "main", cwd=at)
    assert_whole(hub, git, repo, at)
    git.run("reset", "-q", "--hard", first, cwd=at)
    commit(git, at, "another way")
    git.run("push", "-q", "-f", "--atomic", "origin", "main", "main:more", cwd=at)
    # Only deletions: no pack, and nobody closes the line.
    git.run("push", "-q", "origin", "--delete", "dev", "more", cwd=at)
    assert {b["name"] for b in hub.get(f"/api/models/{repo}/refs", "alice").json()["branches"]} == {"main"}
    assert "Everything up-to-date" in git.run("push", "origin", "main", cwd=at)


@pytest.mark.parametrize("version", VERSIONS)
def test_pushes_in_every_version(hub, repo, git, version):
    at = git.clone(git.of(repo), "w")
    write(at, "a.txt", "a\n")
    commit(git, at, "a change")
    git.run("-c", f"protocol.version={version}", "push", "-q", "origin", "main", cwd=at)
    assert hub.get(f"/api/models/{repo}", "alice").json()["sha"] == git.run("rev-parse", "main", cwd=at)


def test_refusals_reach_the_screen(hub, repo, git):
    at = git.clone(git.of(repo), "w")
    out = git.run("push", "origin", "--delete", "main", cwd=at, check=False)
    assert "the main branch cannot be deleted" in out, out
    write(at, "large.bin", random.Random(5).randbytes(11 << 20))
    commit(git, at, "large")
    out = git.run("push", "origin", "main", cwd=at, check=False)
    assert "large.bin (11.0 MiB)" in out and "git lfs migrate import" in out and "[remote rejected]" in out, out
    git.run("reset", "-q", "--hard", "HEAD~1", cwd=at)
    sha = "ab" * 32
    write(at, "weights.bin", f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize 5\n")
    commit(git, at, "a pointer to nothing")
    out = git.run("push", "origin", "main", cwd=at, check=False)
    assert "was not uploaded" in out and sha in out, out
    assert hub.get(f"/api/models/{repo}", "alice").json()["sha"] == git.run("rev-parse", "origin/main", cwd=at)


def test_a_broken_pack_in_the_middle_of_much(hub, repo, git):
    """The refusal is heard even though the sender still sends."""
    head = b"%040d %s refs/heads/evil\0 report-status\n" % (0, b"1" * 40)
    body = b"%04x%s0000" % (len(head) + 4, head) + b"PACK\0\0\0\2\0\0\0\1" + b"\0" * (8 << 20)
    status, out, err = git.ssh(f"git-receive-pack '{repo}'", data=body)
    assert status == 0 and "unpack broken entry at byte 12" in out and "ng refs/heads/evil" in out, (status, out[-300:], err)


def test_a_client_that_keeps_the_line_open(hub, repo, git):
    """Not every client closes its side after the pack; the report comes all the same, and at once."""
    at = git.clone(git.of(repo), "w")
    write(at, "a", "a")
    new = commit(git, at, "a change")
    old = git.run("rev-parse", "origin/main", cwd=at)
    pack = subprocess.run(["git", "pack-objects", "--stdout", "--revs", "-q"], cwd=at, input=f"{new}\n^{old}\n".encode(), capture_output=True, env=git.env).stdout
    head = f"{old} {new} refs/heads/main\0 report-status".encode()
    process = subprocess.Popen(["ssh", *git.options(), "-p", str(git.port), "git@127.0.0.1", f"git-receive-pack '{repo}'"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=git.env)
    began = time.monotonic()
    process.stdin.write(b"%04x%s0000" % (len(head) + 4, head) + pack)
    process.stdin.flush()
    out = process.stdout.read()
    assert process.wait(30) == 0 and b"unpack ok\n" in out and b"ok refs/heads/main\n" in out, out
    assert time.monotonic() - began < 10
    assert hub.get(f"/api/models/{repo}", "alice").json()["sha"] == new


def history(git: Git, at: Path, commits: int) -> None:
    git.run("init", "-q", at)
    lines = []
    for i in range(commits):
        body = f"{i} {i * i}\n" * 300
        lines.append(f"commit refs/heads/main\ncommitter Ada <ada@example.org> {1_600_000_000 + i} +0000\ndata 2\nx\nM 100644 inline f{i % 300}\ndata {len(body)}\n{body}\n")
    git.run("fast-import", "--quiet", cwd=at, data="".join(lines).encode())


def test_clients_that_go_away(hub, repo, git):
    """Nothing of it is an error of the hub's, nothing is changed, and nothing is left behind."""
    at = git.home / "w"
    history(git, at, 2000)
    before = refs(git, git.of(repo))
    for seconds in (0.2, 0.4, 0.7):
        process = subprocess.Popen(["git", "push", "-q", git.of(repo), "main:refs/heads/gone"], cwd=at, env=git.env, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        after = refs(git, git.of(repo))
        assert after == before or after == before | {"refs/heads/gone": git.run("rev-parse", "main", cwd=at)}
    git.run("push", "-q", git.of(repo), "main:refs/heads/come", cwd=at)
    for seconds in (0.2, 0.4):
        process = subprocess.Popen(["git", "clone", "-q", git.of(repo), f"c{seconds}"], cwd=git.home, env=git.env, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert_whole(hub, git, repo, git.clone(git.of(repo), "last"))
    for _ in range(100):
        left = [p for p in (hub.data / "tmp").iterdir() if p.name != ".lock"]
        if not left:
            break
        time.sleep(0.1)
    assert not left


# ---------------------------------------------------------------- Git LFS


def test_git_lfs_over_an_ssh_remote(hub, repo, git, tmp_path):
    private = f"{repo}-private"
    hub.create(private, "alice", visibility="private").expect(200)
    at = git.clone(git.of(private), "w")
    git.run("lfs", "install", "--local", cwd=at)
    git.run("lfs", "track", "*.dat", cwd=at)
    data = random.Random(22).randbytes(12 << 20)
    write(at, "weights/model.dat", data)
    commit(git, at, "large")
    out = git.run("push", "origin", "main", cwd=at)
    assert "main -> main" in out, out
    assert hub.get(f"/{private}/resolve/main/weights/model.dat", "alice").expect(200).body == data
    back = git.clone(git.of(private), "back")
    git.run("lfs", "install", "--local", cwd=back)
    git.run("lfs", "pull", cwd=back)
    assert (back / "weights/model.dat").read_bytes() == data
    # Locks go the same way.
    git.run("lfs", "lock", "weights/model.dat", cwd=at)
    assert "weights/model.dat" in git.run("lfs", "locks", cwd=back)
    git.run("lfs", "unlock", "weights/model.dat", cwd=at)


def authorize(git: Ssh, repo: str, operation: str) -> dict:
    status, out, err = git.ssh(f"git-lfs-authenticate {repo}.git {operation}")
    assert status == 0 and err == "", (status, out, err)
    return json.loads(out)


def test_what_a_pass_of_lfs_allows(hub, repo, git, tmp_path):
    private, other = f"{repo}-private", f"{repo}-other"
    for name in (private, other):
        hub.create(name, "alice", visibility="private").expect(200)
    up, down = authorize(git, private, "upload"), authorize(git, private, "download")
    assert up["href"] == f"{hub.url}/{private}.git/info/lfs" and 0 < up["expires_in"] <= 3600, up
    data = b"some large file"
    oid = hashlib.sha256(data).hexdigest()

    def batch(repo: str, operation: str, headers: dict) -> wire.Response:
        asked = {"operation": operation, "transfers": ["basic"], "objects": [{"oid": oid, "size": len(data)}]}
        return hub.post(f"/{repo}.git/info/lfs/objects/batch", json=asked, headers={"Content-Type": "application/vnd.git-lfs+json"} | headers)

    batch(private, "upload", up["header"]).expect(200)
    batch(private, "download", up["header"]).expect(200)
    batch(private, "download", down["header"]).expect(200)
    batch(private, "upload", down["header"]).expect(403)
    for headers in (up["header"], down["header"]):
        batch(other, "download", headers).expect(404)
        # Nowhere but at the doors of LFS.
        for path in (f"/api/models/{private}", "/api/whoami-v2", f"/{private}.git/info/refs?service=git-upload-pack"):
            hub.get(path, headers=headers).expect(401)
        secret = headers["Authorization"].split()[1]
        hub.get("/api/whoami-v2", secret).expect(401)
    for wrong in ("RemoteAuth ", "RemoteAuth x", up["header"]["Authorization"][:-2] + "xx"):
        batch(private, "upload", {"Authorization": wrong}).expect(401)
    # A key that is gone takes its passes along.
    fingerprint = subprocess.run(["ssh-keygen", "-l", "-f", git.key], capture_output=True, text=True).stdout.split()[1]
    hub.admin("key", "remove", "alice", fingerprint)
    batch(private, "upload", up["header"]).expect(401)


# ---------------------------------------------------------------- the door itself


def test_the_host_key_stays(tmp_path):
    hub = Hub(tmp_path / "data", ssh_port=free_port()).start()
    try:
        hub.provision()
        key = hub.data / "ssh_host_ed25519_key"
        assert key.stat().st_mode & 0o777 == 0o600
        fingerprint = subprocess.run(["ssh-keygen", "-l", "-f", key], capture_output=True, text=True).stdout.split()[1]
        assert fingerprint in hub.output()
        git = by_ssh(hub, tmp_path / "alice", "alice")
        assert git.ssh()[0] == 0
        assert hub.stop() == 0
        hub.start()
        status, _, err = git.ssh(options=("-o", "StrictHostKeyChecking=yes"))
        assert status == 0, err
        assert hub.stop() == 0
        hub.assert_clean()
    finally:
        hub.kill()


def test_without_the_setting_there_is_no_door(tmp_path):
    hub = Hub(tmp_path / "data").start()
    try:
        assert "SSH" not in hub.output() and not (hub.data / "ssh_host_ed25519_key").exists()
    finally:
        hub.kill()


def test_whoever_says_nothing_is_sent_away(hub):
    """Bytes that are not SSH, and no bytes at all."""
    with socket.create_connection(("127.0.0.1", hub.ssh_port), 10) as line:
        assert line.recv(100).startswith(b"SSH-2.0-Haina_")
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        try:
            while line.recv(4096):
                pass
        except ConnectionError:
            pass
    with socket.create_connection(("127.0.0.1", hub.ssh_port), 10) as line:
        line.sendall(b"SSH-2.0-x\r\n" + b"\xff" * 64)
        try:
            while line.recv(4096):
                pass
        except ConnectionError:
            pass
    with socket.create_connection(("127.0.0.1", hub.ssh_port), 45) as line:
        began = time.monotonic()
        while line.recv(4096):
            pass
        assert 20 < time.monotonic() - began < 42


def test_the_hub_stops_while_somebody_is_connected(tmp_path):
    hub = Hub(tmp_path / "data", ssh_port=free_port()).start()
    try:
        hub.provision()
        git = by_ssh(hub, tmp_path / "alice", "alice")
        control = ("-o", f"ControlPath={tmp_path}/cm", "-o", "ControlMaster=auto", "-o", "ControlPersist=60")
        assert git.ssh(options=control)[0] == 0
        began = time.monotonic()
        assert hub.stop() == 0
        assert time.monotonic() - began < 10
        assert not hub.troubles()
    finally:
        hub.kill()
