"""Lines that Docker cut into pieces, put together again.

With ids (Docker 20.10): every piece has CONTAINER_PARTIAL_ID, ORDINAL and LAST, all but the last also
CONTAINER_PARTIAL_MESSAGE. Without (before): all but the last have CONTAINER_PARTIAL_MESSAGE. A container that ends
without a newline leaves a line that no last piece ever ends, so the clock ends it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from alvps.logs.entry import Entry, Piece, entry

MAX_LINE = 1 << 20  # bytes; a longer line is shown in parts
PATIENCE = 1.0  # seconds until a line without an end is shown


@dataclass(slots=True)
class _Unfinished:
    first: Piece
    last: Piece
    due: float  # on the caller's clock
    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, piece: Piece) -> None:
        self.last = piece
        self.parts.append(piece.message)
        self.size += len(piece.message)

    def entry(self) -> Entry:
        # Joined as bytes: Docker also cuts in the middle of a character.
        return entry(self.last, b"".join(self.parts), began=self.first.time)


class Joiner:
    """Takes pieces in the journal's order, gives entries."""

    def __init__(self) -> None:
        self._unfinished: dict[tuple[str, str], _Unfinished] = {}

    def feed(self, piece: Piece, now: float) -> Iterator[Entry]:
        """The entries that the piece completes. now: seconds of any steady clock."""
        yield from self.overdue(now)
        held = self._unfinished.get(piece.stream)
        if held is not None and held.first.line_id != piece.line_id:
            del self._unfinished[piece.stream]
            yield held.entry()
            held = None
        if held is None:
            if not piece.is_cut:
                yield entry(piece)
                return
            held = self._unfinished[piece.stream] = _Unfinished(first=piece, last=piece, due=now + PATIENCE)
        held.add(piece)
        held.due = now + PATIENCE
        if not piece.is_cut or held.size >= MAX_LINE:
            del self._unfinished[piece.stream]
            yield held.entry()

    @property
    def holds(self) -> bool:
        """Is there a line whose end has not come?"""
        return bool(self._unfinished)

    def wait(self, now: float) -> float | None:
        """Seconds until something is overdue; None when nothing is held."""
        return min((max(0.0, held.due - now) for held in self._unfinished.values()), default=None)

    def overdue(self, now: float) -> Iterator[Entry]:
        """Lines whose end did not come in time."""
        if self._unfinished:
            for stream, held in list(self._unfinished.items()):
                if held.due <= now:
                    del self._unfinished[stream]
                    yield held.entry()

    def flush(self) -> Iterator[Entry]:
        """Everything that is held."""
        held, self._unfinished = list(self._unfinished.values()), {}
        for line in held:
            yield line.entry()
