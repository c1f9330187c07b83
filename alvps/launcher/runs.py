"""What became of a run? Docker's answers, read into the few facts that count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Literal

from alvps.launcher import names
from alvps.launcher.names import RunKey

NEVER_STARTED = 120  # the entry's code for "the order did not arrive", see alvps.agent.outcome
State = Literal["created", "running", "exited"]
_STATES: dict[str, State] = {
    "created": "created",
    "running": "running",
    "paused": "running",
    "restarting": "running",
    "exited": "exited",
    "dead": "exited",
    "removing": "exited",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One container of ours. Times are ISO 8601 in UTC with Z, None when it has not happened."""

    key: RunKey
    agent: str
    state: State
    container: str
    exit_code: int | None = None
    oom: bool = False
    started: str | None = None
    finished: str | None = None

    @property
    def never_started(self) -> bool:
        """The container exists, but its command has never run: it may be removed and made anew."""
        return self.state == "created" or (self.state == "exited" and self.exit_code == NEVER_STARTED)

    def with_oom(self, seen: bool) -> Run:
        """The same, having run out of memory if that was seen: the engine's own note is not there in every version."""
        return replace(self, oom=self.oom or seen)

    def wire(self) -> dict[str, Any]:
        """The run as it goes over the socket."""
        return {
            "run": self.key.run,
            "attempt": self.key.attempt,
            "agent": self.agent,
            "state": self.state,
            "exit_code": self.exit_code,
            "oom": self.oom,
            "started": self.started,
            "finished": self.finished,
            "container": self.container,
        }

    def exit_event(self) -> dict[str, Any]:
        """The frame that tells watchers of the exit."""
        return {
            "event": "exit",
            "run": self.key.run,
            "attempt": self.key.attempt,
            "exit_code": self.exit_code,
            "oom": self.oom,
            "finished": self.finished,
            "container": self.container,
        }


def of_inspect(found: Mapping[str, Any], installation: str) -> Run | None:
    """The run in an answer of `GET /containers/ID/json`; None for a container that is not ours."""
    labels = found["Config"].get("Labels") or {}
    key = names.key_of(labels, installation)
    if key is None:
        return None
    state = found["State"]
    kind = _STATES.get(state["Status"], "running")
    # A container that the engine could not start has the state "created" and an exit code above 0.
    ended = kind == "exited"
    return Run(
        key=key,
        agent=labels.get(names.AGENT, ""),
        state=kind,
        container=found["Id"],
        exit_code=int(state["ExitCode"]) if ended else None,
        oom=bool(state.get("OOMKilled")) if ended else False,
        started=instant(state.get("StartedAt", "")),
        finished=instant(state.get("FinishedAt", "")) if ended else None,
    )


def of_event(event: Mapping[str, Any], installation: str) -> Run | None:
    """The run in a `die` event, for a container that somebody removed before it could be asked about."""
    actor = event["Actor"]
    labels = actor["Attributes"]
    key = names.key_of(labels, installation)
    if key is None:
        return None
    moment = datetime.fromtimestamp(int(event["timeNano"]) // 1_000_000 / 1000, timezone.utc)
    return Run(
        key=key,
        agent=labels.get(names.AGENT, ""),
        state="exited",
        container=str(actor["ID"]),
        exit_code=int(labels.get("exitCode", "255")),
        finished=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


def instant(text: str) -> str | None:
    """Docker's RFC 3339 time with nanoseconds -> milliseconds; its zero time -> None."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]00:00)", text)
    if not match or match[1].startswith("0001-"):
        return None
    return f"{match[1]}.{(match[2] or '').ljust(3, '0')[:3]}Z"
