"""Time zones by name: which names count, and how a zone's clock changes.

Names are checked against the list that the tzdata package ships, not against the machine's own files: the laptop and
the host must agree, and a machine's folder also holds things that are no zones for schedules (`localtime`, `right/…`
with leap seconds).
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


class ZoneError(ValueError):
    """A name that is no IANA time zone; `suggestion` is the closest one that is."""

    def __init__(self, name: str, suggestion: str | None) -> None:
        super().__init__(f"{name[:60]!r} is not a time zone; allowed: IANA names such as UTC or Europe/Berlin")
        self.name = name
        self.suggestion = suggestion


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every name that a schedule may use."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def check_zone(name: str) -> None:
    """Raise ZoneError unless the name is a time zone. Loads no zone."""
    if name != "UTC" and name not in zone_names():
        raise ZoneError(name, _closest(name[:60]))


def zone_named(name: str) -> ZoneInfo:
    """The zone. Raises ZoneError."""
    from zoneinfo import ZoneInfo

    check_zone(name)
    return ZoneInfo(name)


def _closest(name: str) -> str | None:
    folded = {known.lower(): known for known in sorted(zone_names())}
    wanted = name.strip().lower().replace(" ", "_")
    if wanted in folded:
        return folded[wanted]
    for lower, known in folded.items():
        if lower.rpartition("/")[2] == wanted:  # "Berlin"
            return known
    close = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.75)
    return folded[close[0]] if close else None
