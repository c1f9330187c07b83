"""Docker is stopped, killed, or hangs on a real host; then the daemon is killed with eight runs under way.

Webhooks are acknowledged all the time. What could not start is reported with its reason and starts by itself when
Docker is back; what ran goes on; each run has run once.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.faults import FULL, Figures, often
from tests.support.host_webhooks import SECRET, SOURCE, deliver
from tests.support.product import Product
from tests.support.projects import write_project
from tests.support.vps import Vps

HOLD = "echo started; until [ -e /tmp/go ]; do sleep 0.1; done; echo finished"
DELIVERIES = often(3, 10)
KILLS = often(2, 10)
RUNS = 8


@dataclass(frozen=True)
class Fault:
    """How it begins and ends, and how one sees that Docker is back."""

    name: str
    begin: str
    end: str


FAULTS = (
    Fault("stopped", "systemctl stop docker.socket docker.service", "systemctl start docker.socket docker.service"),
    Fault("killed", "systemctl kill --signal=KILL docker.service", "until docker info; do sleep 0.1; done"),
    Fault("hung", "systemctl kill --kill-who=main --signal=STOP docker.service", "systemctl kill --signal=CONT docker"),
)


@pytest.fixture(scope="module")
def pushed(product: Product, vps: Vps, tmp_path_factory: pytest.TempPathFactory) -> Vps:
    hooked: dict[str, object] = {"script": "echo worked", "webhooks": [{"source": "demo"}], "scale": 2}
    agents = {"hooked": hooked, "holder": {"script": HOLD, "scale": RUNS}}
    folder = write_project(tmp_path_factory.mktemp("docker") / "demo", agents, webhooks=SOURCE)
    product.ok("creds", "add", "generic_webhook_secret", stdin=json.dumps({"secret": SECRET}))
    product.ok("push", "-E", vps.name, cwd=folder, timeout=300)
    return vps


def start(vps: Vps) -> str:
    """A run that goes on until it is told."""
    run = json.loads(vps.inside("curl", *control("POST", "/runs", {"agent": "holder"})).stdout)["run"]
    vps.sh(f"until docker ps -q --filter label=al.run={run} | grep .; do sleep 0.1; done")
    return str(run)


def control(method: str, path: str, body: object) -> list[str]:
    sock = ["--unix-socket", "/run/action-llama/control.sock"]
    return ["-sS", "-X", method, *sock, "-d", json.dumps(body), f"http://localhost{path}"]


def let_go(vps: Vps, run: str) -> None:
    vps.sh(f"docker exec $(docker ps -q --filter label=al.run={run}) touch /tmp/go")


def ended(vps: Vps, run: str) -> dict[str, Any]:
    for _ in range(4):
        found = vps.control(f"/runs/{run}?wait=30")
        if found["finished"]:
            return dict(found)
    raise AssertionError(found)


def wait_until_reported(vps: Vps) -> None:
    """Until a run that cannot start says that it is because of Docker."""
    end = time.monotonic() + 120
    while True:
        waiting = [run for run in vps.control("/runs?agent=hooked")["runs"] if not run["finished"]]
        assert len(waiting) == DELIVERIES, waiting
        if any("ocker" in (run["reason"] or "") for run in waiting):
            return
        assert time.monotonic() < end, waiting


def said(vps: Vps, text: str) -> Counter[str]:
    """How often each run said that."""
    vps.sh("journalctl --sync")
    return Counter(entry["AL_RUN"] for entry in vps.journal("AL_COMPONENT=agent") if entry["MESSAGE"] == text)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_docker_is_away(pushed: Vps, fault: Fault, figures: Figures) -> None:
    vps = pushed
    holder = start(vps)
    vps.sh(fault.begin)
    for number in range(DELIVERIES):
        body = json.dumps({"action": "opened", "number": number}).encode()
        status, answer = deliver(vps, body, delivery=f"{fault.name}-{number}")
        assert (status, answer["matched"]) == (200, 1), answer
    reported = fault.name == "stopped" or (FULL and fault.name == "hung")  # it takes 40 s to see that it hangs
    if reported:
        wait_until_reported(vps)
    vps.sh(fault.end, timeout=120)
    vps.sh("until docker info; do sleep 0.1; done", timeout=120)
    runs = [run["run"] for run in vps.control("/runs?agent=hooked")["runs"]][:DELIVERIES]
    assert len(runs) == DELIVERIES
    for run in runs:
        assert ended(vps, run)["state"] == "completed"
    assert vps.control(f"/runs/{holder}")["state"] == "running"
    let_go(vps, holder)
    assert ended(vps, holder)["state"] == "completed"
    worked, started, finished = said(vps, "worked"), said(vps, "started"), said(vps, "finished")
    assert {worked[run] for run in runs} == {1}
    assert started[holder] == finished[holder] == 1
    figures(
        f"Docker {fault.name}: {DELIVERIES} of {DELIVERIES} webhooks acknowledged meanwhile, each worked on once"
        + (", and the reason was to be seen" if reported else "")
    )


def test_the_daemon_is_killed_with_eight_runs_under_way(pushed: Vps, figures: Figures) -> None:
    vps = pushed
    runs = [start(vps) for _ in range(RUNS)]
    seconds: list[float] = []
    for _ in range(KILLS):
        before = vps.sh("systemctl show -P InvocationID action-llama")
        vps.sh("systemctl kill --signal=KILL action-llama.service")
        vps.sh(f'until [ "$(systemctl show -P InvocationID action-llama)" != "{before}" ] && systemctl is-active -q'
               " action-llama; do sleep 0.1; done")  # fmt: skip
        vps.sh("journalctl --sync")
        invocation = vps.sh("systemctl show -P InvocationID action-llama")
        lines = vps.journal(f"_SYSTEMD_INVOCATION_ID={invocation}")
        (found,) = [line for line in lines if line["MESSAGE"].startswith("runs found running")]
        (ready,) = [line for line in lines if line["MESSAGE"].startswith("daemon ready")]
        assert f"count={RUNS}" in found["MESSAGE"]
        seconds.append((int(found["__REALTIME_TIMESTAMP"]) - int(ready["__REALTIME_TIMESTAMP"])) / 1e6)
        states = {run["run"]: run["state"] for run in vps.control("/runs?agent=holder")["runs"]}
        assert [states[run] for run in runs] == ["running"] * RUNS
    for run in runs:
        let_go(vps, run)
    for run in runs:
        assert (ended(vps, run)["state"], ended(vps, run)["attempt"]) == ("completed", 1)
    started, finished = said(vps, "started"), said(vps, "finished")
    assert {(started[run], finished[run]) for run in runs} == {(1, 1)}
    assert max(seconds) <= 2
    figures(f"{KILLS} kills on a host with {RUNS} runs under way: all adopted before the daemon said that it is ready")
