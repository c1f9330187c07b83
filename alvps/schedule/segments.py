"""A zone's time cut into pieces in which its offset from UTC does not change.

zoneinfo tells an offset for an instant but not when it changes next; this finds the changes by probing and halving,
a UTC year at a time, and keeps them. Pieces are also cut at the turn of each year, with a shift of nothing, so that a
zone that never changes its clock needs no special case.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache

_PROBE = timedelta(hours=12)  # no zone has changed its offset twice within half a day
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Segment:
    """[start, end) as naive UTC, the offset in it, and the one before it."""

    start: datetime
    end: datetime
    offset: timedelta
    previous: timedelta

    @property
    def skipped(self) -> bool:
        """True when the clock jumped over some wall time at the start."""
        return self.offset > self.previous

    @property
    def first_wall(self) -> datetime:
        """The wall time at the start."""
        return self.start + self.offset

    @property
    def first_new_wall(self) -> datetime:
        """The first wall time that the piece before did not already show."""
        return self.start + max(self.offset, self.previous)


def segment_at(zone: tzinfo, utc: datetime) -> Segment:
    """The piece that holds the instant (naive UTC)."""
    segments = _year(zone, utc.year)
    return segments[bisect_right(segments, utc, key=lambda segment: segment.start) - 1]


@lru_cache(maxsize=4096)
def _year(zone: tzinfo, year: int) -> tuple[Segment, ...]:
    start, stop = datetime(year, 1, 1), datetime(year + 1, 1, 1)  # noqa: DTZ001 - naive UTC throughout
    found = []
    offset = _offset(zone, start)
    previous = _offset(zone, start - _SECOND)
    probe = start
    while probe < stop:
        later = min(probe + _PROBE, stop)
        # The last second belongs to this year, the stop itself to the next one.
        changed = _offset(zone, later if later < stop else stop - _SECOND)
        if changed != offset:
            change = _change(zone, probe, later, offset)
            found.append(Segment(start, change, offset, previous))
            start, previous, offset = change, offset, changed
        probe = later
    found.append(Segment(start, stop, offset, previous))
    return tuple(found)


def _change(zone: tzinfo, low: datetime, high: datetime, offset: timedelta) -> datetime:
    """The first second after `low` that no longer has the offset; `high` is known not to have it."""
    while high - low > _SECOND:
        middle = low + ((high - low) // 2 // _SECOND) * _SECOND
        if _offset(zone, middle) == offset:
            low = middle
        else:
            high = middle
    return high


def _offset(zone: tzinfo, utc: datetime) -> timedelta:
    offset = utc.replace(tzinfo=timezone.utc).astimezone(zone).utcoffset()
    assert offset is not None
    return offset
