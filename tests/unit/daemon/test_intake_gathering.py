"""Writes that are gathered: each gets its own result, in order, and what fails fails alone."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alvps.daemon.gathering import Gathering
from alvps.store.errors import StoreUnavailable
from alvps.store.store import Store
from tests.support.examples import examples


class Bad(Exception):
    pass


class World:
    """A store with one table, and what became of what was put."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "state.db")
        self.store.submit(lambda c: c.execute("CREATE TABLE t (x INTEGER)")).result(5)
        self.batches: list[list[int]] = []
        self.settled: list[tuple[int, str]] = []
        self.gathering: Gathering[int, str] = Gathering(self.store, self.insert, self.settled.extend)

    def insert(self, connection: sqlite3.Connection, items: Sequence[int]) -> list[str]:
        for item in items:
            connection.execute("INSERT INTO t VALUES (?)", (item,))
        if any(item < 0 for item in items):
            raise Bad(min(items))
        self.batches.append(list(items))
        return [f"stored {item}" for item in items]

    def stored(self) -> list[int]:
        return [row[0] for row in self.store.submit(lambda c: c.execute("SELECT x FROM t").fetchall()).result(5)]

    def hold(self) -> threading.Event:
        """Keep the writer busy."""
        go, busy = threading.Event(), threading.Event()

        def wait(_connection: sqlite3.Connection) -> None:
            busy.set()
            go.wait(5)

        self.store.submit(wait)
        assert busy.wait(5)
        return go


@pytest.fixture
def world(tmp_path: Path):
    made = World(tmp_path)
    yield made
    made.store.close()


def test_what_waits_is_one_job(world: World) -> None:
    async def scenario() -> None:
        go = world.hold()
        futures = [world.gathering.put(number) for number in range(50)]
        go.set()
        assert await asyncio.gather(*futures) == [f"stored {number}" for number in range(50)]
        assert await world.gathering.put(99) == "stored 99"

    asyncio.run(scenario())
    assert world.batches == [list(range(50)), [99]]
    assert world.stored() == [*range(50), 99]


def test_the_engine_is_told_before_the_senders(world: World) -> None:
    """Whoever was answered may ask for the run at once."""

    async def one(number: int) -> None:
        await world.gathering.put(number)
        assert (number, f"stored {number}") in world.settled

    async def scenario() -> None:
        await asyncio.gather(*(one(number) for number in range(20)))

    asyncio.run(scenario())


def test_one_that_cannot_be_stored_fails_alone(world: World) -> None:
    async def scenario() -> None:
        go = world.hold()
        futures = [world.gathering.put(number) for number in (1, -2, 3)]
        go.set()
        found = await asyncio.gather(*futures, return_exceptions=True)
        assert (found[0], found[2]) == ("stored 1", "stored 3")
        assert isinstance(found[1], Bad)
        with pytest.raises(Bad):
            await world.gathering.put(-5)
        assert await world.gathering.put(6) == "stored 6"

    asyncio.run(scenario())
    assert world.stored() == [1, 3, 6]
    assert [item for item, _ in world.settled] == [1, 3, 6]


def test_a_full_disk_is_told_to_all_and_over_when_there_is_space(world: World) -> None:
    def limit(connection: sqlite3.Connection, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    def large(connection: sqlite3.Connection, items: Sequence[int]) -> list[str]:
        connection.execute("CREATE TABLE IF NOT EXISTS blobs (b BLOB)")
        connection.execute("INSERT INTO blobs VALUES (zeroblob(500000))")
        return world.insert(connection, items)

    async def scenario() -> None:
        gathering: Gathering[int, str] = Gathering(world.store, large, world.settled.extend)
        await world.store.write(limit, 60)
        go = world.hold()
        futures = [gathering.put(number) for number in range(3)]
        go.set()
        found = await asyncio.gather(*futures, return_exceptions=True)
        assert all(isinstance(error, StoreUnavailable) for error in found)
        assert len({id(error) for error in found}) == 3
        assert world.settled == []
        await world.store.write(limit, 1 << 30)
        assert await gathering.put(7) == "stored 7"

    asyncio.run(scenario())
    assert world.stored() == [7]


def test_a_closed_store_leaves_nobody_waiting(world: World) -> None:
    async def scenario() -> None:
        assert world.store._writer.close(5)
        for number in range(2):
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(world.gathering.put(number), 5)

    asyncio.run(scenario())


@settings(max_examples=examples(25), deadline=None)
@given(data=st.data())
def test_nothing_is_forgotten_or_done_twice(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """However puts and the writer's turns fall together, waiters that went away included."""
    rounds = data.draw(st.lists(st.lists(st.booleans(), max_size=6), min_size=1, max_size=12))
    world = World(tmp_path_factory.mktemp("gathering"))

    async def scenario() -> None:
        tasks = []
        number = 0
        for stays in rounds:
            for stay in stays:
                task = asyncio.ensure_future(asyncio.shield(world.gathering.put(number)))
                number += 1
                if stay:
                    tasks.append(task)
                else:
                    task.cancel()
            for _ in range(data.draw(st.integers(0, 3))):
                await asyncio.sleep(0)
        for task in tasks:
            await asyncio.wait_for(task, 5)
        await world.gathering.put(number)

    try:
        asyncio.run(scenario())
        total = sum(map(len, rounds)) + 1
        assert world.stored() == list(range(total))
        assert [item for item, _ in world.settled] == list(range(total))
    finally:
        world.store.close()
