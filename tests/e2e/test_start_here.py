"""`al start` without a host: the project on this machine, with its Docker, for whoever works in the folder."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.product import Product
from tests.support.projects import write_agent, write_project

PATIENCE = 60.0  # seconds
FIRST = 600.0  # the first start installs what the daemon needs and builds the base image
ASKS = (
    'echo "secret: $GITHUB_TOKEN"; al-status busy; rlock "github issue a/b" >/dev/null && echo locked; al-return fine'
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


class Standing:
    """One `al start`, and commands in its folder."""

    def __init__(self, product: Product, folder: Path, *words: str) -> None:
        self.product, self.folder = product, folder
        number = len(list(folder.parent.glob("out-*")))
        self.out, self.err = folder.parent / f"out-{number}", folder.parent / f"err-{number}"
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.process = subprocess.Popen(
                product.argv("start", *words),
                cwd=folder,
                env=product.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def up(self) -> Standing:
        self.until(lambda: "runs here" in self.said(), "the start", FIRST)
        return self

    def said(self) -> str:
        return self.err.read_text() + self.out.read_text()

    def until(self, condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        end = time.monotonic() + patience
        while not condition():
            assert self.process.poll() is None, f"al start ended: {self.said()}"
            assert time.monotonic() < end, f"no {what}: {self.said()}"
            time.sleep(0.05)

    def ok(self, *words: str) -> str:
        return self.product.ok(*words, cwd=self.folder)

    def status(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.ok("status", "--json"))
        return found

    def ended(self) -> int:
        return self.process.wait(PATIENCE)

    @property
    def containers(self) -> list[str]:
        """Those of this project, running or not."""
        networks = [f"al-{path.name}" for path in self.product.home.glob("state/action-llama/*")]
        return [one for network in networks for one in docker("ps", "-aq", "--filter", f"network={network}").split()]


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def here(product: Product, cache: Path) -> Iterator[Callable[..., Standing]]:
    """Starts a project in a home of its own; everything ends with the test."""
    started: list[Standing] = []
    homes = []

    def start(folder: Path, *words: str, home: Path | None = None) -> Standing:
        if home is None:
            home = Path(tempfile.mkdtemp(prefix="al"))  # short: it holds sockets
            homes.append(home)
        own = {"XDG_STATE_HOME": str(home / "state"), "XDG_CACHE_HOME": str(cache)}
        found = Standing(replace(product, home=home, extra_env={**product.extra_env, **own}), folder, *words)
        started.append(found)
        return found

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGTERM)
            one.process.wait(PATIENCE)
        for container in one.containers:
            docker("rm", "-f", container)
    for home in homes:
        shutil.rmtree(home)


def test_a_project_runs_and_the_other_commands_talk_to_it(here: Callable[..., Standing], project_folder: Path) -> None:
    agents: dict[str, dict[str, object]] = {
        "asks": {"script": ASKS, "credentials": ["github_token"]},
        "fails": {"script": "echo bad >&2; exit 3"},
    }
    write_project(project_folder, agents)
    refused = here(project_folder)
    home = refused.product.home
    assert refused.ended() == 2
    assert "al creds add github_token" in refused.said()
    refused.product.ok("creds", "add", "github_token", "--no-check", stdin='{"token": "ghp_canary1234567"}')
    standing = here(project_folder, home=home).up()

    assert [agent["name"] for agent in standing.status()["agents"]] == ["asks", "fails"]  # type: ignore[attr-defined]  # of JSON
    followed = standing.product.run("run", "asks", "-f", cwd=project_folder)
    assert followed.code == 0, str(followed)
    lines = [line.split(" ", 3)[-1] for line in followed.out.splitlines()]
    assert "locked" in lines
    assert "secret: ***" in followed.out or "canary" not in followed.out
    assert "run finished" in lines[-1]
    failed = standing.product.run("run", "fails", "-f", cwd=project_folder)
    assert (failed.code, "bad" in failed.out) == (1, True), str(failed)

    log = [json.loads(line) for line in standing.ok("logs", "--json", "fails").splitlines()]
    assert next(line["text"] for line in log if line["component"] == "agent") == "bad"
    assert "canary" not in standing.said() + standing.ok("logs", "-n", "1000")
    assert "failed" in standing.ok("why", "fails")
    (address,) = standing.ok("dashboard", "--no-browser").split()[2:]
    with urllib.request.urlopen(address.partition("#")[0]) as page:
        assert page.status == 200

    again = standing.product.run("start", cwd=project_folder)
    assert (again.code, f"process {standing.process.pid}" in again.err) == (2, True), str(again)
    assert standing.ok("stop") == "stopped\n"
    assert standing.ended() == 0
    assert "does not run" in standing.ok("stop")
    # What was said stays to be read.
    assert "bad" in standing.ok("logs", "fails")
    for path in (home / "state").rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"canary" not in path.read_bytes(), path


def test_webhooks_come_in_with_the_store_s_own_secrets(here: Callable[..., Standing], project_folder: Path) -> None:
    agents: dict[str, dict[str, object]] = {
        "triage": {"script": "cat | grep -c tickets-42", "webhooks": [{"source": "demo"}]}
    }
    write_project(project_folder, agents, webhooks={"demo": {"type": "generic", "header": "x-signature-256"}})
    refused = here(project_folder)
    assert refused.ended() == 2
    assert "al creds add generic_webhook_secret" in refused.said()
    secret = "0123456789abcdef0123456789abcdef"  # no real one
    refused.product.ok("creds", "add", "generic_webhook_secret", stdin=json.dumps({"secret": secret}))
    standing = here(project_folder, home=refused.product.home).up()
    port = standing.said().rpartition("http://127.0.0.1:")[2].split()[0]
    body = b'{"action": "opened", "name": "tickets-42"}'

    def deliver(key: str) -> int:
        signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        headers = {"x-signature-256": f"sha256={signature}", "content-type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/webhooks/generic", body, headers)  # ours
        try:
            with urllib.request.urlopen(request) as answer:  # ours
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert deliver("wrong") == 401
    assert deliver(secret) == 200
    standing.until(lambda: "run finished" in standing.said(), "run")
    assert "state=completed" in standing.said()
    assert secret not in standing.said()
    assert "matched" in standing.ok("webhooks", "ls")


def test_ctrl_c_ends_runs_and_keeps_what_is_queued(here: Callable[..., Standing], project_folder: Path) -> None:
    write_project(project_folder, {"slow": {"script": "trap 'echo ending; exit 0' TERM; echo began; sleep 300 & wait"}})
    standing = here(project_folder).up()
    first, second = (json.loads(standing.ok("run", "slow", "--json"))["run"] for _ in range(2))
    standing.until(lambda: "began" in standing.said(), "run")
    standing.process.send_signal(signal.SIGINT)
    assert standing.ended() == 0
    assert "ending 1 run (slow)" in standing.said()
    assert "1 queued" in standing.said()
    assert standing.containers == []

    again = here(project_folder, home=standing.product.home).up()
    runs = {run["run"]: run["state"] for run in json.loads(again.ok("status", "--json"))["runs"]}
    assert first not in runs
    assert "killed" in again.ok("why", "slow")
    again.until(lambda: len(again.containers) == 1, "the queued run")
    assert second in {run["run"] for run in json.loads(again.ok("status", "--json"))["runs"]}
    # Twice: it leaves at once, and the next start finds what still runs.
    again.process.send_signal(signal.SIGINT)
    again.process.send_signal(signal.SIGINT)
    assert again.ended() in {0, 130}


def test_after_a_kill_nothing_is_left_but_runs_which_are_found_again(
    here: Callable[..., Standing], project_folder: Path
) -> None:
    write_project(project_folder, {"slow": {"script": "echo one; sleep 6; echo two"}})
    standing = here(project_folder).up()
    run = json.loads(standing.ok("run", "slow", "--json"))["run"]
    standing.until(lambda: " one" in standing.said(), "run")
    standing.process.kill()
    standing.process.wait()
    again = here(project_folder, home=standing.product.home).up()
    followed = again.ok("logs", "--run", run)
    again.until(lambda: "two" in again.ok("logs", "--run", run), "the end of the run")
    assert again.ok("logs", "--run", run).count(" one") == followed.count(" one") == 1
    again.until(lambda: "state=completed" in again.ok("logs", "--run", run), "the record of the end")


def test_changed_files_are_taken_up_and_wrong_ones_are_not(here: Callable[..., Standing], project_folder: Path) -> None:
    write_project(project_folder, {"one": {"script": "echo old"}})
    standing = here(project_folder).up()
    write_agent(project_folder, "two", script="echo new")
    standing.until(lambda: "files changed: release" in standing.said(), "reload")
    assert "new" in standing.ok("run", "two", "-f")
    (project_folder / "agents/two/agent-config.toml").write_text("shedule = 1\n")
    standing.until(lambda: "are not taken up" in standing.said(), "complaint")
    assert "new" in standing.ok("run", "two", "-f")


def test_two_projects_side_by_side(here: Callable[..., Standing], tmp_path: Path) -> None:
    both = []
    for name in ("a", "b"):
        folder = write_project(tmp_path / name / "demo", {"voice": {"script": f"echo {name}"}})
        both.append(here(folder).up())
    for standing, name in zip(both, ("a", "b"), strict=True):
        out = standing.ok("run", "voice", "-f")
        assert f" {name}\n" in out
    ports = [one.said().rpartition("http://127.0.0.1:")[2].split()[0] for one in both]
    assert len(set(ports)) == 2
    for port in ports:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            assert answer.status == 200
    taken = here(write_project(tmp_path / "c" / "demo", {"voice": {"script": "true"}}), "--port", ports[0])
    assert (taken.ended(), f"port {ports[0]} of this machine is taken" in taken.said()) == (1, True)


def test_without_docker_it_says_so(product: Product, project_folder: Path, tmp_path: Path) -> None:
    write_project(project_folder, {"one": {"script": "true"}})
    own = {
        "DOCKER_HOST": f"unix://{tmp_path}/none.sock",
        "XDG_STATE_HOME": tempfile.gettempdir() + f"/al-{os.getpid()}",
    }
    outcome = replace(product, extra_env=own).run("start", cwd=project_folder)
    assert (outcome.code, "Docker does not answer on this machine" in outcome.err) == (1, True), str(outcome)
    assert "Traceback" not in outcome.err
