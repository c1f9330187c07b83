"""An answer that is found once for all who ask."""

from __future__ import annotations

import asyncio

import pytest

from alvps.daemon.remembered import Remembered


def test_it_is_found_once_and_again_when_it_is_old() -> None:
    async def scenario() -> None:
        now, found = 100.0, 0

        async def find() -> int:
            nonlocal found
            found += 1
            await asyncio.sleep(0)
            return found

        answer = Remembered(find, 1.0, clock=lambda: now)
        assert await asyncio.gather(*(answer.get() for _ in range(50))) == [1] * 50
        now += 0.9
        assert await answer.get() == 1
        now += 0.2
        assert await asyncio.gather(*(answer.get() for _ in range(50))) == [2] * 50

    asyncio.run(scenario())


def test_who_goes_away_does_not_take_it_from_the_others() -> None:
    async def scenario() -> None:
        go = asyncio.Event()

        async def find() -> str:
            await go.wait()
            return "found"

        answer = Remembered(find, 1.0)
        first, second = asyncio.create_task(answer.get()), asyncio.create_task(answer.get())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        go.set()
        assert await second == "found"

    asyncio.run(scenario())


def test_what_cannot_be_found_is_looked_for_again() -> None:
    async def scenario() -> None:
        now, there = 100.0, False

        async def find() -> str:
            if not there:
                raise LookupError
            return "found"

        answer = Remembered(find, 1.0, clock=lambda: now)
        with pytest.raises(LookupError):
            await answer.get()
        there, now = True, 101.0
        assert await answer.get() == "found"

    asyncio.run(scenario())
