"""The status as it changes, for all who watch: looked up once for everybody, and only while somebody does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

from alvps.errors import AlError
from alvps.gateway.sessions import Session
from alvps.journal import get_logger

log = get_logger()
EACH = 0.5  # seconds between two looks
HEARTBEAT = 15.0  # seconds after which one who watches hears that nothing has changed
WATCHERS = 64


class Feed:
    """Gives whoever watches what is newest; one that is slow misses what was in between."""

    def __init__(self, read: Callable[[], Awaitable[Mapping[str, Any]]], *, each: float = EACH) -> None:
        self._read = read
        self._each = each
        self._text = ""
        self._news = asyncio.Event()
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        """Whether there are as many as there may be."""
        return self._watchers >= WATCHERS

    async def watch(self, session: Session, *, heartbeat: float = HEARTBEAT) -> AsyncGenerator[str | None, None]:
        """The status as JSON, now and after each change; None when there is none for a while. Ends with the session."""
        self._watchers += 1
        if self._task is None:
            self._text = ""
            self._task = asyncio.create_task(self._look())
        ended = asyncio.ensure_future(session.ended.wait())
        told = ""
        try:
            while not ended.done():
                news = asyncio.ensure_future(self._news.wait())
                if self._text in (told, ""):
                    await asyncio.wait({news, ended}, timeout=heartbeat, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                if ended.done():
                    return
                fresh = self._text if self._text != told else None
                told = self._text
                yield fresh or None
        finally:
            ended.cancel()
            self._watchers -= 1
            if self._watchers == 0 and self._task:
                self._task.cancel()
                self._task = None

    async def _look(self) -> None:
        seen: dict[str, Any] = {}
        while True:
            try:
                found = dict(await self._read())
            except AlError:
                found = seen  # the store is busy failing, of which the status tells when it can
            except Exception:
                log.exception("status not read for the dashboard")
                found = seen
            if {**found, "now": None} != {**seen, "now": None}:
                seen = found
                self._text = await asyncio.to_thread(json.dumps, found)
                self._news.set()
                self._news = asyncio.Event()
            await asyncio.sleep(self._each)
