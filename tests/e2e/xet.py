"""Xorbs and shards, written from the protocol's description alone, so that wrong ones can be written as well."""

import hashlib
import struct
from dataclasses import dataclass, field

import lz4.frame
from blake3 import blake3

DATA_KEY = bytes([102, 151, 245, 119, 91, 149, 80, 222, 49, 53, 203, 172, 165, 151, 24, 28, 157, 228, 33, 16, 155, 235,
                  43, 88, 180, 208, 176, 75, 147, 173, 242, 41])
NODE_KEY = bytes([1, 126, 197, 199, 165, 71, 41, 150, 253, 148, 102, 102, 180, 138, 2, 230, 93, 221, 83, 111, 55, 199,
                  109, 210, 248, 99, 82, 230, 74, 83, 113, 63])
VERIFY_KEY = bytes([127, 24, 87, 214, 206, 86, 237, 102, 18, 127, 249, 19, 231, 165, 195, 243, 164, 205, 38, 213, 181,
                    219, 73, 230, 65, 36, 152, 127, 40, 251, 148, 195])
TAG = b"HFRepoMetaData" + bytes([0, 85, 105, 103, 69, 106, 123, 129, 87, 131, 165, 189, 217, 92, 205, 209, 74, 169])
BOOKEND = b"\xff" * 32 + bytes(16)
ZERO = "0" * 64
STORED, LZ4, BG4 = 0, 1, 2
VERIFICATION, METADATA, ELIGIBLE = 1 << 31, 1 << 30, 1 << 31


def text(raw: bytes) -> str:
    """A hash as the protocol writes it: four little-endian words."""
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", raw))


def raw(hash_text: str) -> bytes:
    return struct.pack("<4Q", *(int(hash_text[i : i + 16], 16) for i in range(0, 64, 16)))


def chunk_hash(data: bytes) -> bytes:
    return blake3(data, key=DATA_KEY).digest()


def root(nodes: list[tuple[bytes, int]]) -> bytes:
    """The aggregated hash of chunks (hash, length)."""
    if not nodes:
        return bytes(32)
    while len(nodes) > 1:
        level, i = [], 0
        while i < len(nodes):
            left = len(nodes) - i
            if left <= 2:
                size = left
            else:
                size = min(9, left)
                for at in range(2, size):
                    if struct.unpack("<Q", nodes[i + at][0][24:])[0] % 4 == 0:
                        size = at + 1
                        break
            group = nodes[i : i + size]
            line = "".join(f"{text(h)} : {n}\n" for h, n in group)
            level.append((blake3(line.encode(), key=NODE_KEY).digest(), sum(n for _, n in group)))
            i += size
        nodes = level
    return nodes[0][0]


def file_hash(nodes: list[tuple[bytes, int]]) -> bytes:
    return blake3(root(nodes), key=bytes(32)).digest() if nodes else bytes(32)


def range_hash(hashes: list[bytes]) -> bytes:
    return blake3(b"".join(hashes), key=VERIFY_KEY).digest()


def split(data: bytes, size: int = 65536) -> list[bytes]:
    """Chunks of one size: a server must take whatever boundaries a client found."""
    return [data[i : i + size] for i in range(0, len(data), size)]


def frame(payload: bytes, raw_len: int, scheme: int = STORED, version: int = 0) -> bytes:
    return bytes([version]) + len(payload).to_bytes(3, "little") + bytes([scheme]) + raw_len.to_bytes(3, "little") + payload


def frame_of(chunk: bytes, scheme: int = STORED) -> bytes:
    if scheme == LZ4:
        return frame(lz4.frame.compress(chunk, store_size=False), len(chunk), LZ4)
    if scheme == BG4:
        planes = b"".join(chunk[i::4] for i in range(4))
        return frame(lz4.frame.compress(planes, store_size=False), len(chunk), BG4)
    return frame(chunk, len(chunk))


@dataclass
class Xorb:
    chunks: list[bytes]
    scheme: int = STORED
    nodes: list[tuple[bytes, int]] = field(init=False)
    hash: bytes = field(init=False)

    def __post_init__(self):
        self.nodes = [(chunk_hash(c), len(c)) for c in self.chunks]
        self.hash = root(self.nodes)

    @property
    def name(self) -> str:
        return text(self.hash)

    @property
    def raw_len(self) -> int:
        return sum(n for _, n in self.nodes)

    def body(self) -> bytes:
        return b"".join(frame_of(c, self.scheme) for c in self.chunks)


@dataclass
class Term:
    xorb: bytes
    raw_bytes: int
    start: int
    end: int
    proof: bytes

    @classmethod
    def of(cls, xorb: Xorb, start: int = 0, end: int | None = None) -> "Term":
        end = len(xorb.nodes) if end is None else end
        part = xorb.nodes[start:end]
        return cls(xorb.hash, sum(n for _, n in part), start, end, range_hash([h for h, _ in part]))


@dataclass
class File:
    hash: bytes
    terms: list[Term]
    sha256: bytes | None

    @classmethod
    def of(cls, *parts: tuple[Xorb, int, int]) -> "File":
        nodes = [node for xorb, start, end in parts for node in xorb.nodes[start:end]]
        data = b"".join(chunk for xorb, start, end in parts for chunk in xorb.chunks[start:end])
        return cls(file_hash(nodes), [Term.of(*part) for part in parts], hashlib.sha256(data).digest())

    @classmethod
    def whole(cls, xorb: Xorb) -> "File":
        return cls.of((xorb, 0, len(xorb.nodes)))


def grouped(digest: bytes) -> bytes:
    """A sha256 as shards keep it: every group of eight bytes reversed."""
    return b"".join(digest[i : i + 8][::-1] for i in range(0, 32, 8))


def file_entry(f: File, flags: int | None = None, count: int | None = None) -> bytes:
    if flags is None:
        flags = VERIFICATION | (METADATA if f.sha256 else 0)
    out = f.hash + struct.pack("<IIQ", flags, len(f.terms) if count is None else count, 0)
    for t in f.terms:
        out += t.xorb + struct.pack("<IIII", 0, t.raw_bytes, t.start, t.end)
    if flags & VERIFICATION:
        out += b"".join(t.proof + bytes(16) for t in f.terms)
    if flags & METADATA:
        out += grouped(f.sha256) + bytes(16)
    return out


def xorb_entry(x: Xorb, count: int | None = None, raw_len: int | None = None) -> bytes:
    out = x.hash + struct.pack("<IIII", 0, len(x.nodes) if count is None else count,
                               x.raw_len if raw_len is None else raw_len, 0)
    offset = 0
    for h, n in x.nodes:
        out += h + struct.pack("<IIII", offset, n, 0, 0)
        offset += n
    return out


def shard(files: list[File | bytes], xorbs: list[Xorb | bytes], *, tag: bytes = TAG, version: int = 2, footer: int = 0,
          end: bytes = BOOKEND) -> bytes:
    """Entries given as bytes are taken as they are."""
    out = tag + struct.pack("<QQ", version, footer)
    out += b"".join(f if isinstance(f, bytes) else file_entry(f) for f in files) + end
    out += b"".join(x if isinstance(x, bytes) else xorb_entry(x) for x in xorbs) + end
    return out
