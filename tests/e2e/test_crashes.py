"""Runs survive whatever happens to the daemon and the launcher, and their exit is recorded once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.product import Product
from tests.support.projects import write_project
from tests.support.vps import Vps

UNITS = ("action-llama.service", "action-llama-launcher.service")

# The run holds until the test lets it go, so that every crash really happens while it is in flight.
SCRIPT = "echo started; until [ -e /tmp/go ]; do sleep 0.1; done; echo finished"


@pytest.mark.parametrize(
    "crash",
    [
        "systemctl kill --signal=KILL action-llama.service",
        "systemctl kill --signal=KILL action-llama-launcher.service",
        "systemctl restart action-llama.service",
        "systemctl restart action-llama-launcher.service",
        "systemctl kill --signal=KILL action-llama.service action-llama-launcher.service",
    ],
)
def test_run_in_flight_finishes_and_is_recorded_once(
    product: Product, vps: Vps, project_folder: Path, crash: str
) -> None:
    write_project(project_folder, {"holder": {"script": SCRIPT}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    run = json.loads(product.ok("run", "holder", "--json", "-E", vps.name))["run"]
    container = vps.sh(f"until docker ps -q --filter label=al.run={run} | grep .; do sleep 0.1; done").splitlines()[-1]
    before = {unit: vps.sh(f"systemctl show -P InvocationID {unit}") for unit in UNITS if unit in crash}
    vps.sh(crash)
    for unit, invocation in before.items():
        vps.sh(
            f'until [ "$(systemctl show -P InvocationID {unit})" != "{invocation}" ] && systemctl is-active -q {unit};'
            " do sleep 0.1; done"
        )
    assert vps.control(f"/runs/{run}")["state"] == "running"
    vps.sh(f"docker exec {container} touch /tmp/go")
    ended = vps.control(f"/runs/{run}?wait=30")
    assert (ended["state"], ended["exit_code"], ended["attempt"]) == ("completed", 0, 1)
    vps.sh("journalctl --sync")
    entries = vps.journal(f"AL_RUN={run}", "AL_COMPONENT=agent")
    said = [entry["MESSAGE"] for entry in entries]
    assert said.count("started") == 1
    assert said.count("finished") == 1


def test_exit_while_the_daemon_is_down_is_recorded_when_it_is_back(
    product: Product, vps: Vps, project_folder: Path
) -> None:
    write_project(project_folder, {"holder": {"script": SCRIPT + "; exit 15"}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    run = json.loads(product.ok("run", "holder", "--json", "-E", vps.name))["run"]
    container = vps.sh(f"until docker ps -q --filter label=al.run={run} | grep .; do sleep 0.1; done").splitlines()[-1]
    vps.sh("systemctl stop action-llama.service")
    vps.sh(f"docker exec {container} touch /tmp/go; docker wait {container}")
    vps.sh("systemctl start action-llama.service")
    ended = vps.control(f"/runs/{run}?wait=30")
    assert (ended["state"], ended["exit_code"]) == ("failed", 15)
    vps.sh(f'until [ -z "$(docker ps -aq --filter label=al.run={run})" ]; do sleep 0.1; done')


def test_docker_restart_does_not_lose_a_run(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"holder": {"script": SCRIPT}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    run = json.loads(product.ok("run", "holder", "--json", "-E", vps.name))["run"]
    container = vps.sh(f"until docker ps -q --filter label=al.run={run} | grep .; do sleep 0.1; done").splitlines()[-1]
    vps.sh("systemctl restart docker.service")
    vps.sh(f"docker exec {container} touch /tmp/go")
    assert vps.control(f"/runs/{run}?wait=30")["state"] == "completed"
