"""`al stop` and `al start` against the real receiver with a stand-in for systemctl: order, lock, and what is said."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from alvps.errors import AlError, HostBusy, UsageError
from alvps.push import power
from alvps.push.code_tree import CodeTree
from alvps.push.power import Started, Stopped
from alvps.push.session import HostSession
from tests.support.local_connection import LocalConnection
from tests.support.pushes import PROJECT, do_push, wanted, write
from tests.support.receiver import FakeHost

T = TypeVar("T")


def ask(host: FakeHost, code: CodeTree, verb: Callable[[HostSession], T]) -> T:
    with LocalConnection() as line, HostSession(line, layout=host.layout, code=code.digest) as session:
        return verb(session)


@pytest.fixture
def pushed(host: FakeHost, code: CodeTree, tmp_path: Path) -> str:
    """The id of the live release."""
    release = do_push(host, wanted(write(tmp_path / "project", PROJECT), code)).release
    assert release
    (host.state / "calls").unlink()
    return release


def systemctl(host: FakeHost) -> list[list[str]]:
    """What systemctl was told to do, questions aside."""
    calls = [json.loads(line) for line in (host.state / "calls").read_text().splitlines()]
    return [words[1:] for words in calls if words[0] == "systemctl" and words[1] != "show"]


SOCKETS = ["action-llama.socket", "action-llama-runs.socket", "action-llama-dashboard.socket"]


def test_the_listeners_go_first_and_come_first(host: FakeHost, code: CodeTree, pushed: str) -> None:
    assert ask(host, code, power.stop) == Stopped(already=False, running=0)
    assert systemctl(host) == [
        ["stop", *SOCKETS],
        ["stop", "action-llama.service", "action-llama-launcher.service"],
        ["stop", *SOCKETS],
    ]
    assert ask(host, code, power.stop).already
    (host.state / "calls").unlink()
    assert ask(host, code, power.start) == Started(already=False, release=pushed, running=0)
    assert systemctl(host)[-2:] == [
        ["start", *SOCKETS],
        ["start", "action-llama-launcher.service", "action-llama.service"],
    ]
    (host.state / "calls").unlink()
    assert ask(host, code, power.start) == Started(already=True, release=pushed, running=0)
    assert systemctl(host) == []


def test_runs_under_way_are_counted(host: FakeHost, code: CodeTree, pushed: str) -> None:
    assert pushed
    (host.folder / "launcher" / "installation").write_text("0123456789abcdef\n")
    (host.state / "containers").write_text("aaaa\nbbbb")
    assert ask(host, code, power.stop).running == 2
    calls = (host.state / "calls").read_text()
    assert "label=al.installation=0123456789abcdef" in calls


def test_without_a_release_there_is_nothing_to_start(host: FakeHost, code: CodeTree) -> None:
    with pytest.raises(UsageError, match="no release is live"):
        ask(host, code, power.start)


def test_a_release_that_does_not_come_up_is_an_error_with_its_last_words(
    host: FakeHost, code: CodeTree, pushed: str
) -> None:
    ask(host, code, power.stop)
    (host.state / "bad").write_text(pushed)
    with pytest.raises(AlError, match="not started") as raised:
        ask(host, code, power.start)
    assert raised.value.exit_code == 1
    assert "the last words" in (raised.value.detail or "")


@pytest.mark.parametrize("verb", [power.stop, power.start])
def test_not_while_somebody_pushes(
    host: FakeHost, code: CodeTree, pushed: str, verb: Callable[[HostSession], object]
) -> None:
    assert pushed
    with (host.root / "lock").open("r+") as lock:
        lock.write(json.dumps({"pid": 1, "by": "ann@laptop", "since": "now", "step": "build"}).ljust(512))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(HostBusy, match="ann@laptop"):
            ask(host, code, verb)
    assert not [words for words in systemctl_or_none(host) if words[0] in {"stop", "start"}]


def systemctl_or_none(host: FakeHost) -> list[list[str]]:
    return systemctl(host) if (host.state / "calls").exists() else []
