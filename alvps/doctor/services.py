"""Findings about our units, the release, and the daemon's work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from alvps.doctor.expected import Expected
from alvps.doctor.findings import Finding, Fix, error, ok, span, unknown, warning
from alvps.host.units import DAEMON, LAUNCHER, SERVICES, SOCKETS, UNSEALING

OURS = (*SOCKETS, *UNSEALING, *SERVICES)  # an early version has not all of them
# What `systemd-analyze security` gives them as they are shipped is below; more is a drop-in that weakens them.
EXPOSURE = {"exposure_daemon": (DAEMON, 1.5), "exposure_launcher": (LAUNCHER, 3.0)}
OUR_DROP_INS = ("/50-expose.conf",)  # the bootstrap's, by which a listener is exposed
LATE = 120.0  # seconds: a tick is decided within one
LONG_QUEUED = 3600.0


def findings(facts: Mapping[str, Any], expected: Expected) -> Iterator[Finding]:
    """Units and sandboxes, the live release, ticks and queue."""
    yield from _units(facts)
    yield from _release(facts, expected)
    if facts["live"] is not None and not _is_down(facts):
        yield _ready(facts)
        yield from _daemon(facts)


def _is_down(facts: Mapping[str, Any]) -> bool:
    """Whether the daemon does not run, which is a finding by itself: that it does not answer follows from it."""
    return bool(facts["units"]) and facts["units"].get(DAEMON, {}).get("active") != "active"


def _units(facts: Mapping[str, Any]) -> Iterator[Finding]:
    units = facts["units"]
    if not units:
        yield unknown("unit-active", "units", "the state of the units")
        return
    pushed = facts["live"] is not None
    ours = [unit for unit in OURS if unit in units]
    if pushed and all(units[unit]["active"] == "inactive" for unit in ours):
        yield error("unit-active", "units", "everything is stopped on the host", "al start")
        return
    for unit, state in sorted(units.items()):
        if pushed or unit not in OURS:
            yield _active(unit, state)
    for unit in ours if pushed else ():
        yield from _installed(unit, units[unit])
    for key, (unit, limit) in EXPOSURE.items() if pushed else ():
        yield _sandbox(unit, facts[key], limit)


def _active(unit: str, state: Mapping[str, Any]) -> Finding:
    if state["active"] == "active":
        return ok("unit-active", "units", f"{unit} is active")
    why = f" ({state['result']})" if state["result"] not in {"", "success"} else ""
    remedy = f"on the host: systemctl status {unit}; journalctl -u {unit} -n 50"
    fix: Fix = "units" if unit in OURS else "docker"
    return error("unit-active", "units", f"{unit} is {state['active']}{why}", remedy, fix=fix)


def _installed(unit: str, state: Mapping[str, Any]) -> Iterator[Finding]:
    if state.get("enabled") not in {"enabled", "static"}:
        text = f"{unit} is {state.get('enabled') or 'not installed'}: it would not start at boot"
        yield error("unit-enabled", "units", text, f"on the host: systemctl enable {unit}", fix="enable")
    for path in state.get("drop_ins", ()):
        if path.startswith(f"/etc/systemd/system/{unit}.d/") and not path.endswith(OUR_DROP_INS):
            yield ok("unit-drop-ins", "units", f"{unit} is changed by {path}, which is not al's")
    if state.get("restarts", 0) > 3:
        text = f"{unit} ended {state['restarts']} times by itself and was started anew"
        yield warning("unit-restarts", "units", text, f"on the host: journalctl -u {unit} -p warning")


def _sandbox(unit: str, score: float | None, limit: float) -> Finding:
    if score is None:
        return unknown("unit-sandbox", "units", f"how well the sandbox of {unit} holds")
    if score > limit:
        text = f"the sandbox of {unit} is weaker than it was shipped: exposure {score:g}, at most {limit:g} is meant"
        return error("unit-sandbox", "units", text, f"on the host: systemctl cat {unit} shows what was added to it")
    return ok("unit-sandbox", "units", f"the sandbox of {unit} holds (exposure {score:g} of 10)")


def _release(facts: Mapping[str, Any], expected: Expected) -> Iterator[Finding]:
    live = facts["live"]
    if live is not None and expected.project not in {None, facts["project"]}:
        text = f"the host runs the project {facts['project']!r}, this folder is {expected.project!r}"
        yield warning("release-project", "release", text, "another -E or another folder; or al push --replace")
    if facts["pending"]:
        text = "a switch was interrupted and is not decided"
        yield error("release-pending", "release", text, "al push decides it", fix="switch")
    last = facts["last_push"]
    if last and last.get("result") not in ("live", None):
        text = f"the last push ({last.get('at')} by {last.get('by')}) did not go live: {last['result']}"
        yield warning("release-last-push", "release", text, "al push, when the cause is gone")
    if live is None:
        yield warning("release-ready", "release", "no release is live", "al push")
        return
    if facts["version"] != expected.version:
        text = f"the host runs al {facts['version'] or 'of an unknown version'}, this is {expected.version}"
        yield warning("release-version", "release", text, "al push brings it up to date")
    elif facts["code"] != expected.code:
        text = f"the host runs other code of al {expected.version} than this machine has"
        yield warning("release-version", "release", text, "al push brings it up to date")
    else:
        text = f"the host runs the same al {expected.version} as this machine, on Python {facts['python']}"
        yield ok("release-version", "release", text)


def _ready(facts: Mapping[str, Any]) -> Finding:
    live = facts["live"]
    if facts["ready"] is None:
        return unknown("release-ready", "release", f"whether {live} is ready")
    if facts["ready"]:
        text = f"{live} is not ready: {'; '.join(map(str, facts['ready']))}"
        return error("release-ready", "release", text, "al logs")
    return ok("release-ready", "release", f"{live} is live and ready")


def _daemon(facts: Mapping[str, Any]) -> Iterator[Finding]:
    daemon = facts["daemon"]
    if daemon is None:
        yield unknown("schedule-ticks", "daemon", "what the daemon does (it does not answer)")
        return
    for text in daemon["warnings"] or ():
        yield warning("daemon-warning", "daemon", str(text), "it goes on by itself once the cause is gone; al logs")
    now = _moment(daemon["now"])
    if daemon["paused"]:
        yield warning("daemon-paused", "daemon", "everything is paused: nothing starts", "al resume")
    paused = [agent["name"] for agent in daemon["agents"] if agent["paused"]]
    if paused and not daemon["paused"]:
        yield warning("daemon-paused", "daemon", f"paused: {', '.join(paused)}", f"al resume {paused[0]}")
    yield from _ticks(daemon, now)
    yield _queue(daemon, now)


def _ticks(daemon: Mapping[str, Any], now: float) -> Iterator[Finding]:
    scheduled = [agent for agent in daemon["agents"] if agent["next"]]
    for agent in scheduled:
        tick = agent["last_tick"]
        if tick and tick["decision"] == "missed":
            text = f"the last tick of {agent['name']} was missed: {tick.get('reason') or 'no reason is known'}"
            yield warning("schedule-missed", "daemon", text, f"al why {agent['name']}")
    late = [agent for agent in scheduled if now - _moment(agent["next"]) > LATE]
    for agent in late:
        text = f"{agent['name']} was due {span(now - _moment(agent['next']))} ago, and nothing was decided"
        yield error(
            "schedule-ticks", "daemon", text, f"al why {agent['name']}; on the host: systemctl restart {DAEMON}"
        )
    if late:
        return
    last = [_moment(agent["last_tick"]["nominal"]) for agent in scheduled if agent["last_tick"]]
    before = f"the last tick was {span(now - max(last))} ago" if last else "no tick yet"
    coming = min((_moment(agent["next"]) for agent in scheduled), default=None)
    after = "nothing is scheduled" if coming is None else f"the next is in {span(coming - now)}"
    yield ok("schedule-ticks", "daemon", f"{before}, {after}")


def _queue(daemon: Mapping[str, Any], now: float) -> Finding:
    count = len(daemon["queued"])
    if not count:
        return ok("queue", "daemon", "nothing waits to be started")
    waited = now - _moment(daemon["queued"][0])
    text = f"{count} run{' waits' if count == 1 else 's wait'} to be started, the oldest for {span(waited)}"
    if waited > LONG_QUEUED:
        reasons = sorted({f"{agent['name']}: {agent['waits']}" for agent in daemon["agents"] if agent["waits"]})
        why = f" ({'; '.join(reasons)})" if reasons else ""
        return warning("queue", "daemon", f"{text}{why}", "al status; al why AGENT")
    return ok("queue", "daemon", text)


def _moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc).timestamp()
