"""Facts about our own units, their sandboxes, and what the daemon says of its work."""

from __future__ import annotations

import re
from typing import Any

from alvps.host import control, looking, units
from alvps.host.layout import Layout

OTHERS = ("docker.service",)
_PROPERTIES = "Id,ActiveState,UnitFileState,DropInPaths,NRestarts,Result"
_SCORE = re.compile(r"Overall exposure level for \S+: ([0-9.]+)")


def states(layout: Layout) -> dict[str, dict[str, Any]] | None:
    """Of each unit: "active" and "enabled" as systemd words them, its drop-ins, how often it was started anew."""
    names = (*units.sockets(layout), *units.SERVICES, *OTHERS)
    answer = looking.output([layout.systemctl, "show", f"--property={_PROPERTIES}", *names], check=False)
    if answer is None:
        return None
    found = {}
    for block in answer.split("\n\n"):
        said = looking.pairs(block) or {}
        if said.get("Id") in names:
            found[said["Id"]] = {
                "active": said.get("ActiveState", "unknown"),
                "enabled": said.get("UnitFileState", ""),
                "drop_ins": said.get("DropInPaths", "").split(),
                "restarts": int(said.get("NRestarts") or 0),
                "result": said.get("Result", ""),
            }
    return found


def exposure(unit: str) -> float | None:
    """How open systemd finds the unit's sandbox: 0 is closed, 10 is none; systemd-analyze(1), "security"."""
    answer = looking.output(["systemd-analyze", "security", "--no-pager", unit], check=False)
    match = _SCORE.search(answer or "")
    return float(match[1]) if match else None


def daemon(layout: Layout) -> dict[str, Any] | None:
    """What of the daemon's status counts here; None if it does not answer. Times are the control API's."""
    try:
        status, answer = control.request(layout.control, "GET", "/status", timeout=3.0)
    except (control.NoAnswer, ValueError):
        return None
    if status != 200 or not isinstance(answer, dict):
        return None
    keys = ("name", "schedule", "next", "paused", "running", "queued", "waits", "last_tick")
    return {
        **{key: answer.get(key) for key in ("version", "now", "started", "paused", "warnings")},
        "agents": [{key: agent.get(key) for key in keys} for agent in answer.get("agents") or []],
        "queued": sorted(run["queued"] for run in answer.get("runs") or [] if run.get("state") == "queued"),
    }
