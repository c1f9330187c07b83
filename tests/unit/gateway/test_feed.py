"""The feed: what is newest, to all who watch, and no look while nobody does."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

from alvps.gateway.feed import Feed
from alvps.gateway.sessions import Session


class Source:
    """A status that a test changes; waits for a look."""

    def __init__(self) -> None:
        self.value = 0
        self.looks = 0
        self._looked = asyncio.Event()

    async def read(self) -> dict[str, Any]:
        self.looks += 1
        self._looked.set()
        return {"value": self.value, "now": self.looks}

    async def look(self) -> None:
        """Until it was looked at twice: what was set before is told by then."""
        for _ in range(2):
            self._looked.clear()
            await self._looked.wait()


def session() -> Session:
    return Session(until=float("inf"))


def value(text: str | None) -> Any:
    return None if text is None else json.loads(text)["value"]


def test_heartbeats_while_nothing_changes() -> None:
    async def scenario() -> None:
        source = Source()
        async with aclosing(Feed(source.read, each=0.01).watch(session(), heartbeat=0.05)) as events:
            assert [value(await anext(events)) for _ in range(4)] == [0, None, None, None]
            source.value = 1
            seen = value(await anext(events))
            while seen is None:
                seen = value(await anext(events))
            assert seen == 1

    asyncio.run(scenario())


def test_who_is_slow_gets_what_is_newest() -> None:
    async def scenario() -> None:
        source = Source()
        async with aclosing(Feed(source.read, each=0.01).watch(session())) as events:
            assert value(await anext(events)) == 0
            for number in range(1, 6):
                source.value = number
                await source.look()
            assert value(await anext(events)) == 5

    asyncio.run(scenario())


def test_all_are_told_by_one_look_and_nobody_looks_for_nobody() -> None:
    async def scenario() -> None:
        source = Source()
        feed = Feed(source.read, each=60.0)
        async with aclosing(feed.watch(session())) as one, aclosing(feed.watch(session())) as two:
            assert [value(await anext(one)), value(await anext(two))] == [0, 0]
            assert source.looks == 1
        source.value = 7
        async with aclosing(feed.watch(session())) as three:  # is not told what was true long ago
            assert value(await anext(three)) == 7

    asyncio.run(scenario())


def test_the_end_of_a_session_is_the_end_of_the_watch() -> None:
    async def scenario() -> None:
        mine = session()
        async with aclosing(Feed(Source().read, each=60.0).watch(mine)) as events:
            await anext(events)
            asyncio.get_running_loop().call_soon(mine.ended.set)
            assert [event async for event in events] == []

    asyncio.run(scenario())
