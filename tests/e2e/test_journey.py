"""The main job, as a stranger would do it: new, push, status, run, logs, pause, rollback."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.support.product import Product
from tests.support.projects import write_project
from tests.support.vps import Vps


def test_example_project_runs_and_its_log_streams_back(product: Product, vps: Vps, tmp_path: Path) -> None:
    product.ok("new", "demo", cwd=tmp_path)
    project = tmp_path / "demo"
    pushed = product.ok("push", "-E", vps.name, cwd=project, timeout=300)
    assert vps.release() in pushed
    assert "hello" in product.ok("status", "-E", vps.name, cwd=project)

    followed = product.run("run", "hello", "-f", "-E", vps.name, cwd=project)
    assert followed.code == 0, str(followed)
    assert "completed" in followed.err

    again = product.ok("push", "-E", vps.name, cwd=project)
    assert "nothing changed" in again


def test_run_sees_its_prompt_and_only_its_credentials(product: Product, vps: Vps, project_folder: Path) -> None:
    script = "cat; ls -R /credentials; env | sort"
    agents = {
        "reader": {"script": script, "credentials": ["github_token"]},
        "other": {"script": script},
    }
    write_project(project_folder, agents)
    product.ok("creds", "add", "github_token", "--no-check", stdin='{"token": "canary-4711"}')
    product.ok("push", "-E", vps.name, cwd=project_folder)

    reader = product.run("run", "reader", "-f", "-m", "look at this", "-E", vps.name, cwd=project_folder)
    assert reader.code == 0, str(reader)
    assert "GITHUB_TOKEN" in reader.out
    assert "github_token" in reader.out
    assert "look at this" in reader.out
    other = product.ok("run", "other", "-f", "-E", vps.name, cwd=project_folder)
    assert "GITHUB_TOKEN" not in other
    assert "/credentials/github_token" not in other


def test_missing_credentials_stop_the_push_before_anything_is_contacted(product: Product, project_folder: Path) -> None:
    write_project(project_folder, {"one": {"credentials": ["linear_token"]}, "two": {"credentials": ["git_ssh:work"]}})
    outcome = product.run("push", "-E", "nowhere", cwd=project_folder)
    assert outcome.code == 2
    # The environment does not exist either. With one that points at a dead address, the credentials are what is said.
    environments = product.home / ".action-llama" / "environments"
    environments.mkdir(parents=True, exist_ok=True)
    (environments / "dead.toml").write_text('[server]\nhost = "192.0.2.1"\n')
    try:
        outcome = product.run("push", "-E", "dead", cwd=project_folder)
    finally:
        (environments / "dead.toml").unlink()
    assert outcome.code == 2
    assert "linear_token" in outcome.err
    assert "git_ssh:work" in outcome.err


def test_log_of_one_run_and_json(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"talker": {"script": "echo one; echo two; echo three"}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    run = json.loads(product.ok("run", "talker", "--json", "-f", "-E", vps.name, cwd=project_folder).splitlines()[-1])
    lines = product.ok("logs", "--run", run["run"], "--json", "-E", vps.name).splitlines()
    entries = [json.loads(line) for line in lines]
    said = [entry["text"] for entry in entries if entry["component"] == "agent"]
    assert [text for text in said if text in ("one", "two", "three")] == ["one", "two", "three"]
    assert {entry["run"] for entry in entries} == {run["run"]}
    assert "daemon" in {entry["component"] for entry in entries}
    assert "launcher" in {entry["component"] for entry in entries}


def test_schedule_fires_by_itself(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"ticker": {"schedule": "* * * * *", "script": "echo tick"}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    started = time.monotonic()
    follower = product.start("logs", "ticker", "-f", "-n", "0", "--json", "-E", vps.name)
    assert follower.stdout is not None
    try:
        for line in follower.stdout:
            entry = json.loads(line)
            if entry["component"] == "agent" and entry["text"] == "tick":
                break
        else:
            raise AssertionError(f"`al logs -f` ended: {follower.stderr and follower.stderr.read()}")
    finally:
        follower.terminate()
        follower.communicate()
    assert time.monotonic() - started < 70
    assert entry["trigger"] == "schedule"


def test_pause_resume_and_kill(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"sleeper": {"script": "sleep 600"}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    product.ok("pause", "sleeper", "-E", vps.name)
    run = json.loads(product.ok("run", "sleeper", "--json", "-E", vps.name))["run"]
    assert vps.control(f"/runs/{run}")["state"] == "queued"
    product.ok("resume", "sleeper", "-E", vps.name)
    vps.sh(f"until docker ps -q --filter label=al.run={run} | grep -q .; do sleep 0.1; done")
    product.ok("kill", run, "-E", vps.name)
    assert vps.control(f"/runs/{run}?wait=30")["state"] == "killed"


def test_rollback_and_releases(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"voice": {"script": "echo first"}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    first = vps.release()
    (project_folder / "agents" / "voice" / "run.sh").write_text("echo second\n")
    product.ok("push", "-E", vps.name, cwd=project_folder)
    assert "second" in product.ok("run", "voice", "-f", "-E", vps.name)
    product.ok("rollback", "-E", vps.name, cwd=project_folder)
    assert vps.release() == first
    assert "first" in product.ok("run", "voice", "-f", "-E", vps.name)
    listed = json.loads(product.ok("releases", "--json", "-E", vps.name, cwd=project_folder))
    assert [release["id"] for release in listed if release["live"]] == [first]


def test_timeout_ends_a_run_with_124(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"slow": {"script": "sleep 600", "timeout": 2}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    outcome = product.run("run", "slow", "-f", "-E", vps.name)
    assert outcome.code == 1
    assert "timed-out" in outcome.err


def test_agent_images_are_built_on_the_host_and_skipped_when_nothing_changed(
    product: Product, vps: Vps, project_folder: Path
) -> None:
    dockerfile = "FROM al-agent:latest\nUSER root\nRUN echo built > /etc/built\nUSER agent\n"
    write_project(project_folder, {"own": {"script": "cat /etc/built", "files": {"Dockerfile": dockerfile}}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    assert "built" in product.ok("run", "own", "-f", "-E", vps.name)
    live = vps.release()

    (project_folder / "agents" / "own" / "Dockerfile").write_text("FROM al-agent:latest\nRUN exit 7\n")
    outcome = product.run("push", "-E", vps.name, cwd=project_folder)
    assert outcome.code == 5, str(outcome)
    assert "own" in outcome.err
    assert "exit 7" in outcome.err
    assert vps.release() == live
    assert "built" in product.ok("run", "own", "-f", "-E", vps.name)
