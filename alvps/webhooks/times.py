"""The event's own time, from the ways in which the providers write it to one."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone

# RFC 3339, with what is met beside it: a blank for the T, a zone without colon, no zone at all (then it is UTC).
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:Z|([+-])([01][0-9]|2[0-3]):?([0-5][0-9]))?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECONDS = 100_000_000_000  # from here on a number counts milliseconds: as seconds it would be the year 5138


def iso(value: object) -> str | None:
    """The instant as ISO 8601 in UTC with milliseconds, "2026-11-23T07:08:09.123Z".

    From an ISO 8601 text, or from a number: seconds since 1970, or milliseconds when it is too large for seconds. None
    for anything else.
    """
    try:
        instant = _instant(value)
    except (ValueError, OverflowError):  # 31 February; a zone that leads out of the calendar
        return None
    if instant is None:
        return None
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _instant(value: object) -> datetime | None:
    if isinstance(value, str):
        found = _ISO.fullmatch(value)
        return None if found is None else _from_text(found)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        return None
    seconds = value / 1000 if value >= _MILLISECONDS else value
    return _EPOCH + timedelta(seconds=seconds)


def _from_text(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, hours, minutes = found.groups()[6:]
    micro = int((fraction or "0").ljust(6, "0")[:6])
    local = datetime(year, month, day, hour, minute, second, micro, tzinfo=timezone.utc)
    if sign is None:
        return local
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return local - offset if sign == "+" else local + offset
