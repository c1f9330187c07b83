"""How long to wait before the next try."""

from __future__ import annotations


class Backoff:
    """Doubles from `first` up to `most` seconds."""

    def __init__(self, *, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._next = first

    def next(self) -> float:
        """The seconds to wait now."""
        value = self._next
        self._next = min(self._most, value * 2)
        return value

    def reset(self) -> None:
        """It worked: begin anew."""
        self._next = self._first
