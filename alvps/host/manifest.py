"""What is a tree of files, and is this one the same as that one? Pure; both sides of a push use it.

An entry is (path, mode, size, sha256). A tree is its sorted entries; its digest names it. For telling a remote tree
apart cheaply, entries fall into 256 buckets by the first byte of sha256(path), and each bucket has a short digest.
The short digests only say where to look: the digest of the whole tree is always checked at the end.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from typing import NamedTuple

BUCKETS = 256
BUCKET_DIGEST_SIZE = 16
MODES = (0o644, 0o755)
MAX_FILES = 100_000
MAX_FILE = 256 << 20
MAX_TOTAL = 16 << 30
MAX_PATH = 4000  # bytes; a release's own prefix must still fit under PATH_MAX
MAX_PART = 255
MAX_TEXT = 64 << 20  # a manifest's JSON, uncompressed


class BadManifest(ValueError):
    """The entries are not a tree that may be written to a disk; the message names the path."""


class Entry(NamedTuple):
    """One regular file: POSIX path relative to the tree's root, 0o644 or 0o755, bytes, sha256 in hex."""

    path: str
    mode: int
    size: int
    sha256: str


def tree_digest(entries: Iterable[Entry]) -> str:
    """The digest that names a tree: sha256 in hex over its sorted entries."""
    import hashlib

    total = hashlib.sha256()
    for entry in sorted(entries):
        total.update(_line(entry))
    return total.hexdigest()


def bucket_of(path: str) -> int:
    """The bucket, 0 to 255, of a path."""
    import hashlib

    return hashlib.sha256(path.encode()).digest()[0]


def bucketed(entries: Iterable[Entry]) -> list[list[Entry]]:
    """The entries by bucket, each bucket sorted."""
    buckets: list[list[Entry]] = [[] for _ in range(BUCKETS)]
    for entry in sorted(entries):
        buckets[bucket_of(entry.path)].append(entry)
    return buckets


def bucket_digests(entries: Iterable[Entry]) -> bytes:
    """256 digests of 16 bytes, one after the other."""
    import hashlib

    return b"".join(
        hashlib.sha256(b"".join(map(_line, bucket))).digest()[:BUCKET_DIGEST_SIZE] for bucket in bucketed(entries)
    )


def differing(mine: bytes, theirs: bytes) -> list[int]:
    """The buckets whose digests differ. Raises BadManifest when a list of digests has the wrong length."""
    size = BUCKET_DIGEST_SIZE
    if len(mine) != BUCKETS * size or len(theirs) != BUCKETS * size:
        raise BadManifest("a list of bucket digests has the wrong length")
    return [n for n in range(BUCKETS) if mine[n * size : (n + 1) * size] != theirs[n * size : (n + 1) * size]]


def encode(entries: Iterable[Entry]) -> bytes:
    """The entries as they travel and as they lie in a release: compressed JSON."""
    return zlib.compress(json.dumps([list(entry) for entry in sorted(entries)], separators=(",", ":")).encode(), 6)


def decode(data: bytes) -> tuple[Entry, ...]:
    """The entries, every path and number checked. Raises BadManifest."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, MAX_TEXT)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise BadManifest("a manifest is over its size limit or cut short")
        rows = json.loads(text)
    except (zlib.error, ValueError, RecursionError) as error:
        if isinstance(error, BadManifest):
            raise
        raise BadManifest(f"a manifest does not parse: {error}") from error
    if not isinstance(rows, list):
        raise BadManifest("a manifest is not a list")
    return checked(_entry(row) for row in rows)


def checked(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries sorted, if they are a tree: legal paths, no path twice, no file that is also a folder, within limits.

    Raises BadManifest.
    """
    result = tuple(sorted(entries))
    if len(result) > MAX_FILES:
        raise BadManifest(f"{len(result)} files are more than the limit of {MAX_FILES}")
    paths: set[str] = set()
    for entry in result:
        check_path(entry.path)
        if entry.path in paths:
            raise BadManifest(f"{entry.path!r} is listed twice")
        paths.add(entry.path)
    total = sum(entry.size for entry in result)
    if total > MAX_TOTAL:
        raise BadManifest(f"{total} bytes are more than the limit of {MAX_TOTAL}")
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent:
            if parent in paths:
                raise BadManifest(f"{parent!r} is a file and a folder at once")
            parent = parent.rpartition("/")[0]
    return result


def check_path(path: str) -> None:
    """Raise BadManifest unless the path stays inside its tree on any POSIX file system."""
    try:
        encoded = path.encode()
    except UnicodeEncodeError as error:
        raise BadManifest(f"{path!r} is not UTF-8") from error
    parts = encoded.split(b"/")
    if not path or len(encoded) > MAX_PATH or b"\0" in encoded:
        raise BadManifest(f"{path[:80]!r} is no legal path")
    for part in parts:
        if part in {b"", b".", b".."} or len(part) > MAX_PART:
            raise BadManifest(f"{path[:80]!r} is no legal path inside a tree")


def _entry(row: object) -> Entry:
    if not (isinstance(row, list) and len(row) == 4):
        raise BadManifest("a manifest's row is not [path, mode, size, sha256]")
    path, mode, size, sha256 = row
    if not (isinstance(path, str) and type(mode) is int and type(size) is int and isinstance(sha256, str)):
        raise BadManifest("a manifest's row has parts of the wrong type")
    if mode not in MODES:
        raise BadManifest(f"{path!r} has mode {mode:o}, not 644 or 755")
    if not 0 <= size <= MAX_FILE:
        raise BadManifest(f"{path!r} has {size} bytes, not 0 to {MAX_FILE}")
    check_digest(sha256)
    return Entry(path, mode, size, sha256)


def check_digest(text: object) -> str:
    """The text, if it is a sha256 in lower-case hex. Raises BadManifest."""
    if not (isinstance(text, str) and len(text) == 64 and all(c in "0123456789abcdef" for c in text)):
        raise BadManifest(f"{text!r} is no sha256 in hex")
    return text


def _line(entry: Entry) -> bytes:
    # NUL cannot be in a path, so no two trees share a text.
    return f"{entry.path}\0{entry.mode:o} {entry.size} {entry.sha256}\0".encode()
