"""What a terminal is and how text looks on one: colour, tables, lengths of time."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TextIO

CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}


def has_color(stream: TextIO | None = None) -> bool:
    """Whether to colour: a terminal, and NO_COLOR (no-color.org) is not set."""
    stream = stream if stream is not None else sys.stderr
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def style(text: str, name: str, stream: TextIO | None = None) -> str:
    """The text in a colour, or as it is where there is none."""
    return f"\x1b[{CODES[name]}m{text}\x1b[0m" if has_color(stream) else text


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces apart, without trailing blanks."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows))
    return "\n".join(line.rstrip() for line in lines)


def span(seconds: float) -> str:
    """A length of time as a person says it: "12 s", "4 min", "3 h", "2 d"."""
    seconds = abs(seconds)
    for limit, unit, name in ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{round(seconds / unit)} {name}"
    return f"{round(seconds / 86400)} d"


def parse_time(text: str) -> datetime:
    """An ISO 8601 time of the control API ("…Z"), aware."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


def ago(text: str | None, now: datetime) -> str:
    """How long before (or after) `now` a time of the control API is."""
    if not text:
        return "–"
    seconds = (now - parse_time(text)).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(seconds)}"
