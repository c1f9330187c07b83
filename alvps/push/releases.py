"""`al releases` and `al rollback`: what the host has, and going back to one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alvps.errors import HostUnreachable, PushFailed, UsageError
from alvps.host.releases import is_id
from alvps.push.events import Event
from alvps.push.push import PushResult, not_live, pushed_by
from alvps.push.session import HostSession


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseLine:
    """One release on the host."""

    id: str
    live: bool
    created: str  # ISO 8601, UTC
    pushed_by: str
    version: str  # of alvps
    agents: tuple[str, ...]


def releases(session: HostSession) -> tuple[ReleaseLine, ...]:
    """The releases on the host, oldest first. Raises HostUnreachable, AlError."""
    return tuple(_line(facts) for facts in session.releases())


def rollback(
    session: HostSession, release: str | None = None, *, progress: Callable[[Event], None] = lambda _: None
) -> PushResult:
    """Make an earlier release live, by default the one before the live one.

    Raises UsageError (no such release), HostBusy, PushFailed (it lacks something, or did not come up), HostUnreachable.
    """
    if release is not None and not is_id(release):
        raise UsageError(f"{release!r} is not a release's id", hint="`al releases` lists them")
    line = session.begin({"verb": "rollback", "release": release, "by": pushed_by()})
    line.start_beats()
    try:
        answer, _ = line.receive(progress)
    except HostUnreachable as error:
        if line.switched:
            text = f"{error.message}, after the switch had begun; the host decides alone whether it stays"
            raise PushFailed(text, hint="`al releases` shows what is live", detail=error.detail) from error
        raise
    if answer.get("result") != "live":
        raise not_live(answer)
    return PushResult(
        result="live",
        release=answer.get("release"),
        previous=answer.get("previous"),
        bytes_sent=line.sent,
        bytes_received=line.received,
        seconds=float(answer.get("seconds") or 0.0),
    )


def _line(facts: dict[str, Any]) -> ReleaseLine:
    return ReleaseLine(
        id=str(facts.get("id")),
        live=facts.get("live") is True,
        created=str(facts.get("created", "")),
        pushed_by=str(facts.get("pushed_by", "")),
        version=str(facts.get("version", "")),
        agents=tuple(map(str, facts.get("agents") or ())),
    )
