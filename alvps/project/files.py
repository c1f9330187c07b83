"""Which files of a project travel in a push, and their digests."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alvps.errors import ProjectInvalid
from alvps.project.ignore import Ignored, read_ignored
from alvps.project.report import Report

MAX_FILE = 256 << 20  # bytes
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file: its path with slashes relative to the project, 0o644 or 0o755, its bytes' count and SHA-256 in hex."""

    path: str
    mode: int
    size: int
    sha256: str


def scan(folder: Path) -> tuple[FileEntry, ...]:
    """The files of a push, sorted by path. Links inside the project become the file they lead to.

    Raises ProjectInvalid, naming everything that cannot travel: links out of the project or to folders, sockets,
    fifos, devices, names that are not UTF-8, files over 256 MiB, what cannot be read.
    """
    root = os.path.realpath(folder)
    report = Report()
    ignored = read_ignored(root, report)
    entries = [
        entry
        for path, found in _walk(root, "", ignored, report)
        if (entry := _entry(root, path, found, ignored, report))
    ]
    if report.problems:
        raise ProjectInvalid(tuple(sorted(report.problems, key=lambda problem: problem.where)))
    return tuple(sorted(entries, key=lambda entry: entry.path))


def _walk(root: str, prefix: str, ignored: Ignored, report: Report) -> Iterator[tuple[str, os.DirEntry[str]]]:
    waiting = [prefix]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(f"{root}/{prefix}") as found:
                entries = list(found)
        except OSError as error:
            report.at(prefix.rstrip("/") or ".").say(f"cannot be read: {error.strerror}")
            continue
        for entry in entries:
            name = entry.name
            path = prefix + name
            is_folder = entry.is_dir(follow_symlinks=False)
            if ignored(path, name, is_folder):
                continue
            if not name.isascii() and not _is_utf8(name):
                report.at(path).say("its name is not UTF-8")
            elif is_folder:
                waiting.append(path + "/")
            else:
                yield path, entry


def _entry(root: str, path: str, entry: os.DirEntry[str], ignored: Ignored, report: Report) -> FileEntry | None:
    source = f"{root}/{path}"
    if entry.is_symlink():
        source = os.path.realpath(source)
        refusal = _link_refusal(root, source, ignored)
        if refusal:
            report.at(path).say(refusal)
            return None
    try:
        # Non-blocking: opening a fifo or a device must not wait. No link may have taken the file's place meanwhile.
        descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        report.at(path).say(_kind(entry) or f"cannot be read: {error.strerror}")
        return None
    try:
        return _digest(descriptor, path, report)
    finally:
        os.close(descriptor)


def _digest(descriptor: int, path: str, report: Report) -> FileEntry | None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        report.at(path).say(_SPECIAL.get(stat.S_IFMT(status.st_mode), "not a regular file"))
        return None
    if status.st_size > MAX_FILE:
        report.at(path).say(f"{status.st_size >> 20} MiB; allowed: up to {MAX_FILE >> 20} MiB, or list it in .alignore")
        return None
    digest = hashlib.sha256()
    size = 0
    try:
        while chunk := os.read(descriptor, _CHUNK if status.st_size > _CHUNK else status.st_size + 1):
            digest.update(chunk)
            size += len(chunk)
            if size > MAX_FILE:
                report.at(path).say(f"it grows while it is read; allowed: up to {MAX_FILE >> 20} MiB")
                return None
    except OSError as error:
        report.at(path).say(f"cannot be read: {error.strerror}")
        return None
    # Only the owner's execute bit counts: the rest differs between machines by umask alone.
    mode = 0o755 if status.st_mode & 0o100 else 0o644
    return FileEntry(path=path, mode=mode, size=size, sha256=digest.hexdigest())


_SPECIAL = {
    stat.S_IFSOCK: "a socket; only files can be pushed",
    stat.S_IFIFO: "a fifo; only files can be pushed",
    stat.S_IFCHR: "a device; only files can be pushed",
    stat.S_IFBLK: "a device; only files can be pushed",
}


def _kind(entry: os.DirEntry[str]) -> str | None:
    try:
        return _SPECIAL.get(stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode))
    except OSError:
        return None


def _link_refusal(root: str, target: str, ignored: Ignored) -> str | None:
    if not target.startswith(root + os.sep):
        return "a link out of the project; put a copy in its place, or list it in .alignore"
    try:
        mode = os.stat(target).st_mode  # noqa: PTH116 - a str on the hot path
    except OSError:
        return "a link that leads nowhere"
    if stat.S_ISDIR(mode):
        return "a link to a folder; only links to files can be pushed"
    if not stat.S_ISREG(mode):
        return _SPECIAL.get(stat.S_IFMT(mode), "not a regular file")
    parts = target[len(root) + 1 :].split("/")
    for depth in range(1, len(parts) + 1):
        if ignored("/".join(parts[:depth]), parts[depth - 1], depth < len(parts)):
            # Or a link would carry .env to the host under another name.
            return "a link to a file that is itself not pushed (see .alignore and the built-in list)"
    return None


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
