"""The acting part: reads the host's journal over SSH, and goes on where it was when the connection is cut."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from alvps.errors import AlError, HostUnreachable
from alvps.logs.entry import Entry, Piece, parse
from alvps.logs.join import Joiner
from alvps.logs.query import Query, follow_argv, history_argv, newest_argv, rest_argv

if TYPE_CHECKING:
    from alvps.ssh import Channel, Connection  # the host reads its journal without

DELAYS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds before each attempt to connect again; the last one repeats
GIVE_UP = 900.0  # seconds without a connection
_STEADY = 10.0  # seconds that a connection must last for the next delay to be the shortest again
_AHEAD = 1024  # lines that wait to be shown; then the host waits


def stream(
    connect: Callable[[], Connection],
    query: Query,
    *,
    on_lost: Callable[[str], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Iterator[Entry]:
    """The entries of a query; with `follow` without end. A cut connection is resumed: nothing is lost, nothing twice.

    on_lost: told why, once per cut. Raises what `connect` raises the first time, HostUnreachable when there was no
    connection for 15 minutes, AlError when journalctl fails.
    """
    reader = _Reader(query, now)
    connected_at = lost_at = 0.0
    attempt = 0
    while True:
        connected = False
        try:
            with connect() as connection:
                connected, connected_at = True, now()
                yield from reader.read(connection)
            break
        except HostUnreachable as error:
            if not reader.began:
                raise
            if connected:
                lost_at = now()
                on_lost(error.message)
                if lost_at - connected_at > _STEADY:
                    attempt = 0
            elif now() - lost_at > GIVE_UP:
                raise
            sleep(DELAYS[min(attempt, len(DELAYS) - 1)])
            attempt += 1
    yield from reader.joiner.flush()


class _Reader:
    """Where a query is: how much of it was read, over however many connections."""

    def __init__(self, query: Query, now: Callable[[], float]) -> None:
        self.began = False
        self.joiner = Joiner()
        self._query = query
        self._now = now
        self._cursor: str | None = None  # of the last line that came, whether it was a whole one or not
        self._history_done = query.follow and query.lines == 0

    def read(self, connection: Connection) -> Iterator[Entry]:
        """Go on with a new connection, to the query's end."""
        self.began = True
        if not self._history_done:
            yield from self._history(connection)
        if not self._query.follow:
            return
        if self._cursor is None:
            # Nothing to go on from yet. What is written after this mark is either in the history, asked for again, or
            # behind the mark.
            mark = self._newest(connection)
            if self._query.lines != 0:
                yield from self._history(connection)
            self._cursor = self._cursor or mark
        with _command(connection, follow_argv(self._query, self._cursor)) as channel:
            yield from self._follow(channel)
            self._check(channel)
        raise HostUnreachable(f"{connection.host_label}: the host ended the log")

    def _history(self, connection: Connection) -> Iterator[Entry]:
        argv = history_argv(self._query) if self._cursor is None else rest_argv(self._query, self._cursor)
        with _command(connection, argv) as channel:
            for line in channel.stdout:
                yield from self._take(line)
            self._check(channel)
        self._history_done = True

    def _follow(self, channel: Channel) -> Iterator[Entry]:
        with _lines(channel) as lines:
            while True:
                try:
                    line = lines.get(timeout=self.joiner.wait(self._now()))
                except queue.Empty:
                    yield from self.joiner.overdue(self._now())
                    continue
                if line is None:
                    return
                if isinstance(line, HostUnreachable):
                    raise line
                yield from self._take(line)

    def _take(self, line: bytes) -> Iterator[Entry]:
        piece = parse(line)  # None for half a line, which is all that came before a cut: it comes again
        if piece is None or piece.cursor == self._cursor:
            return
        self._cursor = piece.cursor
        yield from self.joiner.feed(piece, self._now())

    def _newest(self, connection: Connection) -> str | None:
        with _command(connection, newest_argv()) as channel:
            pieces: list[Piece | None] = [parse(line) for line in channel.stdout]
            self._check(channel)
        return pieces[-1].cursor if pieces and pieces[-1] is not None else None

    def _check(self, channel: Channel) -> None:
        """After the end of the output. Raises AlError when the command did not like the question."""
        code = channel.wait(10)
        if code == 0 or channel.signal is not None or code > 128:
            return
        said = channel.stderr.read().decode(errors="replace").strip()
        raise AlError(
            f"the host's journal cannot be read: the command ended with status {code}",
            hint="al logs needs root, or a user who may run journalctl through sudo without a password",
            detail=said or None,
        )


@contextmanager
def _command(connection: Connection, argv: Sequence[str]) -> Iterator[Channel]:
    privileged = [] if connection.user == "root" else ["sudo", "-n", "--"]
    with connection.open([*privileged, *argv]) as channel:
        yield channel


@contextmanager
def _lines(channel: Channel) -> Iterator[queue.Queue[bytes | HostUnreachable | None]]:
    """The lines as they come, readable with a time limit, then how they ended: None, or the error."""
    lines: queue.Queue[bytes | HostUnreachable | None] = queue.Queue(_AHEAD)

    def pump() -> None:
        try:
            for line in channel.stdout:
                lines.put(line)
        except HostUnreachable as error:
            lines.put(error)
        except ValueError:
            return  # closed while reading: nobody listens any more
        else:
            lines.put(None)

    thread = threading.Thread(target=pump, daemon=True, name="al-logs")
    thread.start()
    try:
        yield lines
    finally:
        channel.abort()
        while thread.is_alive():
            with suppress(queue.Empty):
                lines.get(timeout=0.02)  # makes room for what the thread still wants to put
        thread.join()
