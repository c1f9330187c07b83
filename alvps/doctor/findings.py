"""A finding: what was looked at, how it is, and the remedy.

The ids are for scripts and stay as they are; docs/doctor.md lists them, and a test keeps that list complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["ok", "unknown", "warning", "error"]

# What `--fix` does: on this machine "modes"; the others are verbs of alvps/host/mend.py.
Fix = Literal["modes", "switch", "bootstrap", "docker", "units", "enable", "firewall", "time", "updates", "prune"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. An error keeps agents from running or a push from working; a warning will.

    `id` names the check, whatever came of it. `fix`: what `--fix` would do.
    """

    level: Level
    id: str
    topic: str
    text: str
    remedy: str | None = None
    fix: Fix | None = None

    def to_json(self) -> dict[str, Any]:
        """For --json."""
        return {
            "level": self.level,
            "id": self.id,
            "topic": self.topic,
            "text": self.text,
            "remedy": self.remedy,
            "fixable": self.fix is not None,
        }


def ok(id_: str, topic: str, text: str) -> Finding:
    """A thing that is as it should be."""
    return Finding(level="ok", id=id_, topic=topic, text=text)


def unknown(id_: str, topic: str, what: str) -> Finding:
    """A thing that could not be looked at; `what` follows a "whether" or a "how"."""
    return Finding(level="unknown", id=id_, topic=topic, text=f"{what}: could not be found out")


def warning(id_: str, topic: str, text: str, remedy: str, *, fix: Fix | None = None) -> Finding:
    """A thing that will become a problem."""
    return Finding(level="warning", id=id_, topic=topic, text=text, remedy=remedy, fix=fix)


def error(id_: str, topic: str, text: str, remedy: str, *, fix: Fix | None = None) -> Finding:
    """A thing that is one."""
    return Finding(level="error", id=id_, topic=topic, text=text, remedy=remedy, fix=fix)


def span(seconds: float) -> str:
    """A length of time as a person says it."""
    seconds = max(0.0, seconds)
    for limit, unit, name in ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{round(seconds / unit)} {name}"
    return f"{round(seconds / 86400)} d"
