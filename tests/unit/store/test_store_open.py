"""Who may open the file, and what is said when it cannot be opened."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from alvps.store import schema
from alvps.store.errors import StoreBusy, StoreDamaged, StoreTooNew, StoreUnavailable
from alvps.store.schema import APPLICATION_ID, Migration, migrate
from alvps.store.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_a_new_file_is_private_and_durable(path: Path) -> None:
    store = Store(path)
    found = store.submit(
        lambda c: [c.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "auto_vacuum")]
    ).result(5)
    assert found == ["wal", 2, 2]  # WAL, FULL, INCREMENTAL
    for name in ("state.db", "state.db-wal", "state.db-shm", "state.db.lock"):
        assert stat.S_IMODE((path.parent / name).stat().st_mode) == 0o600, name
    store.close()


def test_a_second_daemon_is_refused(path: Path) -> None:
    store = Store(path)
    with pytest.raises(StoreBusy, match=f"in use by another daemon \\(process {os.getpid()}\\)"):
        Store(path)
    program = f"from pathlib import Path; from alvps.store.store import Store; Store(Path({str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "StoreBusy" in done.stderr
    store.close()
    Store(path).close()


def test_a_dead_daemons_lock_is_no_lock(path: Path) -> None:
    program = (
        "import os; from pathlib import Path; from alvps.store.store import Store\n"
        f"store = Store(Path({str(path)!r})); store.submit(lambda c: c.execute('CREATE TABLE t (x)')).result()\n"
        "store.submit(lambda c: c.execute('INSERT INTO t VALUES (1)')).result(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    store = Store(path)
    assert store.submit(lambda c: c.execute("SELECT x FROM t").fetchone()[0]).result(5) == 1
    store.close()


def test_damage_is_found_and_named(path: Path) -> None:
    store = Store(path)
    store.submit(lambda c: c.execute("CREATE TABLE t (x)")).result(5)
    store.submit(lambda c: c.executemany("INSERT INTO t VALUES (?)", [("y" * 500,)] * 500)).result(5)
    store.close()
    data = bytearray(path.read_bytes())
    page = 4096 * 20
    data[page : page + 4096] = os.urandom(4096)
    path.write_bytes(data)
    with pytest.raises(StoreDamaged, match="is damaged") as caught:
        Store(path)
    assert caught.value.hint
    assert "move" in caught.value.hint
    # The lock was given back: a repaired file can be opened by the same process.
    path.unlink()
    Store(path).close()


@pytest.mark.parametrize("content", [b"not a database, but a text\n" * 200, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match="is damaged"):
        Store(path)


def test_somebody_elses_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA application_id = 42")
        other.execute("CREATE TABLE precious (x)")
    with pytest.raises(StoreDamaged, match="of another program"):
        Store(path)
    with closing(sqlite3.connect(path)) as other:
        assert [row[0] for row in other.execute("SELECT name FROM sqlite_master")] == ["precious"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="No such file"):
        Store(tmp_path / "missing" / "state.db")


def test_migrations_run_once_each_and_keep_the_data(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection)
    connection.execute("INSERT INTO pauses VALUES ('dev', 1)")
    more = (*schema.MIGRATIONS, Migration(("ALTER TABLE pauses ADD COLUMN why TEXT",), oldest=1))
    migrate(connection, more)
    migrate(connection, more)
    assert connection.execute("SELECT * FROM pauses").fetchall() == [("dev", 1, None)]
    assert connection.execute("PRAGMA user_version").fetchone()[0] == len(more)
    # The older release, rolled back to, goes on with the newer file: the step said that it can.
    migrate(connection, schema.MIGRATIONS)
    migrate(connection, (*more, Migration(("DROP TABLE pauses",), oldest=len(more) + 1)))
    with pytest.raises(StoreTooNew, match=f"schema {len(more) + 1}, this version knows schemas up to {len(more)}"):
        migrate(connection, more)
    connection.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection)
    broken = Migration(("ALTER TABLE pauses ADD COLUMN why TEXT", "ALTER TABLE nothing ADD COLUMN x"), oldest=1)
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (*schema.MIGRATIONS, broken))
    assert connection.execute("PRAGMA user_version").fetchone()[0] == len(schema.MIGRATIONS)
    assert len(connection.execute("PRAGMA table_info(pauses)").fetchall()) == 2
    connection.close()


def test_a_copy_made_while_it_runs_is_whole(path: Path, tmp_path: Path) -> None:
    store = Store(path)
    assert store.submit(lambda c: c.execute("PRAGMA application_id").fetchone()[0]).result(5) == APPLICATION_ID
    store.submit(lambda c: c.execute("INSERT INTO pauses VALUES ('dev', 1)")).result(5)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in path.parent.glob("state.db*"):
        if not file.name.endswith("lock"):
            shutil.copy(file, copy)
    store.close()
    other = Store(copy / "state.db")
    assert other.submit(lambda c: c.execute("SELECT count(*) FROM pauses").fetchone()[0]).result(5) == 1
    other.close()
