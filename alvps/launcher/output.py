"""Where there is no journal for Docker to write to: what runs print, copied line by line into the log file."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from alvps.journal import get_logger
from alvps.launcher import names
from alvps.launcher.engine import Engine
from alvps.launcher.refusal import Refused
from alvps.logs.file import LogFile, lines

WITHIN = 5.0  # seconds that an exit waits for the last lines
MAX_LINE = 1 << 20  # bytes; a longer line becomes several
_PRIORITIES = {1: "6", 2: "3"}  # as Docker's journald driver has them: standard output and error


class Output:
    """Copies each container's output once, also over a restart of this process."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._log = LogFile(path)
        self._copying: dict[str, threading.Thread] = {}

    def follow(self, container: str) -> None:
        """Begin to copy; nothing if that has begun. From the event loop only."""
        if container not in self._copying:
            thread = threading.Thread(target=self._copy, args=(container,), name="output", daemon=True)
            self._copying[container] = thread
            thread.start()

    async def drained(self, container: str) -> None:
        """Wait until everything that an ended container printed is in the file, for so long as is reasonable."""
        self.follow(container)
        await asyncio.to_thread(self._copying[container].join, WITHIN)
        del self._copying[container]

    def _copy(self, container: str) -> None:
        try:
            found = self._engine.inspect(container)
            if found is None:
                return
            labels = found["Config"]["Labels"]
            fields = {name.upper().replace(".", "_"): labels[name] for name in names.LOGGED if name in labels}
            fields |= {"CONTAINER_ID_FULL": container, "SYSLOG_IDENTIFIER": container[:12]}
            there = self._copied(container)
            for priority, line in whole_lines(self._engine.output(container)):
                if there[priority] > 0:
                    there[priority] -= 1
                else:
                    self._log.send({**fields, "PRIORITY": priority, "MESSAGE": line})
        except Refused as refused:
            get_logger().warning("output not copied to its end", container=container[:12], reason=refused.message)

    def _copied(self, container: str) -> Counter[str]:
        """How many lines of each priority an earlier process has copied."""
        ours = (raw for _, raw in lines(self._path) if raw.get("CONTAINER_ID_FULL") == container)
        return Counter(str(raw.get("PRIORITY")) for raw in ours)


def whole_lines(pieces: Iterator[tuple[int, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Pieces of two streams -> lines with their priority; a last one without its end counts as well."""
    waiting = {1: b"", 2: b""}
    for kind, piece in pieces:
        if kind not in waiting:
            continue
        *whole, rest = (waiting[kind] + piece).split(b"\n")
        yield from ((_PRIORITIES[kind], line) for line in whole)
        while len(rest) >= MAX_LINE:
            yield _PRIORITIES[kind], rest[:MAX_LINE]
            rest = rest[MAX_LINE:]
        waiting[kind] = rest
    yield from ((_PRIORITIES[kind], rest) for kind, rest in waiting.items() if rest)
