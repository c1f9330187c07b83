"""`--since`: how people say it, and how journalctl is told. Pure.

Spans are left to the host's clock; days and times of day are meant where the person is, so they become UTC here.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone, tzinfo

from alvps.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?[smhdw] ?)+")
_ALLOWED = "a span (30s, 10m, 2h, 1h30m, 7d, 2w), today, yesterday, 14:30, 2026-11-23 or 2026-11-23T12:00[:00][Z]"


def host_time(text: str, *, now: datetime | None = None, zone: tzinfo | None = None) -> str:
    """The value for journalctl's --since. zone: where the person is; None for this machine's. Raises UsageError."""
    said = text.strip().lower()
    if _SPAN.fullmatch(said):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)([smhdw])", said))
        return f"-{seconds:.3f}s"
    here = (now or datetime.now(timezone.utc)).astimezone(zone)
    if said in {"today", "yesterday"}:
        day = here.date() - timedelta(days=said == "yesterday")
        return _utc(_on(day, time(), zone))
    if match := re.fullmatch(r"(\d\d?):(\d\d)(?::(\d\d))?", said):
        try:
            clock = time(int(match[1]), int(match[2]), int(match[3] or 0))
        except ValueError as error:
            raise _nonsense(text) from error
        moment = _on(here.date(), clock, zone)
        # 23:00 said at noon is last night's.
        return _utc(moment if moment <= here else _on(here.date() - timedelta(days=1), clock, zone))
    return _utc(_instant(text.strip(), zone))


def _instant(text: str, zone: tzinfo | None) -> datetime:
    # Python 3.10 reads neither a Z nor a space before an offset.
    said = (
        re.sub(r"[zZ]$", "+00:00", re.sub(r"\s+(?=[+-]\d)", "", text))
        .replace(" utc", "+00:00")
        .replace(" UTC", "+00:00")
    )
    try:
        moment = datetime.fromisoformat(said)
    except ValueError as error:
        raise _nonsense(text) from error
    if not 1970 <= moment.year < 9999:
        raise _nonsense(text)
    return moment if moment.tzinfo is not None else _on(moment.date(), moment.time(), zone)


def _on(day: date, clock: time, zone: tzinfo | None) -> datetime:
    moment = datetime.combine(day, clock)
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)


def _utc(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _nonsense(text: str) -> UsageError:
    return UsageError(f"--since {text!r} is not a time", hint=f"allowed: {_ALLOWED}")
