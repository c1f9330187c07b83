"""One line of `journalctl -o json` -> a piece; one or more pieces -> an Entry. Pure.

JSON output (systemd.io/JOURNAL_EXPORT_FORMATS): a value is a string, an array of byte numbers when it is not UTF-8,
null when it was left out, and an array of those when the field occurs more than once.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

JSON = Any
_LEVELS = {
    "trace": 7,
    "debug": 7,
    "info": 6,
    "notice": 5,
    "warn": 4,
    "warning": 4,
    "error": 3,
    "fatal": 2,
    "critical": 2,
}
_UNIT_COMPONENTS = {"action-llama.service": "daemon", "action-llama-launcher.service": "launcher"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One log line. component: agent, daemon, launcher, systemd or journald. priority: syslog's, 0 to 7.

    fields: of an agent's structured line, or the AL_ fields of another one. cursor: where a reader goes on after it.
    """

    cursor: str
    time: datetime  # aware, UTC
    component: str
    agent: str | None = None
    run: str | None = None
    trigger: str | None = None
    priority: int = 6
    text: str
    fields: dict[str, JSON] = field(default_factory=dict)

    def as_dict(self) -> dict[str, JSON]:
        """For `--json`."""
        return {
            "time": self.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "component": self.component,
            "agent": self.agent,
            "run": self.run,
            "trigger": self.trigger,
            "priority": self.priority,
            "text": self.text,
            "fields": self.fields,
            "cursor": self.cursor,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One journal entry as it comes: Docker cuts a container's line every 16 KiB."""

    cursor: str
    time: datetime
    message: bytes
    values: dict[str, str]

    @property
    def stream(self) -> tuple[str, str]:
        """What pieces of one line share: the container, and the priority that says standard output or error."""
        return self.values.get("CONTAINER_ID_FULL", ""), self.values.get("PRIORITY", "")

    @property
    def line_id(self) -> str | None:
        """Docker's id of the line that the piece is part of. None: a whole line, or an engine from before the ids."""
        return self.values.get("CONTAINER_PARTIAL_ID")

    @property
    def is_cut(self) -> bool:
        """Does more of the line follow?"""
        return self.values.get("CONTAINER_PARTIAL_MESSAGE") == "true"


def parse(line: bytes) -> Piece | None:
    """One line of output; None when it is not an entry."""
    try:
        raw = json.loads(line)
        cursor, micros = raw["__CURSOR"], int(raw["__REALTIME_TIMESTAMP"])
        when = datetime.fromtimestamp(micros / 1e6, timezone.utc)
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError):
        return None
    values = {name: _bytes(value).decode(errors="replace") for name, value in raw.items() if name != "MESSAGE"}
    return Piece(cursor=str(cursor), time=when, message=_bytes(raw.get("MESSAGE")), values=values)


def entry(piece: Piece, message: bytes | None = None, *, began: datetime | None = None) -> Entry:
    """The Entry of a piece, with the text of all pieces of its line and the time of the first."""
    values = piece.values
    text = (piece.message if message is None else message).decode(errors="replace")
    component = values.get("AL_COMPONENT") or _component(values)
    priority = int(values["PRIORITY"]) if values.get("PRIORITY") in tuple("01234567") else 6
    fields: dict[str, JSON] = {}
    if component == "agent":
        said = _structured(text)
        if said is not None:
            text, fields = str(said.pop("msg")), said
            priority = _LEVELS.get(str(fields.pop("level", "")).lower(), priority)
    else:
        fields = {
            name[3:].lower(): value
            for name, value in values.items()
            if name.startswith("AL_") and name not in {"AL_COMPONENT", "AL_AGENT", "AL_RUN", "AL_TRIGGER"}
        }
    return Entry(
        cursor=piece.cursor,
        time=began or piece.time,
        component=component,
        agent=values.get("AL_AGENT") or None,
        run=values.get("AL_RUN") or None,
        trigger=values.get("AL_TRIGGER") or None,
        priority=priority,
        text=text,
        fields=fields,
    )


def _structured(text: str) -> dict[str, JSON] | None:
    """An agent's own JSON line: {"_log": true, "level": …, "msg": …, …}."""
    if not text.lstrip().startswith("{") or '"_log"' not in text:
        return None
    try:
        said = json.loads(text, parse_constant=str, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.pop("_log", None) is not True or "msg" not in said:
        return None
    return said


def _finite(digits: str) -> float | str:
    """A number, or what JSON has no number for as it was written: it must be possible to write it as JSON again."""
    number = float(digits)
    return number if math.isfinite(number) else digits


def _component(values: dict[str, str]) -> str:
    if "UNIT" in values:
        return "systemd"
    unit = values.get("_SYSTEMD_UNIT", "")
    return _UNIT_COMPONENTS.get(unit) or ("journald" if unit == "systemd-journald.service" else "system")


def _bytes(value: JSON) -> bytes:
    if isinstance(value, str):
        return value.encode(errors="replace")
    if isinstance(value, list):
        if all(isinstance(item, int) and 0 <= item < 256 for item in value):
            return bytes(value)
        return b"\n".join(_bytes(item) for item in value)
    return b"" if value is None else str(value).encode()
