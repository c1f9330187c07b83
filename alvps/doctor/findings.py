"""A finding: what was looked at, how it is, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. An error keeps agents from running or a push from working; a warning will."""

    level: Level
    topic: str
    text: str
    remedy: str | None = None


def ok(topic: str, text: str) -> Finding:
    """A thing that is as it should be."""
    return Finding(level="ok", topic=topic, text=text)


def warning(topic: str, text: str, remedy: str) -> Finding:
    """A thing that will become a problem."""
    return Finding(level="warning", topic=topic, text=text, remedy=remedy)


def error(topic: str, text: str, remedy: str) -> Finding:
    """A thing that is one."""
    return Finding(level="error", topic=topic, text=text, remedy=remedy)
