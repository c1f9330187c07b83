"""The writer: what is resolved is on the disk, one that fails hurts nobody, and a full disk is survived."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from alvps.store.errors import StoreUnavailable
from alvps.store.store import Store


@pytest.fixture
def store(tmp_path: Path):
    opened = Store(tmp_path / "state.db")
    opened.submit(lambda c: c.execute("CREATE TABLE t (x INTEGER UNIQUE)")).result(5)
    yield opened
    opened.close()


def insert(connection: sqlite3.Connection, value: object) -> int:
    connection.execute("INSERT INTO t VALUES (?)", (value,))
    return connection.execute("SELECT count(*) FROM t").fetchone()[0]


def stored(store: Store) -> list[int]:
    with closing(sqlite3.connect(store.path)) as other:
        return [row[0] for row in other.execute("SELECT x FROM t ORDER BY x")]


def hold(store: Store) -> threading.Event:
    """Keep the writer busy, so that everything submitted meanwhile shares the next commit."""
    go = threading.Event()
    busy = threading.Event()

    def wait(_connection: sqlite3.Connection) -> None:
        busy.set()
        go.wait(5)

    store.submit(wait)
    assert busy.wait(5)
    return go


def commits(store: Store) -> list[str]:
    seen: list[str] = []
    store.submit(lambda c: c.set_trace_callback(lambda text: seen.append(text) if "COMMIT" in text else None)).result(5)
    return seen


def test_resolved_means_committed(store: Store) -> None:
    for value in range(20):
        store.submit(insert, value).result(5)
        assert stored(store)[-1] == value


def test_what_waits_shares_a_commit(store: Store) -> None:
    go = hold(store)
    futures = [store.submit(insert, value) for value in range(500)]
    seen = commits
    go.set()
    counts = [future.result(5) for future in futures]
    assert counts == list(range(1, 501))
    trace = seen(store)
    go = hold(store)
    futures = [store.submit(insert, value) for value in range(500, 1000)]
    del trace[:]
    go.set()
    assert [future.result(5) for future in futures][-1] == 1000
    # The one that was held, and one for all five hundred; SQLite writes no RELEASE as COMMIT.
    assert trace == ["COMMIT", "COMMIT"]


def test_one_that_fails_undoes_only_its_own_work(store: Store) -> None:
    def half(connection: sqlite3.Connection) -> None:
        insert(connection, 100)
        raise KeyError("mine")

    go = hold(store)
    futures = [store.submit(insert, 1), store.submit(half), store.submit(insert, 1), store.submit(insert, 2)]
    go.set()
    assert futures[0].result(5) == 1
    with pytest.raises(KeyError, match="mine"):
        futures[1].result(5)
    with pytest.raises(sqlite3.IntegrityError):
        futures[2].result(5)
    assert futures[3].result(5) == 2
    assert stored(store) == [1, 2]


def test_from_coroutines(store: Store) -> None:
    async def scenario() -> None:
        values = await asyncio.gather(*(store.write(insert, value) for value in range(100)))
        assert sorted(values) == list(range(1, 101))
        assert await store.read(lambda c: c.execute("SELECT count(*) FROM t").fetchone()[0]) == 100
        waiter = asyncio.ensure_future(store.write(insert, 1000))
        waiter.cancel()
        await store.write(insert, 1001)  # a cancelled waiter breaks nothing, and its write stands

    asyncio.run(scenario())
    assert stored(store)[-2:] == [1000, 1001]


def test_readers_cannot_write(store: Store) -> None:
    async def scenario() -> None:
        with pytest.raises(StoreUnavailable, match="readonly"):
            await store.read(insert, 1)
        assert await store.read(lambda c: c.execute("SELECT count(*) FROM t").fetchone()[0]) == 0

    asyncio.run(scenario())


def test_a_full_disk_fails_the_commit_and_is_over_when_there_is_space(store: Store) -> None:
    def limit(connection: sqlite3.Connection, pages: int) -> None:
        # SQLite's own limit gives the very error of a full disk.
        connection.execute(f"PRAGMA max_page_count = {pages}")

    def large(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS blobs (b BLOB)")
        connection.execute("INSERT INTO blobs VALUES (zeroblob(500000))")

    store.submit(insert, 1).result(5)
    store.submit(limit, 60).result(5)
    go = hold(store)
    good, bad = store.submit(insert, 2), store.submit(large)
    go.set()
    with pytest.raises(StoreUnavailable, match="full") as caught:
        bad.result(5)
    assert caught.value.hint == "free some space; what waits is retried"
    # It shared the commit: told the truth, not half of it.
    if good.exception(5) is None:
        assert 2 in stored(store)
    else:
        assert 2 not in stored(store)
    assert store.failing
    store.submit(limit, 1 << 30).result(5)
    store.submit(large).result(5)
    assert store.failing is None
    assert 1 in stored(store)


def test_the_writers_death_is_told_to_everybody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dead(BaseException):
        pass

    def die(_connection: sqlite3.Connection) -> None:
        raise Dead

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    go = hold(store)
    first, second = store.submit(die), store.submit(insert, 1)
    go.set()
    for future in (first, second):
        with pytest.raises(StoreUnavailable, match="has ended"):
            future.result(5)
    with pytest.raises(StoreUnavailable, match="closed"):
        store.submit(insert, 2).result(5)
    store._writer._thread.join(5)
    assert not store.alive


def test_close_stores_what_waits(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    store.submit(lambda c: c.execute("CREATE TABLE t (x)")).result(5)
    go = hold(store)
    futures = [store.submit(insert, value) for value in range(10)]
    threading.Timer(0.05, go.set).start()
    assert store.close()
    assert [future.result(0) for future in futures] == list(range(1, 11))
    assert stored(store) == list(range(10))
    with pytest.raises(StoreUnavailable, match="closed"):
        store.submit(insert, 1).result(0)
