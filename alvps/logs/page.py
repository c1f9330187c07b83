"""A page of the log: so many lines from a cursor on, and where the next page begins. Pure.

Asked for are agents, daemon and launcher by their own fields (AL_COMPONENT, AL_AGENT, AL_RUN) and by nothing else, so
that whoever may ask for a page may see these lines and no others of the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alvps.logs.entry import Entry, Piece, parse
from alvps.logs.join import PATIENCE, Joiner
from alvps.logs.query import start

COMPONENTS = ("agent", "daemon", "launcher")
MOST = 1000  # lines of a page
# As sd_journal_get_cursor(3) makes them; journalctl takes each that looks so.
CURSOR = "s=[0-9a-f]{32};i=[0-9a-f]{1,16};b=[0-9a-f]{32};m=[0-9a-f]{1,16};t=[0-9a-f]{1,16};x=[0-9a-f]{1,16}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Which lines: of one agent, run or component, or of all. After the one with this cursor; None: the last ones."""

    agent: str | None = None
    run: str | None = None
    component: str | None = None
    cursor: str | None = None
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Lines, the oldest first. `cursor`: the next page begins after it. `more`: the journal has more already."""

    entries: tuple[Entry, ...]
    cursor: str | None
    more: bool


def page_argv(ask: Ask, *, whole: bool = True) -> list[str]:
    """The journalctl words. With a cursor its own entry comes first, if it matches, and then everything to the end.

    Not --after-cursor, see `query.rest_argv`. Without `whole`, values over 4096 bytes are left out.
    """
    where = f"--lines={ask.limit}" if ask.cursor is None else f"--cursor={ask.cursor}"
    words = [f"AL_COMPONENT={name}" for name in ((ask.component,) if ask.component else COMPONENTS)]
    words += [f"AL_AGENT={ask.agent}"] if ask.agent else []
    words += [f"AL_RUN={ask.run}"] if ask.run else []
    return [*start(whole=whole), where, *words]


def lines_of(ask: Ask) -> int:
    """How many lines of that output make a page: one more with a cursor, whose own entry is not part of the page."""
    return ask.limit if ask.cursor is None else ask.limit + 1


def page(text: bytes, ask: Ask, *, more: bool, now: datetime) -> Page:
    """The page in journalctl's output. `more`: it was cut off there.

    A line that Docker cut to pieces is not torn over two pages, if that can be helped: the page ends before it.
    """
    pieces = [piece for piece in map(parse, text.split(b"\n")) if piece is not None]
    if pieces and pieces[0].cursor == ask.cursor:
        del pieces[0]
    more = more or len(pieces) > ask.limit
    del pieces[ask.limit :]
    entries, whole, cursor = _joined(pieces, ask.cursor)
    if len(entries) > whole:
        waits = ask.cursor is not None and not more and (now - pieces[-1].time).total_seconds() < PATIENCE
        if whole or waits:
            del entries[whole:]
        else:
            cursor = pieces[-1].cursor
    return Page(entries=tuple(entries), cursor=cursor, more=more)


def _joined(pieces: Sequence[Piece], cursor: str | None) -> tuple[list[Entry], int, str | None]:
    """All entries; how many of them are before the first line that has no end; the cursor after those."""
    joiner, entries, whole = Joiner(), list[Entry](), 0
    for piece in pieces:
        entries += joiner.feed(piece, piece.time.timestamp())
        if not joiner.holds:
            whole, cursor = len(entries), piece.cursor
    entries += joiner.flush()
    return entries, whole, cursor
