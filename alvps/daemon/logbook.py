"""The log in pages. The launcher reads the journal, which the daemon may not; what it says is parsed here."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timezone

from alvps.daemon import views
from alvps.daemon.launcher import Launcher, LauncherGone, Refused
from alvps.daemon.orders import Nonsense
from alvps.daemon.views import Instant
from alvps.errors import AlError
from alvps.logs.page import Ask, Page, page

HINT = "`al logs` reads the journal without the daemon"


class LogUnavailable(AlError):
    """The journal cannot be read at present."""


class Logbook:
    """Gives pages of the log."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    async def page(self, ask: Ask) -> views.LogPage:
        """One page. Raises Nonsense for what there cannot be, LogUnavailable."""
        found = await self._page(ask)
        if found.cursor is None:
            # Nothing to go on from yet. What is written from now on is behind the mark, or in the page asked for again.
            mark = await self._page(Ask(component="daemon", limit=1))
            found = await self._page(ask)
            found = replace(found, cursor=found.cursor or mark.cursor)
        return {
            "lines": [
                {
                    "time": Instant(f"{entry.time:%Y-%m-%dT%H:%M:%S.%fZ}"),
                    "component": entry.component,
                    "agent": entry.agent,
                    "run": entry.run,
                    "trigger": entry.trigger,
                    "priority": entry.priority,
                    "text": entry.text,
                    "fields": entry.fields,
                    "cursor": entry.cursor,
                }
                for entry in found.entries
            ],
            "cursor": found.cursor,
            "more": found.more,
        }

    async def _page(self, ask: Ask) -> Page:
        if ask.limit == 0:
            return Page(entries=(), cursor=ask.cursor, more=False)
        try:
            text, more = await self._launcher.logs(ask)
        except Refused as error:
            if error.code in {"bad-cursor", "bad-request"}:
                raise Nonsense(error.message) from error
            raise LogUnavailable(error.message, hint=HINT) from error
        except LauncherGone as error:
            raise LogUnavailable(error.message, hint=HINT) from error
        return await asyncio.to_thread(page, text, ask, more=more, now=datetime.now(timezone.utc))
