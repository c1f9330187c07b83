"""Stopping everything on a host and starting it again, without touching the runs: they are Docker's."""

from __future__ import annotations

import os
import time
from typing import Any

from alvps.host import activate, process, releases, serving, units
from alvps.host.layout import Layout
from alvps.host.work import Refused, Work

_SECONDS = 60.0  # for systemctl: a daemon leaves within 5 s, and its launcher within 10
_INACTIVE = {"inactive", "failed"}


def stop(work: Work) -> dict[str, Any]:
    """Stop listeners, daemon and launcher until somebody starts them or the host boots. Raises Busy, Refused."""
    _begin(work)
    if all(state in _INACTIVE for state in units.states(work.layout).values()):  # before the first push there are none
        return {"t": "stopped", "already": True, "running": running(work.layout)}
    try:
        units.halt(work.layout, timeout=_SECONDS)
    except process.ProgramFailed as error:
        raise Refused("units", f"not stopped: {error}", detail=error.tail) from error
    after = units.states(work.layout)
    up = sorted(name for name, state in after.items() if state not in _INACTIVE)
    if up:
        raise Refused("units", f"not stopped: {', '.join(f'{name} is {after[name]}' for name in up)}")
    return {"t": "stopped", "already": False, "running": running(work.layout)}


def start(work: Work) -> dict[str, Any]:
    """Start what `stop` stopped and wait until the live release is ready. Raises Busy, Refused."""
    _begin(work)
    layout = work.layout
    live = releases.live(layout)
    if live is None:
        raise Refused("no-release", "no release is live, so there is nothing to start", hint="al push")
    before = units.states(layout)
    already = set(before.values()) == {"active"}
    since = time.time()
    try:
        if not already:
            units.begin(layout, before, timeout=_SECONDS)
    except process.ProgramFailed as error:
        raise Refused("units", f"not started: {error}", detail=units.journal_tail(layout, since)) from error
    reasons = serving.wait_ready(layout, live.id, time.monotonic() + layout.verdict_seconds)
    if reasons:
        text = f"started, but {live.id} is not ready: {'; '.join(reasons)}"
        raise Refused("units", text, hint="`al doctor` shows what is wrong", detail=units.journal_tail(layout, since))
    return {"t": "started", "already": already, "release": live.id, "running": running(layout)}


def running(layout: Layout) -> int | None:
    """How many containers of this installation's runs there are; None if Docker does not say."""
    try:
        with open(f"{os.path.dirname(layout.credentials)}/installation", encoding="ascii") as file:
            mark = file.read().strip()
        argv = [layout.docker, "ps", "--quiet", "--filter", f"label=al.installation={mark}"]
        return len(process.run(argv, timeout=10.0, merge=False).output.split())
    except FileNotFoundError:
        return 0  # no launcher ever ran
    except process.ProgramFailed:
        return None


def _begin(work: Work) -> None:
    work.lock.take()
    if serving.is_pending(work.layout):
        text = activate.resolve(work)
        if text:
            work.say(text)
    work.peer.start_beats()
