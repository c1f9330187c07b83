"""What did agents, daemon and launcher say? A page of the journal, which the daemon may not read by itself.

The output of journalctl is handed on as it is and read by whoever asked: this process, which may use Docker, parses
nothing that an agent wrote.
"""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from alvps.launcher.refusal import Refused
from alvps.logs.page import Ask, lines_of, page_argv

WITHIN = 10.0  # seconds
MOST = 4 << 20  # bytes of an answer
AT_ONCE = 2  # journalctl processes
READ = 1 << 16


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines of journalctl's output. `more`: it was ended before its end."""

    text: bytes
    more: bool


class Journal:
    """Runs journalctl, with bounds on its time in seconds, its output in bytes, and how many of it there are.

    `program`: in its place.
    """

    def __init__(self, program: str = "journalctl", *, within: float = WITHIN, most: int = MOST) -> None:
        self._program = program
        self._within = within
        self._most = most
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="journal")

    async def read(self, ask: Ask) -> Lines:
        """The lines that make the page. Raises Refused `bad-cursor` or `journal`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, ask)

    def _read(self, ask: Ask) -> Lines:
        lines = self._run(ask, whole=True)
        if not lines.text and lines.more:
            # One line alone is too long: without its long values, or no reader would ever get past it.
            lines = self._run(ask, whole=False)
        if not lines.text and lines.more:
            raise Refused("journal", f"the journal gave no line within {self._within:.0f} s", retry=True)
        return lines

    def _run(self, ask: Ask, *, whole: bool) -> Lines:
        _, *words = page_argv(ask, whole=whole)
        try:
            process = subprocess.Popen(
                [self._program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise Refused("journal", f"{self._program} cannot be run: {error.strerror}", retry=True) from error
        with process:
            try:
                text, said = self._gather(process, lines_of(ask))
            finally:
                process.kill()
        if said is not None and process.returncode > 0:
            reason = said.decode(errors="replace").strip()[:500] or f"status {process.returncode}"
            if "cursor" in reason:
                raise Refused("bad-cursor", f"the journal does not know the cursor: {reason}")
            raise Refused("journal", f"the journal cannot be read: {reason}", retry=True)
        return _cut(text, lines_of(ask), ended=said is not None)

    def _gather(self, process: subprocess.Popen[bytes], lines: int) -> tuple[bytes, bytes | None]:
        """The output until there is more than enough or no time left; and what it said on standard error at its end."""
        assert process.stdout
        assert process.stderr
        open_ = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
        text, said = open_.values()
        poll = select.poll()
        for number in open_:
            poll.register(number, select.POLLIN)
        end, count = time.monotonic() + self._within, 0
        while open_ and count <= lines and max(len(text), len(said)) <= self._most:
            left = end - time.monotonic()
            if left <= 0:
                return bytes(text), None
            for number, _ in poll.poll(left * 1000):
                part = os.read(number, READ)
                open_[number].extend(part)
                if not part:
                    poll.unregister(number)
                    del open_[number]
                elif number == process.stdout.fileno():
                    count += part.count(b"\n")
        if open_:
            return bytes(text), None
        process.wait(max(0.1, end - time.monotonic()))  # or it would be killed, and its own status lost
        return bytes(text), bytes(said)


def _cut(text: bytes, count: int, *, ended: bool) -> Lines:
    """The first `count` whole lines."""
    lines = text.split(b"\n")
    del lines[-1]  # b"" after a whole line; half of one is none
    return Lines(b"".join(line + b"\n" for line in lines[:count]), len(lines) > count or not ended)
