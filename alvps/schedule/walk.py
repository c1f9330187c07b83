"""Which wall-clock minutes match an expression: the only place that calls croniter.

croniter is given nothing that it could read in its own way: explicit lists of numbers made from our own grammar
(so its reading of steps, `7`, `L`, `@…` and of the two day fields never counts) and naive datetimes (so its handling
of clock changes never counts). What is left is the calendar, and that is what it is good at.
"""

from __future__ import annotations

import threading
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from alvps.schedule.grammar import Cron

if TYPE_CHECKING:
    from croniter import croniter

_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - naive on purpose: wall times have no zone


class Walk:
    """The matching wall times, forwards and backwards. Naive datetimes in and out."""

    def __init__(self, cron: Cron) -> None:
        from croniter import croniter

        days, weekdays = _listed(cron.days, 31), _listed(cron.weekdays, 7)
        if not cron.both_days and "*" in (days, weekdays):
            # Either field is enough and one is always right: every day is. croniter would take the `*` for the star
            # that makes both fields count, also if it was a full list.
            days = weekdays = "*"
        fields = (_listed(cron.minutes, 60), _listed(cron.hours, 24), days, _listed(cron.months, 12), weekdays)
        # 29 February on one weekday: 40 years apart when 2100 lies between.
        self._iterator: croniter = croniter(
            " ".join(fields), _EPOCH, day_or=not cron.both_days, max_years_between_matches=100
        )
        # A croniter is a cursor: two threads must not move it at once.
        self._lock = threading.Lock()

    def after(self, wall: datetime) -> datetime:
        """The first match later than `wall`."""
        with self._lock:
            self._iterator.set_current(wall)
            return self._iterator.get_next(datetime)

    def before(self, wall: datetime) -> datetime:
        """The last match earlier than `wall`."""
        with self._lock:
            self._iterator.set_current(wall)
            return self._iterator.get_prev(datetime)


@lru_cache(maxsize=4096)  # a thousand agents share a few lines; building one costs more than a step of it
def walk(cron: Cron) -> Walk:
    """The walk of an expression; equal expressions share one."""
    return Walk(cron)


def _listed(numbers: tuple[int, ...], size: int) -> str:
    return "*" if len(numbers) == size else ",".join(map(str, numbers))
