"""A project that runs on this machine: up, told of changes, told to stop once and twice, and a part that ends."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alvps.errors import AlError
from alvps.local import programs
from alvps.local.changes import Changes
from alvps.local.here import Here, here
from alvps.local.session import LocalSession
from alvps.local.stand import Standing
from tests.support import daemon_rig as rig
from tests.support import fake_launcher

REPOSITORY = Path(__file__).parent.parent.parent.parent


class Stage:
    """A place with a release, a launcher that runs nothing, and what was said."""

    def __init__(self, place: Here, project: Path) -> None:
        self.place = place
        self.said: list[str] = []
        self.renewed: Callable[[], str] = lambda: "nothing"
        self.standing = Standing(here=place, say=self.said.append, renew=self.renew, changes=Changes(project))

    def renew(self) -> str:
        return self.renewed()

    def release(self, number: int, agents: dict[str, str]) -> str:
        name = rig.release(self.place.folder, number, agents)
        (self.place.root / "releases" / name / "code").symlink_to(REPOSITORY)
        current = self.place.root / "current"
        current.unlink()
        current.symlink_to(f"releases/{name}")
        return name

    def up(self, release: str) -> None:
        with_ports = rig.options(self.place.folder)
        assert with_ports.dashboard
        self.standing.up(
            python=sys.executable,
            docker="unix:///nothing",
            listen=with_ports.listen,
            dashboard=with_ports.dashboard[1],
            release=release,
        )

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return LocalSession(self.place).control(method, path, body)[1]

    def until(self, condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + rig.PATIENCE
        while not condition():
            assert time.monotonic() < end, f"no {what}; said: {self.said}"
            time.sleep(0.02)

    def running(self) -> list[str]:
        return [run["run"] for run in self.ask("GET", "/status")["runs"] if run["state"] == "running"]


@pytest.fixture
def stage(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(
        programs,
        "launcher_argv",
        lambda place, interpreter, _docker: [interpreter, fake_launcher.__file__, str(place.run)],
    )
    place = here(tmp_path)
    lock = place.take()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    found = Stage(place, tmp_path)
    yield found
    found.standing.close()
    for number, handler in before.items():
        signal.signal(number, handler)
    os.close(lock)


def test_one_signal_ends_runs_and_keeps_the_queue_and_the_next_start_goes_on(stage: Stage) -> None:
    rig.behave(stage.place.run, slow={"seconds": 60, "seconds_on_stop": 0.1})
    name = stage.release(1, {"slow": "manual = true"})
    stage.up(name)
    stage.standing.listen_to_signals()
    first, second = (stage.ask("POST", "/runs", {"agent": "slow"})["run"] for _ in range(2))
    stage.until(lambda: stage.running() == [first], "run")
    assert stage.standing.look() is True
    os.kill(os.getpid(), signal.SIGINT)
    assert stage.standing.look() is False
    assert stage.said == ["ending 1 run (slow); Ctrl-C once more leaves at once", "1 queued, for the next al start"]
    stage.standing.close()
    assert stage.place.paused.exists()
    assert {row["run"]: row["state"] for row in rig.rows(stage.place.folder, "SELECT run, state FROM runs")} == {
        first: "killed",
        second: "queued",
    }

    again = Stage(stage.place, stage.place.folder)
    again.up(name)
    again.until(lambda: again.running() == [second], "the queued run")
    assert not stage.place.paused.exists()
    again.standing.close()


def test_a_pause_of_the_person_s_own_outlives_a_stop(stage: Stage) -> None:
    name = stage.release(1, {"slow": "manual = true"})
    stage.up(name)
    stage.ask("POST", "/pause")
    stage.standing._asked = 1
    assert stage.standing.look() is False
    stage.standing.close()
    again = Stage(stage.place, stage.place.folder)
    again.up(name)
    assert again.ask("GET", "/status")["paused"] is True
    again.standing.close()


def test_two_signals_leave_at_once(stage: Stage) -> None:
    rig.behave(stage.place.run, slow={"seconds": 60, "seconds_on_stop": 60})
    stage.up(stage.release(1, {"slow": "manual = true"}))
    run = stage.ask("POST", "/runs", {"agent": "slow"})["run"]
    stage.until(lambda: stage.running() == [run], "run")
    stage.standing._asked = 2
    began = time.monotonic()
    assert stage.standing.look() is False
    stage.standing.close()
    assert time.monotonic() - began < 5
    assert stage.said[-1].startswith("1 left as they are")


def test_changed_files_become_a_release_and_a_refused_one_is_taken_back(stage: Stage, tmp_path: Path) -> None:
    old = stage.release(1, {"one": "manual = true"})
    stage.up(old)

    def change() -> None:
        stage.said.clear()
        (tmp_path / "file").write_text(str(time.monotonic_ns()))

        def told() -> bool:
            assert stage.standing.look() is True
            stage.standing._looked = 0.0
            return bool(stage.said)

        stage.until(told, "word of the change")

    stage.renewed = lambda: stage.release(2, {"one": "manual = true", "two": "manual = true"})
    change()
    assert stage.said[0].startswith("files changed: release 20261123T000002Z")
    assert len(stage.ask("GET", "/status")["agents"]) == 2

    def broken() -> str:
        name = stage.release(3, {"one": "manual = true"})
        (stage.place.root / "releases" / name / "release.json").write_text("{}")
        return name

    stage.renewed = broken
    change()
    assert "not taken up" in stage.said[0]
    assert (stage.place.root / "current").readlink().name.startswith("20261123T000002Z")

    def wrong() -> str:
        raise AlError("there is a mistake", detail="config.toml: x")

    stage.renewed = wrong
    change()
    assert stage.said == ["the changed files are not taken up: there is a mistake\nconfig.toml: x"]


def test_a_part_that_ends_by_itself_ends_all_with_its_words(stage: Stage) -> None:
    stage.up(stage.release(1, {"one": "manual = true"}))
    daemon = stage.standing._children["daemon"]
    with stage.place.stderr.open("a") as said:
        said.write("Traceback: the last words\n")
    daemon.kill()
    daemon.wait()
    with pytest.raises(AlError, match=r"the daemon ended by itself \(signal 9\)") as raised:
        stage.standing.look()
    assert raised.value.detail is not None
    assert "the last words" in raised.value.detail
    stage.standing.close()
    assert stage.standing._children["launcher"].returncode is not None


def test_one_that_cannot_start_says_why(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    name = stage.release(1, {"one": "manual = true"})
    argv = [sys.executable, "-c", "import sys; sys.exit('no such thing')"]
    monkeypatch.setattr(programs, "daemon_argv", lambda *_, **__: argv)
    with pytest.raises(AlError, match=r"the daemon ended by itself \(exit code 1\)") as raised:
        stage.up(name)
    # The launcher, which starts beside it, may have said something as well.
    assert "no such thing" in (raised.value.detail or "").splitlines()


def test_what_the_processes_are_given(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SHELL", "canary")
    (stage.place.root / "current").symlink_to(REPOSITORY)
    program = "import json, os, sys; print(json.dumps([dict(os.environ), os.getsid(0) == os.getpid()]))"
    child = programs.start(stage.place, [sys.executable, "-c", program])
    child.wait(10)
    environ, own_session = json.loads(stage.place.stderr.read_text())
    assert own_session
    assert "SECRET_OF_THE_SHELL" not in environ
    assert environ["PYTHONPATH"] == str(stage.place.root / "current" / "code")
