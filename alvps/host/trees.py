"""How does a folder come to hold exactly these entries, sharing unchanged files with what is already on the disk?

Files are made once (a hard link, or written with O_EXCL) and never opened for writing again, so a link can share them
safely. Paths come from strangers' projects: they are checked when a manifest is read, and walked here folder by folder
with O_NOFOLLOW.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from alvps.host import fsio
from alvps.host.manifest import Entry

# Every file of a release has this modification time. One that was edited in place by hand no longer has it, so it is
# not taken over into the next release; and archives made from a release do not depend on when it was pushed.
MOMENT = 946_684_800  # 2000-01-01T00:00:00Z
FEW = 64  # up to so many new files, single fsyncs are cheaper than a whole file system's
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20


class Source(NamedTuple):
    """A file on this disk that has the wanted content."""

    path: str
    mode: int  # what it has; a hard link shares it
    loose: bool  # a blob of this push: its mode may still be set


class Sources:
    """Where the content of an entry is found on this disk: by digest."""

    def __init__(self) -> None:
        self._by_digest: dict[str, list[Source]] = {}

    def add_tree(self, folder: str, entries: Iterable[Entry]) -> None:
        """Offer the files of an assembled tree."""
        for entry in entries:
            self._by_digest.setdefault(entry.sha256, []).append(
                Source(f"{folder}/{entry.path}", entry.mode, loose=False)
            )

    def add_blob(self, path: str, sha256: str) -> None:
        """Offer a blob whose content was checked."""
        self._by_digest.setdefault(sha256, []).append(Source(path, 0, loose=True))

    def find(self, entry: Entry) -> Source | None:
        """A source for the entry, one with the right mode if there is one; None if its content must travel."""
        best: Source | None = None
        for source in self._by_digest.get(entry.sha256, ()):
            if _usable(source, entry.size):
                if source.mode == entry.mode:
                    return source
                best = best or source
        return best

    def claim(self, source: Source, mode: int) -> None:
        """A blob has been given its mode: from now on it is a file like others."""
        os.chmod(source.path, mode)
        for known in self._by_digest.values():
            if source in known:
                known[known.index(source)] = Source(source.path, mode, loose=False)
                return


def _usable(source: Source, size: int) -> bool:
    try:
        status = os.lstat(source.path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_size == size
        and status.st_mtime == MOMENT
        and status.st_uid == os.geteuid()
        and (source.loose or stat.S_IMODE(status.st_mode) == source.mode)
    )


def missing(entries: Iterable[Entry], sources: Sources) -> list[Entry]:
    """One entry per content that is nowhere on this disk, in the order of paths."""
    wanted: dict[str, Entry] = {}
    for entry in entries:
        if entry.sha256 not in wanted and sources.find(entry) is None:
            wanted[entry.sha256] = entry
    return sorted(wanted.values())


def build(folder: str, entries: Iterable[Entry], sources: Sources) -> int:
    """Fill a new folder with the entries. Returns the number of files that had to be written.

    Raises OSError, and LookupError when an entry's content is in no source.
    """
    os.mkdir(folder, 0o755)
    written = 0
    with contextlib.closing(_Folders(folder)) as folders:
        for entry in sorted(entries, key=lambda entry: entry.path.split("/")):
            parent, _, name = entry.path.rpartition("/")
            descriptor = folders.open(parent)
            source = sources.find(entry)
            if source is None:
                raise LookupError(f"the content of {entry.path!r} is not here")
            if source.loose:
                sources.claim(source, entry.mode)
                source = Source(source.path, entry.mode, loose=False)
            if source.mode != entry.mode or not _link(source.path, name, descriptor):
                _copy(source.path, name, entry.mode, descriptor)
                written += 1
    return written


def sync(folder: str, entries: Iterable[Entry], written: int) -> None:
    """Have the whole tree on the disk when this returns. `written` is how many of its files are new."""
    if written > FEW:
        fsio.sync_file_system(folder)
        return
    with contextlib.closing(_Folders(folder)) as folders:
        for parent in sorted({entry.path.rpartition("/")[0] for entry in entries} | {""}):
            os.fsync(folders.open(parent))


def read_chunks(path: str) -> Iterator[bytes]:
    """The content of a file, piece by piece, links not followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while chunk := os.read(descriptor, _CHUNK):
            yield chunk
    finally:
        os.close(descriptor)


def _link(source: str, name: str, folder: int) -> bool:
    try:
        os.link(source, name, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno in {errno.EMLINK, errno.EXDEV, errno.EPERM}:  # too many links, or a file system without
            return False
        raise
    return True


def _copy(source: str, name: str, mode: int, folder: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, mode, dir_fd=folder)
    try:
        for chunk in read_chunks(source):
            fsio.write_all(descriptor, chunk)
        os.fchmod(descriptor, mode)
        os.utime(descriptor, (MOMENT, MOMENT))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Folders:
    """Open folders along the current path. Entries come sorted by parts, so few are ever open at once."""

    def __init__(self, root: str) -> None:
        self._open: list[tuple[str, int]] = [("", os.open(root, _FOLDER_FLAGS))]

    def close(self) -> None:
        while self._open:
            os.close(self._open.pop()[1])

    def open(self, path: str) -> int:
        """The folder at this path below the root, made if it is not there."""
        while not (self._open[-1][0] == "" or f"{path}/".startswith(f"{self._open[-1][0]}/")):
            os.close(self._open.pop()[1])
        here = self._open[-1][0]
        rest = path[len(here) :].strip("/") if here else path
        for part in rest.split("/") if rest else ():
            parent = self._open[-1][1]
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=parent)
            here = f"{here}/{part}" if here else part
            self._open.append((here, os.open(part, _FOLDER_FLAGS, dir_fd=parent)))
        return self._open[-1][1]
