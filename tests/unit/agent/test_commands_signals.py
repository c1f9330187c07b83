"""The signal files: what is in them, in which order things happen, what is left when something fails."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from alvps.agent import outcome
from tests.support.agent_commands import finish, installed
from tests.support.fake_gateway import FakeGateway, Reply, Request
from tests.unit.agent.commands_cases import CASES, hoped

SIGNALS = {name: case for name, case in CASES.items() if case.signal}
CONTENT = {"rerun": "", "status": "half done", "return": "a value"}


def away(folder: Path) -> dict[str, str]:
    """The environment of a run whose gateway is not there."""
    return {"AL_GATEWAY_SOCKET": str(folder / "nothing.sock"), "SHUTDOWN_SECRET": "x"}


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_without_a_gateway_there_is_the_file(name: str, tmp_path: Path) -> None:
    case = SIGNALS[name]
    done = installed().run(name, *case.arguments, env={"AL_SIGNAL_DIR": str(tmp_path)})
    assert (done.code, done.out, done.err) == (0, b'{"ok":true}\n', "")
    assert [path.name for path in tmp_path.iterdir()] == [case.signal]
    file = tmp_path / case.signal
    assert file.read_text() == CONTENT[case.signal]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_the_file_comes_first(name: str, tmp_path: Path) -> None:
    case = SIGNALS[name]
    found: list[str] = []

    def look(request: Request) -> Reply:
        found.append((tmp_path / "signals" / case.signal).read_text())
        return Reply()

    with FakeGateway(look, folder=tmp_path) as gateway:
        env = {**gateway.env, "AL_SIGNAL_DIR": str(tmp_path / "signals")}  # which an agent may have tidied away
        assert installed().run(name, *case.arguments, env=env).code == 0
    assert found == [CONTENT[case.signal]]


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_the_file_stays_when_the_gateway_is_away_or_refuses(name: str, tmp_path: Path) -> None:
    case = SIGNALS[name]
    done = installed().run(name, *case.arguments, env={**away(tmp_path), "AL_SIGNAL_DIR": str(tmp_path / "a")})
    assert (done.code, done.json) == (6, {"ok": False, "reason": "gateway unreachable"})
    with FakeGateway(Reply(503, {"error": "starting"}), folder=tmp_path) as gateway:
        again = installed().run(name, *case.arguments, env={**gateway.env, "AL_SIGNAL_DIR": str(tmp_path / "b")})
    assert (again.code, again.json) == (5, {"ok": False, "reason": "starting"})
    for folder, end in (("a", done), ("b", again)):
        assert (tmp_path / folder / case.signal).read_text() == CONTENT[case.signal]
        assert f"the signal file is written: {tmp_path / folder / case.signal}" in end.err


@pytest.mark.parametrize("name", [*sorted(SIGNALS), "al-exit"])
def test_a_file_that_cannot_be_written_is_said_and_nothing_is_sent(name: str, tmp_path: Path) -> None:
    file = SIGNALS[name].signal if name in SIGNALS else "exit"
    (tmp_path / "signals" / file / "in the way").mkdir(parents=True)
    with FakeGateway(hoped, folder=tmp_path) as gateway:
        arguments = SIGNALS[name].arguments if name in SIGNALS else ()
        done = installed().run(name, *arguments, env={**gateway.env, "AL_SIGNAL_DIR": str(tmp_path / "signals")})
    assert done.code == 7
    assert f"{file} could not be written" in done.json["reason"]
    assert "not told" in done.err
    assert not gateway.requests
    assert [path.name for path in (tmp_path / "signals").iterdir()] == [file]  # nothing half-written beside it


@pytest.mark.parametrize("name", [*sorted(SIGNALS), "al-exit"])
def test_outside_a_run_they_say_so(name: str) -> None:
    for env in ({}, {"AL_SIGNAL_DIR": ""}):
        done = installed().run(name, *(SIGNALS[name].arguments if name in SIGNALS else ()), env=env)
        assert done.code == 7
        assert done.json == {"ok": False, "reason": "not inside a run: AL_SIGNAL_DIR is not set"}


def test_the_last_value_wins_and_each_is_whole(tmp_path: Path) -> None:
    env = {"AL_SIGNAL_DIR": str(tmp_path)}
    installed().run("al-return", "first and longer", env=env)
    installed().run("al-return", "second", env=env)
    assert (tmp_path / "return").read_text() == "second"
    values = [str(number) * 300_000 for number in range(6)]
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.add((tmp_path / "return").read_text())

    watcher = threading.Thread(target=watch)
    watcher.start()
    processes = [installed().begin("al-return", env=env) for _ in values]
    for process, value in zip(processes, values, strict=True):
        assert finish(process, value.encode()).code == 0
    stop.set()
    watcher.join()
    assert seen <= {*values, "second"}
    assert [path.name for path in tmp_path.iterdir()] == ["return"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("untouched")
    signals = tmp_path / "signals"
    signals.mkdir()
    (signals / "status").symlink_to("../other")
    assert installed().run("al-status", "new", env={"AL_SIGNAL_DIR": str(signals)}).code == 0
    assert (tmp_path / "other").read_text() == "untouched"
    assert (signals / "status").read_text() == "new"


@pytest.mark.parametrize(("argument", "code"), [((), 15), (("0",), 0), (("255",), 255), (("007",), 7)])
def test_the_exit_file_is_what_the_entry_reads(argument: tuple[str, ...], code: int, tmp_path: Path) -> None:
    done = installed().run("al-exit", *argument, env={"AL_SIGNAL_DIR": str(tmp_path), **away(tmp_path)})
    assert (done.code, done.json) == (0, {"ok": True})
    assert (tmp_path / "exit").read_text() == f"{code}\n"
    assert outcome.decide(99, str(tmp_path)) == code


def test_the_rerun_file_is_what_the_entry_reads(tmp_path: Path) -> None:
    installed().run("al-rerun", env={"AL_SIGNAL_DIR": str(tmp_path)})
    assert outcome.decide(0, str(tmp_path)) == outcome.RERUN


def test_a_full_disk_leaves_the_value_before_it(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full /tmp: the first bytes can be written, the rest cannot."""
    env = {"AL_SIGNAL_DIR": str(tmp_path)}
    installed().run("al-return", "before", env=env)
    process = installed().begin("al-return", env=env, preexec_fn=_small_files)
    done = finish(process, b"z" * 200_000)
    assert done.code == 7
    assert (tmp_path / "return").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["return"]


def _small_files() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
