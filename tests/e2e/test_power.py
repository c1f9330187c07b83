"""`al stop` and `al start`: nothing is left that starts anything again, and runs go on all the same."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.product import Product
from tests.support.projects import write_project
from tests.support.vps import Vps

UNITS = (
    "action-llama.socket action-llama-runs.socket action-llama-dashboard.socket"
    " action-llama.service action-llama-launcher.service"
)


def states(vps: Vps) -> set[str]:
    return set(vps.sh(f"systemctl show -P ActiveState {UNITS}").split())


def test_stop_lets_runs_end_and_start_finds_how(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"slow": {"script": "sleep 15; exit 42"}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    run = json.loads(product.ok("run", "slow", "--json", "-E", vps.name))["run"]
    vps.sh(f"until docker ps -q --filter label=al.run={run} | grep -q .; do sleep 0.1; done")

    stopped = product.ok("stop", "-E", vps.name)
    assert f"{vps.name} is stopped" in stopped
    assert "1 run is under way" in stopped
    assert states(vps) == {"inactive"}
    # A connection starts nothing, as there is no listener.
    assert vps.inside("curl", "-sS", "http://127.0.0.1:8080/health").returncode == 7
    again = json.loads(product.ok("stop", "--json", "-E", vps.name))
    assert (again["stopped"], again["already"]) == (True, True)
    asked = product.run("status", "-E", vps.name)
    assert (asked.code, "does not answer" in asked.err) == (1, True), str(asked)
    assert vps.sh(f"docker wait $(docker ps -aq --filter label=al.run={run})") == "42"
    assert states(vps) == {"inactive"}

    started = product.ok("start", "-E", vps.name)
    assert f"release {vps.release()} is ready" in started
    assert states(vps) == {"active"}
    assert vps.control(f"/runs/{run}?wait=30")["state"] == "rerun"
    assert json.loads(product.ok("start", "--json", "-E", vps.name))["already"] is True
    product.ok("kill", "slow", "-E", vps.name)


def test_a_push_starts_a_host_that_was_stopped(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"voice": {"script": "echo one"}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    product.ok("stop", "-E", vps.name)
    product.ok("push", "-E", vps.name, cwd=project_folder)
    assert states(vps) == {"active"}
