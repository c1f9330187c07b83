"""Which place a command means, and commands that talk to a daemon on this machine."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alvps.cli import power
from alvps.cli.main import run
from alvps.cli.place import meant
from alvps.errors import UsageError
from alvps.local.here import Here, here
from alvps.logs.file import LogFile
from alvps.project.environment import Environment
from alvps.project.environments import ON_A_HOST, NoneMeant, save_environment
from tests.support import daemon_rig as rig

Al = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("s")))
    monkeypatch.delenv("AL_ENV", raising=False)
    (tmp_path / "home").mkdir()


@pytest.fixture
def running(project: Path) -> Iterator[Here]:
    """Somebody runs the project here."""
    place = here(project)
    lock = place.take()
    (place.run / "here.json").write_text(json.dumps({"pid": os.getpid(), "dashboard": 4711}))
    yield place
    os.close(lock)


@pytest.fixture
def al(capsys: pytest.CaptureFixture[str]) -> Al:
    def call(*argv: str) -> tuple[int, str, str]:
        code = run(list(argv))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return call


def test_nothing_is_meant_where_there_is_nothing(project: Path) -> None:
    with pytest.raises(NoneMeant) as raised:
        meant(project, None)
    assert "al start runs this project on this machine" in str(raised.value.hint)


def test_this_machine_comes_after_what_is_bound_and_before_the_only_one(project: Path, running: Here) -> None:
    assert meant(project, None) == running
    save_environment(Environment(name="only", host="h"))
    assert meant(project, None) == running
    for flag in ("only", ON_A_HOST):
        found = meant(project, flag)
        assert isinstance(found, Environment)
        assert found.name == "only"
    (project / ".env.toml").write_text('environment = "only"\n')
    assert isinstance(meant(project, None), Environment)


def test_the_cloud_is_a_host_also_while_the_project_runs_here(project: Path, running: Here) -> None:
    with pytest.raises(NoneMeant):
        meant(project, ON_A_HOST)
    (project / "config.toml").write_text('[cloud]\nprovider = "vps"\nhost = "h"\n')
    for flag in (None, ON_A_HOST):
        found = meant(project, flag)
        assert isinstance(found, Environment)
        assert found.host == "h"


def test_the_log_of_what_ran_here_can_be_read_afterwards(project: Path, al: Al) -> None:
    place = here(project)
    os.close(place.take())
    LogFile(place.log).send({"AL_COMPONENT": "agent", "AL_AGENT": "one", "MESSAGE": "said", "PRIORITY": "6"})
    code, out, _ = al("logs", "one")
    assert (code, out.rstrip().endswith("agent/one said")) == (0, True)
    assert al("status")[0] == 2
    save_environment(Environment(name="only", host="h"))
    assert isinstance(meant(project, None, past=True), Environment)


def test_an_environment_and_the_cloud_flag_together_are_the_environment(project: Path, al: Al) -> None:
    for words in (("-E", "gone", "-c"), ("-c", "-E", "gone")):
        code, _, err = al("status", *words)
        assert (code, "no environment 'gone'" in err) == (2, True)


def test_commands_ask_the_daemon_here(project: Path, running: Here, al: Al) -> None:
    host = running.folder
    rig.release(host, 1, {"one": "manual = true"})
    launcher = rig.launcher_process(host)
    daemon = rig.Process(host)
    try:
        asyncio.run(daemon.up())
        code, out, err = al("status")
        assert (code, out.split(" · ")[0]) == (0, "demo on this machine"), err
        code, out, _ = al("run", "one", "--json")
        run_id = json.loads(out)["run"]
        asyncio.run(rig.until(lambda: run_id in al("why", "one")[1], "the run"))
        assert al("pause", "one")[1] == "paused one on this machine\n"
        assert al("resume")[1] == "resumed all agents on this machine\n"
        assert al("locks")[1] == "no run on this machine holds a lock\n"
        code, out, _ = al("dashboard", "--no-browser")
        assert (code, out.startswith("this machine: http://127.0.0.1:4711/#")) == (0, True)
        code, _, err = al("run", "two")
        assert (code, "two" in err) == (2, True)
    finally:
        daemon.terminate()
        launcher.terminate()
        launcher.wait()
    code, _, err = al("status")
    assert (code, "does not answer" in err) == (1, True)


def test_start_and_stop_never_guess_a_host(project: Path, al: Al) -> None:
    save_environment(Environment(name="only", host="127.0.0.1", port=1))
    assert power._host(project, None) is None
    code, out, err = al("stop")
    assert (code, out, "-E NAME stops one: only" in err) == (0, "this project does not run on this machine\n", True)
    for flag in ("only", ON_A_HOST):
        found = power._host(project, flag)
        assert found is not None
        assert found.name == "only"
    code, _, err = al("start", "-c", "--port", "80")
    assert (code, "are for this machine" in err) == (2, True)


def test_a_second_start_says_who_runs_it(project: Path, running: Here, al: Al) -> None:
    code, _, err = al("start")
    assert (code, f"process {os.getpid()}" in err) == (2, True)


def test_a_wrong_project_is_not_started(project: Path, al: Al) -> None:
    (project / "agents/one/agent-config.toml").write_text("shedule = 1\n")
    code, _, err = al("start")
    assert (code, "did you mean 'schedule'" in err) == (2, True)
    assert not here(project).folder.exists()
    with pytest.raises(UsageError):
        meant(project, None)
