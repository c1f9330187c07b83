"""What to show, and the journalctl words that ask for it. Pure.

Agents, daemon and launcher carry their fields themselves: AL_COMPONENT, AL_AGENT, AL_RUN. journalctl: matches on one
field are alternatives, matches on several must all hold, `+` joins groups of them (journalctl(1)).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from alvps.errors import UsageError
from alvps.logs.since import host_time

# systemd's own SD_MESSAGE_JOURNAL_DROPPED: "Suppressed N messages from docker.service". A gap must be seen.
_DROPPED = "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e"
_SOCKETS = ("action-llama.socket", "action-llama-runs.socket", "action-llama-dashboard.socket")
_UNITS = ("action-llama.service", "action-llama-launcher.service", *_SOCKETS)
_POLL = 0.008  # seconds between two looks at the journal while somebody follows it
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_RUN = re.compile(r"[a-z0-9]{1,40}")

# Every field that is shown; the journal has twenty more per entry, which would be most of the bytes on the wire.
FIELDS = (
    "MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "UNIT", "_PID",
    "AL_COMPONENT", "AL_AGENT", "AL_RUN", "AL_TRIGGER", "AL_ATTEMPT", "AL_EVENT", "AL_STATE", "AL_EXIT_CODE",
    "AL_REASON", "AL_RELEASE", "AL_DECISION", "AL_NOMINAL", "AL_ERROR", "AL_LOST_BEFORE",
    "CONTAINER_ID_FULL", "CONTAINER_PARTIAL_MESSAGE", "CONTAINER_PARTIAL_ID", "CONTAINER_PARTIAL_ORDINAL",
    "CONTAINER_PARTIAL_LAST",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which lines: of one agent, one run, or everything of the product. Raises UsageError on nonsense.

    lines: only the last so many (None: all). since: from then on, see `since.py`. follow: go on as lines appear.
    """

    agent: str | None = None
    run: str | None = None
    lines: int | None = None
    since: str | None = None
    follow: bool = False

    def __post_init__(self) -> None:
        if self.agent is not None and (not _NAME.fullmatch(self.agent) or len(self.agent) > 63):
            raise UsageError(f"{self.agent!r} is not the name of an agent")
        if self.run is not None and not _RUN.fullmatch(self.run):
            raise UsageError(f"{self.run!r} is not a run's id")
        if self.lines is not None and self.lines < 0:
            raise UsageError(f"{self.lines} is not a number of lines")
        if self.since is not None:
            host_time(self.since)


def history_argv(query: Query) -> list[str]:
    """The lines that are there now."""
    argv = start()
    if query.lines is not None:
        argv.append(f"--lines={query.lines}")
    if query.since is not None:
        argv.append(f"--since={host_time(query.since)}")
    return [*argv, *matches(query)]


def rest_argv(query: Query, cursor: str) -> list[str]:
    """The lines that are there now from the entry with this cursor on, that entry included if it matches.

    Not --after-cursor: where the cursor's entry does not match, or has been deleted meanwhile, that leaves out the
    first entry that does (seen with systemd 252).
    """
    return [*start(), f"--cursor={cursor}", *matches(query)]


def follow_argv(query: Query, cursor: str | None) -> list[str]:
    """The same and every line to come; None: from the journal's beginning."""
    otherwise = [*start(), "--follow", "--no-tail", *([f"--cursor={cursor}"] if cursor else []), *matches(query)]
    ask = {"cursor": cursor, "matches": matches(query), "fields": FIELDS, "poll": _POLL, "otherwise": otherwise}
    return ["python3", "-I", "-c", _follower(), json.dumps(ask)]


def newest_argv() -> list[str]:
    """The newest entry of the whole journal."""
    return [*start(), "--lines=1"]


def matches(query: Query) -> list[str]:
    """The conditions on fields."""
    words = []
    if query.agent is not None:
        words.append(f"AL_AGENT={query.agent}")
    if query.run is not None:
        words.append(f"AL_RUN={query.run}")
    if words:
        return words
    words = [f"AL_COMPONENT={name}" for name in ("agent", "daemon", "launcher")]
    # What the processes say when they cannot log yet (a traceback), and what systemd says about them.
    words += ["+", *(f"_SYSTEMD_UNIT={unit}" for unit in _UNITS), "+", *(f"UNIT={unit}" for unit in _UNITS)]
    return [*words, "+", _DROPPED]


@cache
def _follower() -> str:
    return resources.files("alvps.logs").joinpath("follower.py").read_text(encoding="utf-8")


def start(*, whole: bool = True) -> list[str]:
    """The words that each command begins with. Without `whole`, there is null for every value over 4096 bytes."""
    every = ["--all"] if whole else []
    return ["journalctl", "--quiet", "--no-pager", *every, "--output=json", f"--output-fields={','.join(FIELDS)}"]
