"""A copy of the store: whole, of one moment, made while everything goes on."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest

from alvps.store import backup, runs
from alvps.store.backup import BackupFailed
from alvps.store.runs import Run
from alvps.store.store import Store
from tests.support.daemon_rig import ask, behave, release, running, until
from tests.support.fake_launcher import FakeLauncher


def pair(connection: sqlite3.Connection, number: int) -> None:
    """Two rows that are never seen apart."""
    for half in "ab":
        runs.add(connection, Run(run=f"{number:06}{half}", agent="dev", trigger="manual", state="queued", queued=1))


def test_it_is_of_one_moment_under_load(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = Store(tmp_path / "state.db")
        written = 0

        async def write() -> None:
            nonlocal written
            while True:
                await asyncio.gather(*(store.write(pair, written + n) for n in range(20)))
                written += 20

        writer = asyncio.create_task(write())
        try:
            counts = []
            for number in range(5):
                await until(lambda number=number: written >= number * 200, "the writes")
                before = written
                target = tmp_path / f"{number}.db"
                size = await asyncio.to_thread(backup.copy, store.path, target)
                assert written > before or number == 0, "the writer waited for the copy"
                assert size == target.stat().st_size
                assert stat.S_IMODE(target.stat().st_mode) == 0o600
                counts.append(count(target))
                assert counts[-1] >= 2 * before  # everything that was acknowledged before it
                assert counts[-1] % 2 == 0
            assert counts == sorted(counts)
        finally:
            writer.cancel()
            await asyncio.wait({writer})
            store.close()

    asyncio.run(scenario())
    assert sorted(path.name for path in tmp_path.glob("*.db*") if path.name[0].isdigit()) == [
        f"{n}.db" for n in range(5)
    ]
    # It is a store.
    again = Store(tmp_path / "4.db")
    again.close()


def count(path: Path) -> int:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])
    finally:
        connection.close()


def size_of(path: Path) -> int:
    return path.stat().st_size


def test_nothing_is_replaced_and_nothing_is_left_behind(tmp_path: Path) -> None:
    Store(tmp_path / "state.db").close()
    there = tmp_path / "there"
    there.write_text("precious")
    with pytest.raises(BackupFailed, match="exists already"):
        backup.copy(tmp_path / "state.db", there)
    assert there.read_text() == "precious"
    with pytest.raises(BackupFailed, match="not an absolute path"):
        backup.copy(tmp_path / "state.db", Path("copy.db"))
    with pytest.raises(BackupFailed, match="no copy at"):
        backup.copy(tmp_path / "state.db", tmp_path / "there" / "copy.db")
    (tmp_path / ".copy.db.new").write_text("of a daemon that was killed")
    backup.copy(tmp_path / "state.db", tmp_path / "copy.db")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_by_order(tmp_path: Path) -> None:
    release(tmp_path, 1, {"dev": "manual = true"})
    behave(tmp_path, dev={"seconds": 1000})

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path) as daemon:
            run = await daemon.start("dev")
            made = await daemon.ask("POST", "/backup")
            path = Path(made["path"])
            assert path.parent == tmp_path / "state" / "backups"
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert size_of(path) == made["bytes"]
            assert count(path) == 1
            named = await daemon.ask("POST", "/backup", {"path": str(tmp_path / "mine.db")})
            assert named["path"] == str(tmp_path / "mine.db")
            status, answer = await ask(tmp_path, "POST", "/backup", {"path": str(tmp_path / "mine.db")})
            assert (status, answer["error"]) == (409, f"{tmp_path / 'mine.db'} exists already")
            assert (await ask(tmp_path, "POST", "/backup", {"path": 1}))[0] == 400
            for none in ("/", "mine.db", f"{tmp_path}/a\0b", f"{tmp_path}/{'a' * 300}", f"{tmp_path}/{'a' * 255}"):
                assert (await ask(tmp_path, "POST", "/backup", {"path": none}))[0] == 409, none
            both = await asyncio.gather(*(ask(tmp_path, "POST", "/backup") for _ in range(2)))
            assert sorted(status for status, _ in both) in ([200, 200], [200, 409])
            assert (await daemon.ask("GET", f"/runs/{run}"))["finished"] is None

    asyncio.run(scenario())
