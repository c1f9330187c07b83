"""Waiting with a limit that never forgets a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from alvps.daemon.waiting import happens, within


def test_happens() -> None:
    async def scenario() -> None:
        event = asyncio.Event()
        assert not await happens(event, 0.01)
        asyncio.get_running_loop().call_later(0.01, event.set)
        assert await happens(event, 5)
        assert await happens(event, None)

    asyncio.run(scenario())


def test_within() -> None:
    async def answer(after: float) -> int:
        await asyncio.sleep(after)
        return 7

    async def fail() -> None:
        raise KeyError("x")

    async def scenario() -> None:
        assert await within(5, answer(0)) == 7
        with pytest.raises(asyncio.TimeoutError):
            await within(0.01, answer(60))
        with pytest.raises(KeyError):
            await within(5, fail())

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["event", "work"])
def test_a_cancellation_in_the_same_moment_counts(kind: str) -> None:
    async def scenario() -> None:
        event = asyncio.Event()

        async def wait() -> None:
            while True:
                await (happens(event, 60) if kind == "event" else within(60, event.wait()))
                event.clear()

        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        event.set()
        await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=2)
        assert done

    asyncio.run(scenario())
