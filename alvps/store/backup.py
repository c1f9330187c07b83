"""A copy of the database as it is at one moment, made while it is being written to."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from alvps.errors import AlError
from alvps.store import connect


class BackupFailed(AlError):
    """There is no copy; the database is as it was."""


def copy(source: Path, target: Path) -> int:
    """Copy the database to `target`, which must not exist; gives its bytes. Blocks. Raises BackupFailed.

    All pages in one step: that reads one state of the write-ahead log from beginning to end, while the writer goes on
    behind it. In several steps it would have to begin again after every commit. The copy has its name only when it is
    whole, checked and on the disk.
    """
    if not target.is_absolute():
        raise BackupFailed(f"{target} is not an absolute path")
    try:
        if os.path.lexists(target):
            raise _exists(target)
        temporary = target.with_name(f".{target.name}.new")
        target.parent.mkdir(mode=0o700, exist_ok=True)
        temporary.unlink(missing_ok=True)  # of a daemon that was killed over it
        os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            _pages(source, temporary)
            _sync(temporary)
            _name(temporary, target)
            _sync(target.parent)
            return target.stat().st_size
        finally:
            for name in (temporary, *(temporary.with_name(temporary.name + end) for end in ("-wal", "-shm"))):
                name.unlink(missing_ok=True)
    except (OSError, sqlite3.Error, ValueError) as error:  # ValueError: a NUL in the path
        raise BackupFailed(f"no copy at {target}: {error}") from error


def _name(temporary: Path, target: Path) -> None:
    try:
        os.link(temporary, target)  # unlike a rename, it replaces nothing
    except FileExistsError as error:
        raise _exists(target) from error


def _exists(target: Path) -> BackupFailed:
    return BackupFailed(f"{target} exists already", hint="name another file, or remove that one")


def _pages(source: Path, target: Path) -> None:
    with contextlib.closing(connect.open_reader(source)) as origin, contextlib.closing(sqlite3.connect(target)) as file:
        origin.backup(file, pages=-1)
        # One file is to be the whole copy: out of WAL, which would keep a second one beside it.
        file.execute("PRAGMA journal_mode = DELETE")
        finding = file.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if finding != "ok":
            raise sqlite3.DatabaseError(finding)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
