"""When a schedule fires, as instants.

The rules are those of Debian's cron(8). A fixed-time job (neither the minute nor the hour field starts with `*`)
follows the wall clock: what falls into a gap fires once, at the first instant after the gap; what the clock shows
twice fires the first time. A wildcard job follows real time: it fires at each real minute whose wall time matches,
so an hourly job goes on through both 01:xx hours and `0 */2` is not moved by a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice

from alvps.schedule.grammar import Cron, parse
from alvps.schedule.segments import Segment, segment_at
from alvps.schedule.walk import walk
from alvps.schedule.zones import zone_named

_TICK = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)


class Schedule:
    """A cron expression in a time zone. All instants are aware UTC datetimes, on whole minutes of the wall clock.

    Raises CronError or ZoneError. Cheap to make: the calendar of an expression is shared, and built when first asked.
    """

    __slots__ = ("_cron", "_zone", "expr", "zone")

    def __init__(self, expr: str, zone: str = "UTC") -> None:
        self._cron: Cron = parse(expr)
        self._zone = zone_named(zone)
        self.expr = expr
        self.zone = zone

    def __repr__(self) -> str:
        return f"Schedule({self.expr!r}, {self.zone!r})"

    def next_after(self, instant: datetime) -> datetime:
        """The first time it fires later than `instant`."""
        utc = _naive_utc(instant)
        calendar = walk(self._cron)
        segment = segment_at(self._zone, utc)
        wall = max(utc + segment.offset, self._begin(segment) - _TICK)
        match = calendar.after(wall)
        while True:
            fires = match - segment.offset
            if fires < segment.end:
                return _aware(fires)
            following = segment_at(self._zone, segment.end)
            if self._cron.fixed_time and match < following.first_wall:
                return _aware(following.start)  # it fell into the gap
            if following.offset != segment.offset:
                match = calendar.after(self._begin(following) - _TICK)
            segment = following

    def latest_at_or_before(self, instant: datetime) -> datetime:
        """The last time it fired, or should have, up to and including `instant`."""
        utc = _naive_utc(instant)
        calendar = walk(self._cron)
        segment = segment_at(self._zone, utc)
        match = calendar.before(utc + segment.offset + _TICK)
        while True:
            if match >= self._begin(segment):
                return _aware(match - segment.offset)
            if self._cron.fixed_time and segment.skipped:
                in_gap = calendar.before(segment.first_wall)
                if in_gap >= segment.start + segment.previous:
                    return _aware(segment.start)
            shifted = segment.offset != segment.previous
            segment = segment_at(self._zone, segment.start - _SECOND)
            if shifted:
                match = calendar.before(segment.end + segment.offset)

    def between(self, after: datetime, until: datetime, limit: int) -> tuple[datetime, ...]:
        """Every time it fires later than `after` and up to `until`, oldest first, at most `limit` of them."""
        return tuple(islice(self._walk(after, until), limit))

    def _walk(self, after: datetime, until: datetime) -> Iterator[datetime]:
        fires = self.next_after(after)
        while fires <= until:
            yield fires
            fires = self.next_after(fires)

    def _begin(self, segment: Segment) -> datetime:
        """The first wall time of the segment that counts: a fixed-time job does not see repeated ones again."""
        return segment.first_new_wall if self._cron.fixed_time else segment.first_wall


def _naive_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("a schedule is asked about an aware datetime")
    return instant.astimezone(timezone.utc).replace(tzinfo=None)


def _aware(utc: datetime) -> datetime:
    return utc.replace(tzinfo=timezone.utc)
