"""`al stop` and `al start`: the laptop's side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alvps.push.events import Event
from alvps.push.push import pushed_by
from alvps.push.session import HostSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """`already`: nothing was up. `running`: how many runs go on; None if Docker does not say."""

    already: bool
    running: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """`already`: everything was up. `release`: the one that is ready now. `running`: as above."""

    already: bool
    release: str
    running: int | None


def stop(session: HostSession, *, progress: Callable[[Event], None] = lambda _: None) -> Stopped:
    """Stop listeners, daemon and launcher. Raises HostBusy, AlError, HostUnreachable."""
    answer = _ask(session, "stop", progress)
    return Stopped(already=bool(answer["already"]), running=answer["running"])


def start(session: HostSession, *, progress: Callable[[Event], None] = lambda _: None) -> Started:
    """Start them and wait for readiness. Raises UsageError (no release is live), HostBusy, AlError, HostUnreachable."""
    answer = _ask(session, "start", progress)
    return Started(already=bool(answer["already"]), release=str(answer["release"]), running=answer["running"])


def _ask(session: HostSession, verb: str, progress: Callable[[Event], None]) -> dict[str, Any]:
    line = session.begin({"verb": verb, "by": pushed_by()})
    line.start_beats()
    return line.receive(progress)[0]
