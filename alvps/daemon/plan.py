"""What a schedule owes between the last decided instant and now. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Protocol

from alvps.store.ticks import Due

ON_TIME = 30  # seconds; a tick met this late was met by a daemon that was up, or restarted over it
COUNTED = 100  # ticks of a long downtime that are counted one by one; a year of minutes would take a minute
AT_ONCE = 1000  # ticks that `catchup = "all"` brings back at once; an agent's queue is far shorter


class Calendar(Protocol):
    """The part of alvps.schedule.Schedule that is needed here."""

    def next_after(self, instant: datetime) -> datetime:
        """The first instant after `instant`."""

    def latest_at_or_before(self, instant: datetime) -> datetime:
        """The last instant up to `instant`."""

    def between(self, after: datetime, until: datetime, limit: int) -> tuple[datetime, ...]:
        """Up to `limit` instants after `after` and up to `until`."""


def instant(seconds: float) -> datetime:
    """Seconds since 1970 as the schedule wants them."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc)


def seconds(moment: datetime) -> int:
    """The instant as the store wants it; nominal instants are whole seconds."""
    return int(moment.timestamp())


def owed(calendar: Calendar, *, since: int, now: float, catchup: str, grace: int) -> tuple[Due, ...]:
    """What is due after `since` and up to `now` (seconds since 1970), oldest first; each instant in exactly one Due.

    The latest instant is `fired` when it is at most ON_TIME old, else `caught-up` when `catchup` allows it and it is at
    most `grace` seconds old. With `catchup` "all" every earlier one within the grace is caught up as well. The rest
    becomes one `missed` entry, made in a time that does not grow with the time that passed.
    """
    latest = seconds(calendar.latest_at_or_before(instant(now)))
    if latest <= since:
        return ()
    age = now - latest
    if age > ON_TIME and (catchup == "none" or age > grace):
        return _missed(calendar, since, latest, _why_missed(catchup, grace))
    intent = "fired" if age <= ON_TIME else "caught-up"
    if catchup == "all":
        return _all(calendar, since=since, latest=latest, now=now, grace=grace, intent=intent)
    earlier = _before(calendar, latest)
    because = "" if catchup == "none" else f"the tick of {instant(latest):%Y-%m-%d %H:%M} UTC came instead"
    missed = _missed(calendar, since, earlier, because or _why_missed(catchup, grace))
    return (*missed, Due(nominal=latest, intent=intent, reason=_late(age, intent)))


def _all(calendar: Calendar, *, since: int, latest: int, now: float, grace: int, intent: str) -> tuple[Due, ...]:
    begin = max(since, int(now) - grace - 1)
    moments = [seconds(m) for m in calendar.between(instant(begin), instant(latest), AT_ONCE)]
    if not moments or moments[-1] != latest:
        # More than anybody can want: keep the newest.
        return (
            *_missed(calendar, since, _before(calendar, latest), f"more than {AT_ONCE} ticks at once"),
            Due(nominal=latest, intent=intent, reason=_late(now - latest, intent)),
        )
    missed = _missed(calendar, since, _before(calendar, moments[0]), f"older than the grace of {grace} s")
    several = len(moments) > 1
    caught = (Due(nominal=m, intent="caught-up", reason=_late(now - m, "caught-up"), queue=True) for m in moments[:-1])
    return (*missed, *caught, Due(nominal=latest, intent=intent, reason=_late(now - latest, intent), queue=several))


def _missed(calendar: Calendar, since: int, last: int, reason: str) -> tuple[Due, ...]:
    if last <= since:
        return ()
    counted = calendar.between(instant(since), instant(last), COUNTED)
    more = seconds(counted[-1]) < last
    return (
        Due(nominal=last, first=seconds(counted[0]), count=len(counted), more=more, intent="missed", reason=reason),
    )


def _before(calendar: Calendar, moment: int) -> int:
    return seconds(calendar.latest_at_or_before(instant(moment - 1)))


def _why_missed(catchup: str, grace: int) -> str:
    return "the daemon was down, and catchup is none" if catchup == "none" else f"older than the grace of {grace} s"


def _late(age: float, intent: str) -> str | None:
    return f"{round(age)} s late: the daemon was down" if intent == "caught-up" else None


Clock = Callable[[], float]
