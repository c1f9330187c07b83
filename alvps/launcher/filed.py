"""Where there is no journal: a page of the log file, in the place of `logbook.Journal`."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import dropwhile, islice
from pathlib import Path
from typing import Any

from alvps.launcher.logbook import Lines
from alvps.logs.file import lines, matching
from alvps.logs.page import Ask, lines_of

Found = tuple[bytes, dict[str, Any]]
_TIME = re.compile(";t=([0-9a-f]+)")


class Filed:
    """Gives pages of a log file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self, ask: Ask) -> Lines:
        """The lines that make the page."""
        return await asyncio.to_thread(self._read, ask)

    def _read(self, ask: Ask) -> Lines:
        if ask.cursor is None:
            last = deque(self._wanted(ask, lines(self._path)), maxlen=ask.limit)
            return Lines(b"".join(last), more=False)
        rest = list(islice(self._wanted(ask, self._from(ask.cursor)), lines_of(ask) + 1))
        return Lines(b"".join(rest[: lines_of(ask)]), more=len(rest) > lines_of(ask))

    def _wanted(self, ask: Ask, found: Iterable[Found]) -> Iterator[bytes]:
        wanted = matching(agent=ask.agent, run=ask.run, component=ask.component)
        return (line for line, raw in found if wanted(raw))

    def _from(self, cursor: str) -> Iterator[Found]:
        """The lines from the one with the cursor on; from its time on, if that line is gone."""
        rest = dropwhile(lambda found: found[1]["__CURSOR"] != cursor, lines(self._path))
        if (first := next(rest, None)) is not None:
            yield first
            yield from rest
            return
        moment = int(_TIME.findall(cursor)[0], 16)
        yield from (found for found in lines(self._path) if int(found[1]["__REALTIME_TIMESTAMP"]) > moment)
