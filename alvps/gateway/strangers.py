"""What is said about those who were turned away: little, however many they are."""

from __future__ import annotations

import asyncio
from collections import Counter

from alvps.journal import get_logger

TELL_EACH = 60.0  # seconds between two lines about strangers

log = get_logger()


class Strangers:
    """How many were refused and why: a line at most once in `each` seconds, whatever comes."""

    def __init__(self, event: str, each: float = TELL_EACH) -> None:
        self._event = event
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
            log.warning(self._event, count=self._counts.total(), reasons=reasons)
            self._counts.clear()
            self._timer = asyncio.get_running_loop().call_later(self._each, self._tell)
