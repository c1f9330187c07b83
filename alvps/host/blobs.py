"""Contents that travel: one stream of all missing files, cut into frames, each file checked by hash before use.

What arrived whole stays in `blobs/` when a push breaks off, so the next push does not send it again.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence

from alvps import frames
from alvps.host import fsio, trees
from alvps.host.layout import Layout
from alvps.host.manifest import Entry

CHUNK = 1 << 20
KEPT_SECONDS = 24 * 3600


class BadBlob(ValueError):
    """The stream is not what the manifest promised."""


def add_earlier(layout: Layout, entries: Sequence[Entry], sources: trees.Sources) -> None:
    """Offer what an interrupted push left, after checking it anew: a power cut may have torn it."""
    here = set(fsio.names_in(layout.at("blobs")))
    for sha256 in {entry.sha256 for entry in entries} & here:
        path = layout.at("blobs", sha256)
        if sources.find(next(entry for entry in entries if entry.sha256 == sha256)) is None:
            if _hash_of(path) == sha256:
                os.utime(path, (trees.MOMENT, trees.MOMENT))
                sources.add_blob(path, sha256)
            else:
                fsio.remove_file(path)


def receive(
    layout: Layout,
    wanted: Sequence[Entry],
    sources: trees.Sources,
    next_frame: Callable[[], tuple[frames.Message, bytes]],
) -> None:
    """Take the contents of `wanted`, in that order, out of the coming frames. Raises BadBlob, OSError."""
    fsio.make_folder(layout.at("blobs"), 0o700)
    flush = len(wanted) <= 64  # more are written out by one syncfs when the tree is built
    stream = _Stream(next_frame)
    for entry in wanted:
        path = layout.at("blobs", entry.sha256)
        _receive_one(path, entry, stream, flush=flush)
        sources.add_blob(path, entry.sha256)
    stream.finish()


def forget(layout: Layout, *, older_than: float | None = None) -> None:
    """Remove the blobs; with a moment, only those older and those that never became whole."""
    for name in fsio.names_in(layout.at("blobs")):
        path = layout.at("blobs", name)
        if older_than is None or name.startswith(".") or os.lstat(path).st_ctime < older_than:
            fsio.remove_tree(path)


def decompress(data: bytes, limit: int = CHUNK) -> bytes:
    """A compressed chunk's bytes. Raises BadBlob when it is broken or would be larger than `limit`."""
    unpacker = zlib.decompressobj()
    try:
        result = unpacker.decompress(data, limit)
    except zlib.error as error:
        raise BadBlob(f"a compressed chunk is broken: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise BadBlob(f"a compressed chunk is broken or holds more than {limit} bytes")
    return result


def _receive_one(path: str, entry: Entry, stream: _Stream, *, flush: bool) -> None:
    import hashlib

    temporary = f"{os.path.dirname(path)}/.{entry.sha256}"
    fsio.remove_tree(temporary)
    total = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, entry.mode)
    try:
        missing = entry.size
        while missing:
            piece = stream.read(missing)
            total.update(piece)
            fsio.write_all(descriptor, piece)
            missing -= len(piece)
        _check(total.hexdigest(), entry)
        os.fchmod(descriptor, entry.mode)
        os.utime(descriptor, (trees.MOMENT, trees.MOMENT))
        if flush:
            os.fsync(descriptor)
    except BaseException:
        fsio.remove_tree(temporary)
        raise
    finally:
        os.close(descriptor)
    os.rename(temporary, path)


def _check(digest: str, entry: Entry) -> None:
    if digest != entry.sha256:
        raise BadBlob(f"the content of {entry.path!r} does not have the announced hash")


class _Stream:
    """The concatenated contents, however they were cut into frames."""

    def __init__(self, next_frame: Callable[[], tuple[frames.Message, bytes]]) -> None:
        self._next_frame = next_frame
        self._rest = b""

    def read(self, most: int) -> bytes:
        while not self._rest:
            message, blob = self._next_frame()
            if message.get("t") != "data" or len(blob) > CHUNK + 1024:
                raise BadBlob(f"expected file contents, got {message.get('t')!r} with {len(blob)} bytes")
            self._rest = decompress(blob) if message.get("z") else blob
        piece, self._rest = self._rest[:most], self._rest[most:]
        return piece

    def finish(self) -> None:
        if self._rest:
            raise BadBlob(f"{len(self._rest)} bytes more came than the manifest has")


def _hash_of(path: str) -> str | None:
    import hashlib

    total = hashlib.sha256()
    try:
        for chunk in trees.read_chunks(path):
            total.update(chunk)
    except OSError:
        return None
    return total.hexdigest()
