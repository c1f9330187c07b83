"""What `al doctor --fix` does on a host: only what can be done again, and harms nothing that works."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alvps.host import activate, machine, process, prune, releases, serving, units
from alvps.host.doors import FIREWALL_UNIT
from alvps.host.work import Refused, Work

_SECONDS = 60.0
_APT_TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")


def mend(work: Work, wanted: Sequence[str]) -> dict[str, Any]:
    """Do what is wanted, in the order in which one thing needs the other, and say of each what came of it.

    Raises Busy, and Refused for what is not known.
    """
    unknown = sorted(set(wanted) - _ACTS.keys())
    if unknown:
        raise Refused("protocol", f"the receiver cannot mend {', '.join(unknown)}")
    work.lock.take()
    work.peer.start_beats()
    done = []
    for name, act in _ACTS.items():
        if name not in wanted:
            continue
        try:
            done.append({"fix": name, "mended": True, "text": act(work)})
        except Refused as refused:
            done.append({"fix": name, "mended": False, "text": refused.message})
        except process.ProgramFailed as failed:
            last = failed.tail.strip().splitlines()
            done.append({"fix": name, "mended": False, "text": ": ".join([str(failed), *last[-1:]])})
        except OSError as error:
            done.append({"fix": name, "mended": False, "text": str(error)})
    return {"t": "mended", "done": done}


def _switch(work: Work) -> str:
    if not serving.is_pending(work.layout):
        return "no switch was undecided any more"
    return activate.resolve(work) or "a switch that had not begun was forgotten"


def _docker(work: Work) -> str:
    _systemctl(work, "reset-failed", "docker.service", "docker.socket", check=False)
    _systemctl(work, "start", "docker.service")
    process.run([work.layout.docker, "version"], timeout=_SECONDS)
    return "Docker was started"


def _enable(work: Work) -> str:
    units.enable(work.layout)
    return "the units start at boot again"


def _units(work: Work) -> str:
    layout = work.layout
    live = releases.live(layout)
    if live is None:
        raise Refused("no-release", "no release is live, so there is nothing to start")
    units.begin(layout, units.states(layout), timeout=_SECONDS)
    reasons = serving.wait_ready(layout, live.id, time.monotonic() + layout.verdict_seconds)
    if reasons:
        raise Refused("units", f"the units were started, but {live.id} is not ready: {'; '.join(reasons)}")
    return f"the units were started; {live.id} is ready"


def _firewall(work: Work) -> str:
    _systemctl(work, "enable", "--quiet", FIREWALL_UNIT)
    _systemctl(work, "reload-or-restart", FIREWALL_UNIT)
    return "the firewall's rules were loaded"


def _time(_: Work) -> str:
    process.run(["timedatectl", "set-ntp", "true"], timeout=_SECONDS)
    return "time synchronisation was switched on"


def _updates(work: Work) -> str:
    _systemctl(work, "enable", "--now", "--quiet", *_APT_TIMERS)
    return "the timers of apt were switched on"


def _prune(work: Work) -> str:
    before = machine.disk(work.layout.docker_data) or machine.disk("/") or {"free": 0}
    prune.prune(work)
    after = machine.disk(work.layout.docker_data) or machine.disk("/") or {"free": 0}
    freed = max(0, after["free"] - before["free"])
    return f"old releases and images of al were removed: {freed / (1 << 20):.0f} MiB were freed"


def _systemctl(work: Work, *arguments: str, check: bool = True) -> None:
    process.run([work.layout.systemctl, *arguments], timeout=_SECONDS, check=check)


_ACTS: Mapping[str, Callable[[Work], str]] = {
    "switch": _switch,
    "docker": _docker,
    "enable": _enable,
    "units": _units,
    "firewall": _firewall,
    "time": _time,
    "updates": _updates,
    "prune": _prune,
}
