"""What a cron line may say: the grammar, on its own and strict.

Five fields (minute, hour, day of month, month, day of week), each a list of `*`, numbers, ranges and steps, with the
English three-letter names for months and days; or one of the aliases of Debian's crontab(5). What other programs add
(seconds, `L`, `W`, `#`, `H`, `R`, `?`) is refused, and so is every form that programs read in different ways
(`5/15`, a range that runs backwards): a line that means two things is worse than one that is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
MAX_LENGTH = 1000
_LONGEST_MONTH = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NUMBER = re.compile(r"[0-9]{1,4}")


class CronError(ValueError):
    """A line that is no cron expression: which field, its text, and what is allowed there."""

    def __init__(self, field: str, text: str, allowed: str) -> None:
        super().__init__(f"{field}: {_quoted(text)} is not allowed; allowed: {allowed}")
        self.field = field
        self.text = text
        self.allowed = allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """The five fields as sorted numbers, and which of them were written with a leading `*`.

    Sunday is 0. The leading stars matter twice, both as in Debian's cron: a job whose minute and hour are both
    written without one is a fixed-time job; and days must match both day fields when either has one, else one of them.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    minute_star: bool
    hour_star: bool
    day_star: bool
    weekday_star: bool

    @property
    def fixed_time(self) -> bool:
        """True when clock changes must not make the job run twice or not at all."""
        return not (self.minute_star or self.hour_star)

    @property
    def both_days(self) -> bool:
        """True when a day must match the day of month and the day of week; False when one of the two is enough."""
        return self.day_star or self.weekday_star


@dataclass(frozen=True, slots=True)
class _Field:
    label: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first_name: int = 0
    sunday: bool = False

    @property
    def allowed(self) -> str:
        names = f", {self.names[0]}-{self.names[-1]}" if self.names else ""
        sunday = " (0 and 7 are Sunday)" if self.sunday else ""
        return f"{self.low}-{self.high}{names}{sunday}, *, lists a,b, ranges a-b, steps */n or a-b/n"

    @property
    def size(self) -> int:
        return 7 if self.sunday else self.high - self.low + 1


_DAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day of month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTH_NAMES, 1)
_WEEKDAY = _Field("day of week", 0, 7, _DAY_NAMES, 0, sunday=True)
_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


@lru_cache(maxsize=4096)  # thousands of agents share a few lines
def parse(expr: str) -> Cron:
    """The expression's meaning. Raises CronError, which names the first field that is wrong."""
    if len(expr) > MAX_LENGTH:
        raise CronError("expression", expr, f"at most {MAX_LENGTH} characters")
    text = expr.strip(" \t")
    if text.startswith("@"):
        line = ALIASES.get(text.lower())
        if line is None:
            raise CronError("expression", text, "five fields, or " + ", ".join(ALIASES))
        text = line
    # str.split() alone would also split at newlines and at Unicode spaces, which no crontab knows.
    parts = [part for part in re.split(r"[ \t]+", text) if part]
    if len(parts) != len(_FIELDS):
        names = " ".join(f"<{field.label}>" for field in _FIELDS)
        raise CronError("expression", text, f"five fields, {names}, or one of " + ", ".join(ALIASES))
    minutes, hours, days, months, weekdays = (_values(field, part) for field, part in zip(_FIELDS, parts, strict=True))
    cron = Cron(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=tuple(sorted({day % 7 for day in weekdays})),
        minute_star=parts[0].startswith("*"),
        hour_star=parts[1].startswith("*"),
        day_star=parts[2].startswith("*"),
        weekday_star=parts[4].startswith("*"),
    )
    longest = max(_LONGEST_MONTH[month] for month in months)
    if cron.both_days and days[0] > longest:
        raise CronError(
            _DAY.label, parts[2], f"1-{longest} with month {parts[3]}: no such month is longer, so this would never run"
        )
    return cron


def _values(field: _Field, text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for term in text.split(","):
        found.update(_term(field, text, term))
    return tuple(sorted(found))


def _term(field: _Field, text: str, term: str) -> range:
    body, slash, step_text = term.partition("/")
    step = 1
    if slash:
        if not _NUMBER.fullmatch(step_text) or not 1 <= int(step_text) <= field.size:
            raise CronError(field.label, text, f"a step of 1-{field.size} after the /")
        step = int(step_text)
    if body == "*":
        # `*` is the whole cycle once: with 7 as a second Sunday, */5 would find a day that is not there.
        return range(field.low, field.low + field.size, step)
    first_text, dash, last_text = body.partition("-")
    first = _number(field, text, first_text)
    if not dash:
        if slash:
            raise CronError(field.label, text, f"a step after * or a range, such as {first}-{field.high}/{step}")
        return range(first, first + 1)
    last = _number(field, text, last_text)
    if field.sunday and last == 0 and first > 0 and not _NUMBER.fullmatch(last_text):
        last = 7  # FRI-SUN: the name has no number of its own, so it is the one that makes sense
    if last < first:
        raise CronError(field.label, text, f"a range from low to high; {first_text}-{last_text} runs backwards")
    return range(first, last + 1, step)


def _number(field: _Field, text: str, token: str) -> int:
    if field.names and token.upper() in field.names:
        return field.names.index(token.upper()) + field.first_name
    if not _NUMBER.fullmatch(token) or not field.low <= int(token) <= field.high:
        raise CronError(field.label, text, field.allowed)
    return int(token)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
