"""Bodies: never more than the limit, never more than the space, and no body waits for ever."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alvps.gateway.bodies import FREE, Bodies, BodyTooLarge, NoRoom, TooSlow
from tests.support.examples import examples

PART = 32 << 10


class Parts:
    """A body that comes when it is told to."""

    def __init__(self, *parts: bytes, gate: asyncio.Event | None = None) -> None:
        self.parts = list(parts)
        self.gate = gate
        self.read_so_far = 0

    async def read(self) -> bytes | None:
        if self.gate and self.read_so_far:
            await self.gate.wait()
        await asyncio.sleep(0)
        if not self.parts:
            return None
        part = self.parts.pop(0)
        self.read_so_far += len(part)
        return part


def test_whole_and_counted() -> None:
    async def scenario() -> None:
        space = Bodies(limit=1 << 20, together=1 << 20)
        assert await space.read(Parts()) == (b"", 0)
        assert await space.read(Parts(b"a", b"bc")) == (b"abc", 0)
        body, taken = await space.read(Parts(b"x" * FREE, b"y" * 100))
        assert (len(body), taken, space.free) == (FREE + 100, 100, (1 << 20) - 100)
        space.give(taken)
        assert space.free == 1 << 20

    asyncio.run(scenario())


def test_the_limit_holds_while_it_is_read() -> None:
    async def scenario() -> None:
        space = Bodies(limit=2 * PART, together=10 * PART)
        assert len((await space.read(Parts(b"x" * PART, b"x" * PART)))[0]) == 2 * PART
        endless = Parts(*[b"x" * PART] * 1000)
        with pytest.raises(BodyTooLarge):
            await space.read(endless)
        assert endless.read_so_far == 3 * PART
        assert space.free == 10 * PART

    asyncio.run(scenario())


def test_a_body_that_trickles_is_given_up() -> None:
    async def scenario() -> None:
        space = Bodies(read_within=0.05)

        class Slow(Parts):
            async def read(self) -> bytes | None:
                await asyncio.sleep(0.02)
                return b"x"

        with pytest.raises(TooSlow):
            await asyncio.wait_for(space.read(Slow()), 5)

    asyncio.run(scenario())


def test_large_ones_wait_for_each_other_and_small_ones_do_not() -> None:
    async def scenario() -> None:
        space = Bodies(together=4 * FREE, room_within=5)
        first, taken = await space.read(Parts(b"x" * 5 * FREE))
        assert (len(first), space.free) == (5 * FREE, 0)
        waits = asyncio.create_task(space.read(Parts(b"y" * 2 * FREE)))
        assert (await space.read(Parts(b"z" * FREE)))[0] == b"z" * FREE
        assert not waits.done()
        space.give(taken)
        assert (await waits)[0] == b"y" * 2 * FREE

    asyncio.run(scenario())


def test_no_room_in_time() -> None:
    async def scenario() -> None:
        space = Bodies(together=FREE, room_within=0.02)
        _, taken = await space.read(Parts(b"x" * 2 * FREE))
        with pytest.raises(NoRoom):
            await space.read(Parts(b"x" * 2 * FREE))
        space.give(taken)
        assert space.free == FREE
        assert (await space.read(Parts(b"x" * 2 * FREE)))[1] == FREE

    asyncio.run(scenario())


def test_two_halves_that_wait_for_each_other_are_given_up() -> None:
    async def scenario() -> None:
        space = Bodies(together=2 * FREE, room_within=0.05)
        bodies = [Parts(*[b"x" * FREE] * 3) for _ in range(2)]
        found = await asyncio.gather(*(space.read(body) for body in bodies), return_exceptions=True)
        assert any(isinstance(item, NoRoom) for item in found)
        for item in found:
            if isinstance(item, tuple):
                space.give(item[1])
        assert space.free == 2 * FREE

    asyncio.run(scenario())


@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_the_space_is_kept_and_given_back_whatever_happens(data: st.DataObject) -> None:
    """Readers of all sizes, some of which go away at any moment."""
    together = 3 * FREE
    sizes = data.draw(st.lists(st.integers(0, 6 * FREE), min_size=1, max_size=12))
    leave = data.draw(st.lists(st.integers(0, 30), min_size=len(sizes), max_size=len(sizes)))

    async def one(space: Bodies, size: int) -> None:
        parts = [b"x" * min(PART, size - at) for at in range(0, size, PART)]
        _, taken = await space.read(Parts(*parts))
        try:
            assert space.free >= 0
            await asyncio.sleep(0)
        finally:  # it may be that it goes away just now
            space.give(taken)

    async def scenario() -> None:
        space = Bodies(limit=5 * FREE, together=together, room_within=0.01)
        tasks = [asyncio.create_task(one(space, size)) for size in sizes]
        for turn in range(30):
            for task, when in zip(tasks, leave, strict=True):
                if when == turn:
                    task.cancel()
            await asyncio.sleep(0)
            assert 0 <= space.free <= together
        found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        kinds = (BodyTooLarge, NoRoom, asyncio.CancelledError, type(None))
        assert all(isinstance(item, kinds) for item in found), found
        assert space.free == together
        assert not space._waiting

    asyncio.run(scenario())
