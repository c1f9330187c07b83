"""What is said about those who were turned away: little, however many they are."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

TELL_EACH = 60.0  # seconds between two lines about strangers


class Strangers:
    """How many were refused and why: told at most once in `each` seconds, whatever comes.

    `tell`: writes the line, from how many there were and the reasons.
    """

    def __init__(self, tell: Callable[[int, str], None], each: float = TELL_EACH) -> None:
        self._write = tell
        self._each = each
        self._counts: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def count(self, why: str) -> None:
        """One more. `why` is one of a few texts of our own."""
        self._counts[why] += 1
        if self._timer is None:
            self._tell()

    def _tell(self) -> None:
        self._timer = None
        if self._counts:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(self._counts.items()))
            self._write(self._counts.total(), reasons)
            self._counts.clear()
            self._timer = asyncio.get_running_loop().call_later(self._each, self._tell)
