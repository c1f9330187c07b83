"""Waiting with a limit.

Not asyncio.wait_for: before Python 3.12 it forgets a cancellation that comes in the moment in which what it waits for
is done, and a task that was told to end goes on for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def happens(event: asyncio.Event, timeout: float | None) -> bool:
    """Whether the event is set within `timeout` seconds (None: wait for ever)."""
    if not event.is_set():
        waiter = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({waiter}, timeout=timeout)
        finally:
            waiter.cancel()
    return event.is_set()


async def within(timeout: float, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives. Raises asyncio.TimeoutError, and cancels it, when that takes longer than `timeout` seconds."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout)
    finally:
        if not task.done():
            task.cancel()
    if not done:
        raise asyncio.TimeoutError
    return task.result()
