"""An Entry as a line for people. What agents write is data from strangers: nothing of it may steer the terminal."""

from __future__ import annotations

import json
import re
from datetime import tzinfo

from alvps.logs.entry import JSON, Entry

# C0 and C1 controls but tab and newline, DEL; line separators; marks that turn the direction of text; lone surrogates.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTINUATION = "    | "  # marks the further lines of one entry, so that it cannot pose as several
_DIM, _RED, _YELLOW, _RESET = "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
_COLORS = {"agent": "\x1b[36m", "daemon": "\x1b[35m", "launcher": "\x1b[34m"}
_SHORT_RUN = 6  # a run's id begins with the time: its end tells runs apart


def render(entry: Entry, *, color: bool = False, zone: tzinfo | None = None) -> str:
    """`time component/agent/run text`, without a newline at its end. zone: None for this machine's."""
    when = entry.time.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    who = [entry.component]
    if entry.agent:
        who.append(entry.agent)
    if entry.run:
        who.append(entry.run[-_SHORT_RUN:])
    name = harmless("/".join(who)).replace("\n", " ")
    text = entry.text
    if entry.component == "agent" and entry.fields:
        text = " ".join([text, *(f"{key}={_value(value)}" for key, value in entry.fields.items() if key != "ts")])
    if entry.component in {"daemon", "launcher"}:
        for said in (f" agent={entry.agent}", f" run={entry.run}"):  # stands in front already
            text = text.replace(said, "", 1)
    body = harmless(text).replace("\n", f"\n{_CONTINUATION}")
    if not color:
        return f"{when} {name} {body}" if body else f"{when} {name}"
    tint = _RED if entry.priority <= 3 else _YELLOW if entry.priority == 4 else ""
    body = f"{tint}{body}{_RESET}" if tint else body
    return f"{_DIM}{when}{_RESET} {_COLORS.get(entry.component, '')}{name}{_RESET} {body}"


def harmless(text: str) -> str:
    """The text with everything that steers a terminal written out, e.g. as \\x1b."""
    return _STEERING.sub(_written_out, text.removesuffix("\r").replace("\r\n", "\n"))


def _written_out(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _value(value: JSON) -> str:
    if isinstance(value, str) and value and not re.search(r'[\s"=]', value):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
