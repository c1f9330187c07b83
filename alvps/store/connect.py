"""Opening the file: who may, whether it is whole, and with which settings."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
from pathlib import Path

from alvps.store.errors import StoreBusy, StoreDamaged, StoreUnavailable
from alvps.store.schema import APPLICATION_ID, migrate


def lock(path: Path) -> int:
    """Take the file's lock for this process: a descriptor to keep open. Raises StoreBusy, StoreUnavailable.

    A lock of its own file: SQLite's own locks come and go per transaction, and two daemons that take turns would
    both dispatch.
    """
    name = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailable(f"cannot open {name}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise StoreUnavailable(f"cannot lock {name}: {error.strerror}") from error
        raise StoreBusy(
            f"{path} is in use by another daemon" + (f" (process {owner})" if owner else ""),
            hint="systemctl status action-llama shows the one that runs",
        ) from error
    with contextlib.suppress(OSError):  # a full disk: the process id is a courtesy, the lock is held
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes; the file is created, checked and brought to the newest form.

    Raises StoreDamaged, StoreTooNew, StoreUnavailable.
    """
    new = not path.exists()
    if new:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = _connect(path)
    try:
        _settle(connection)
        if new:
            # Must come before the first table; lets the file shrink again after old runs are dropped.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit returns after its bytes are on the disk. NORMAL may lose the last ones when the power goes.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {16 << 20}")
        owner = _check(connection, path)
        migrate(connection)
        if owner != APPLICATION_ID:  # nothing is written to a file that is as it should be: the disk may be full
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _sync_folder(path.parent)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise translated(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    connection = _connect(path)
    _settle(connection)
    connection.execute("PRAGMA query_only = ON")
    return connection


def translated(error: sqlite3.Error, path: Path) -> StoreUnavailable | StoreDamaged:
    """What an error of SQLite means for the one who meets it."""
    text = str(error)
    if any(sign in text for sign in ("malformed", "not a database", "corrupt")):
        return StoreDamaged(
            f"{path} is damaged: {text}",
            hint=f"stop the service, move {path.name}* away and start it again: history is lost, agents go on",
        )
    if "full" in text:
        return StoreUnavailable(f"cannot write {path}: {text}", hint="free some space; what waits is retried")
    return StoreUnavailable(f"cannot use {path}: {text}")


def _connect(path: Path) -> sqlite3.Connection:
    # isolation_level None: transactions begin and end where this package says so, not where the module guesses.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.row_factory = sqlite3.Row
    return connection


def _settle(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cache_size = -2048")  # KiB


def _check(connection: sqlite3.Connection, path: Path) -> int:
    """Whether the file is ours and whole; gives its application id, 0 in one that is new. Raises StoreDamaged."""
    owner: int = connection.execute("PRAGMA application_id").fetchone()[0]
    if owner not in (0, APPLICATION_ID):
        raise StoreDamaged(f"{path} is a database of another program")
    finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise StoreDamaged(
            f"{path} is damaged: {finding}",
            hint=f"stop the service, move {path.name}* away and start it again: history is lost, agents go on",
        )
    return owner


def _sync_folder(folder: Path) -> None:
    # The names of a new file and its log are not durable before their folder is.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
