"""What `al doctor --fix` does on a host: only what can be done again, and harms nothing that works."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alvps.host import activate, bootstrap, machine, process, prune, releases, serving, units
from alvps.host.doors import FIREWALL_UNIT
from alvps.host.work import Refused, Work

_SECONDS = 60.0
_APT_TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")


def mend(work: Work, wanted: Sequence[str], script: bytes) -> dict[str, Any]:
    """Do what is wanted, in the order in which one thing needs the other, and say of each what came of it.

    `script`: the bootstrap. Raises Busy, and Refused for what is not known.
    """
    acts = _acts(script)
    unknown = sorted(set(wanted) - acts.keys())
    if unknown:
        raise Refused("protocol", f"the receiver cannot mend {', '.join(unknown)}")
    work.lock.take()
    work.peer.start_beats()
    done = []
    for name, act in acts.items():
        if name not in wanted:
            continue
        try:
            done.append({"fix": name, "mended": True, "text": act(work)})
        except Refused as refused:
            done.append({"fix": name, "mended": False, "text": _said(refused.message, refused.detail)})
        except process.ProgramFailed as failed:
            done.append({"fix": name, "mended": False, "text": _said(str(failed), failed.tail)})
        except OSError as error:
            done.append({"fix": name, "mended": False, "text": str(error)})
    return {"t": "mended", "done": done}


def _said(message: str, output: str) -> str:
    """A failure, and the last line that was printed about it."""
    return ": ".join([message, *output.strip().splitlines()[-1:]])


def _switch(work: Work) -> str:
    if not serving.is_pending(work.layout):
        return "no switch was undecided any more"
    return activate.resolve(work) or "a switch that had not begun was forgotten"


def _bootstrap(work: Work, script: bytes) -> str:
    import hashlib

    said: list[str] = []
    bootstrap.run(script, hashlib.sha256(script).hexdigest(), life=work.life, on_line=said.append)
    done = [line.removeprefix("bootstrap: ") for line in said if line.startswith("bootstrap: ")]
    return f"the bootstrap was run: {'; '.join(done)}"


def _docker(work: Work) -> str:
    _systemctl(work, "reset-failed", "docker.service", "docker.socket", check=False)
    _systemctl(work, "start", "docker.service")
    process.run([work.layout.docker, "version"], timeout=_SECONDS)
    live = releases.live(work.layout)
    if live is not None and units.states(work.layout)[units.DAEMON] == "active":
        # The daemon notices by itself; whoever looks next shall see it.
        serving.wait_ready(work.layout, live.id, time.monotonic() + work.layout.verdict_seconds)
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


def _acts(script: bytes) -> Mapping[str, Callable[[Work], str]]:
    """What can be done, in order."""
    return {
        "switch": _switch,
        "bootstrap": lambda work: _bootstrap(work, script),
        "docker": _docker,
        "enable": _enable,
        "units": _units,
        "firewall": _firewall,
        "time": _time,
        "updates": _updates,
        "prune": _prune,
    }
