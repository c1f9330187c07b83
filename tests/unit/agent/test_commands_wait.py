"""al-wait: several calls, one deadline, a daemon that restarts in the middle."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.agent_commands import Done, finish, installed
from tests.support.fake_gateway import FakeGateway, Reply, Request

RUNNING = {"status": "running"}


class Calls:
    """The script of a gateway that keeps an answer back until the call ends, as the real one does."""

    def __init__(self, **ended: dict[str, Any]) -> None:
        self.ended = {name: threading.Event() for name in ("a", "b", "c")}
        self.states: dict[str, dict[str, Any]] = {}
        for name, state in ended.items():
            self.end(name, state)

    def end(self, name: str, state: dict[str, Any]) -> None:
        self.states[name] = state
        self.ended[name].set()

    def __call__(self, request: Request) -> Reply:
        name = request.path.rpartition("/")[2]
        if name not in self.ended:
            return Reply(404, {"error": f"no call {name}"})
        self.ended[name].wait(seconds(request))
        return Reply(body=self.states.get(name, RUNNING))


def seconds(request: Request) -> float:
    """How long the gateway is asked to wait."""
    (text,) = parse_qs(urlsplit(request.target).query)["wait"]
    assert text.isdigit()
    assert 0 <= int(text) <= 300
    return float(text)


def timed(action: Callable[[], Done]) -> tuple[Done, float]:
    began = time.monotonic()
    return action(), time.monotonic() - began


def test_each_call_has_its_entry(tmp_path: Path) -> None:
    calls = Calls(
        a={"status": "completed", "returnValue": "é\n"},
        b={"status": "error", "errorMessage": "it failed"},
        c={"status": "completed", "returnValue": None, "secret": "of somebody else"},
    )
    with FakeGateway(calls, folder=tmp_path) as gateway:
        done = installed().run("al-wait", "c", "a", "b", "a", env=gateway.env)
    assert done.code == 0
    assert done.json == {
        "c": {"status": "completed"},
        "a": {"status": "completed", "returnValue": "é\n"},
        "b": {"status": "error", "errorMessage": "it failed"},
    }
    assert list(done.json) == ["c", "a", "b"]
    assert len(gateway.requests) == 3


def test_all_are_waited_for_together(tmp_path: Path) -> None:
    """Whichever ends first, and each on its own connection: the gateway must see whom everybody waits for."""
    calls = Calls()
    with FakeGateway(calls, folder=tmp_path) as gateway:
        process = installed().begin("al-wait", "a", "b", "c", env=gateway.env)
        gateway.wait_for(3)
        for name in ("c", "a", "b"):
            assert process.poll() is None
            calls.end(name, {"status": "completed", "returnValue": name})
        done = finish(process)
    assert done.code == 0
    assert {name: state["returnValue"] for name, state in done.json.items()} == {"a": "a", "b": "b", "c": "c"}
    assert len(gateway.requests) == 3
    assert {seconds(request) for request in gateway.requests} == {300.0}


def test_when_the_time_is_over_it_prints_what_is_known(tmp_path: Path) -> None:
    calls = Calls(b={"status": "completed", "returnValue": "early"})
    with FakeGateway(calls, folder=tmp_path) as gateway:
        done, took = timed(lambda: installed().run("al-wait", "--timeout=2", "a", "b", "c", env=gateway.env))
    assert done.code == 8
    assert done.json == {"a": RUNNING, "b": {"status": "completed", "returnValue": "early"}, "c": RUNNING}
    assert 1.9 <= took < 5
    assert "2 of 3 calls have not ended within 2 s" in done.err


def test_a_timeout_of_0_asks_once(tmp_path: Path) -> None:
    with FakeGateway(Calls(b={"status": "completed"}), folder=tmp_path) as gateway:
        done = installed().run("al-wait", "a", "b", "--timeout", "0", env=gateway.env)
    assert done.code == 8
    assert done.json == {"a": RUNNING, "b": {"status": "completed"}}
    assert [seconds(request) for request in gateway.requests] == [0, 0]


@pytest.mark.parametrize("behaviour", ["silent", "refusing", "broken", "cutting"])
def test_all_time_counts(behaviour: str, tmp_path: Path) -> None:
    """Not the pauses alone: a gateway that hangs, is away, or answers nonsense for a while does not make it longer."""
    never = threading.Event()
    replies = {
        "silent": Reply(until=never),
        "refusing": Reply(503, {"error": "starting"}),
        "broken": Reply(500, b"<html>"),
        "cutting": Reply(raw=b"HTTP/1.1 200"),
    }
    with FakeGateway(replies[behaviour], folder=tmp_path) as gateway:
        done, took = timed(lambda: installed().run("al-wait", "a", "b", "--timeout", "1.5", env=gateway.env))
        never.set()
    assert 1.4 <= took < 5
    code = {"silent": 8, "refusing": 5, "broken": 12, "cutting": 6}[behaviour]
    assert done.code == code
    if behaviour == "silent":
        assert done.json == {"a": RUNNING, "b": RUNNING}
    else:
        assert done.json["ok"] is False
    assert 2 <= len(gateway.requests) < 40  # neither given up nor a flood


def test_what_was_heard_once_is_kept_when_the_gateway_goes_away(tmp_path: Path) -> None:
    calls = Calls()
    with FakeGateway(calls, folder=tmp_path) as gateway:
        process = installed().begin("al-wait", "a", "b", "--timeout", "2", env=gateway.env)
        gateway.wait_for(2)
        calls.end("a", {"status": "completed", "returnValue": "kept"})
        until_sockets(process, 1)  # the answer for `a` has been taken
        gateway.end()
        assert gateway.path
        gateway.path.unlink()
        done = finish(process)
    assert done.code == 8
    assert done.json == {"a": {"status": "completed", "returnValue": "kept"}, "b": RUNNING}
    assert "the gateway cannot be reached" in done.err


def until_sockets(process: subprocess.Popen[bytes], count: int) -> None:
    """Until the command has so many connections open."""
    deadline = time.monotonic() + 20
    while sockets(process.pid) != count:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def sockets(pid: int) -> int:
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed just now
            links.append(str(entry.readlink()))
    return sum(link.startswith("socket:") for link in links)


@pytest.mark.parametrize("held", [True, False])
def test_a_daemon_that_restarts_is_waited_for(held: bool, tmp_path: Path) -> None:
    """With the socket held by systemd, connections wait meanwhile; without, they are refused for a while."""
    calls = Calls()
    first = FakeGateway(calls, folder=tmp_path)
    first.begin()
    process = installed().begin("al-wait", "a", "b", "--timeout", "30", env=first.env)
    first.wait_for(2)
    first.end()
    second = first
    if not held:
        first.listener.close()
        (tmp_path / "gateway.sock").unlink()
        until_sockets(process, 0)
        second = FakeGateway(calls, folder=tmp_path)
    assert process.poll() is None
    before = len(second.requests)
    with second:
        second.wait_for(before + 2)
        calls.end("a", {"status": "completed", "returnValue": "1"})
        calls.end("b", {"status": "error", "errorMessage": "2"})
        done = finish(process)
    assert (done.code, done.err) == (0, "")
    assert done.json["a"] == {"status": "completed", "returnValue": "1"}
    assert done.json["b"] == {"status": "error", "errorMessage": "2"}


def test_a_gateway_that_is_briefly_unwell_is_asked_again(tmp_path: Path) -> None:
    answers = [Reply(503), Reply(raw=b""), Reply(502, b"<html>"), Reply(body={"status": "completed"})]
    with FakeGateway(lambda _: answers.pop(0), folder=tmp_path) as gateway:
        done = installed().run("al-wait", "a", env=gateway.env)
    assert (done.code, done.json) == (0, {"a": {"status": "completed"}})
    assert len(gateway.requests) == 4


@pytest.mark.parametrize(("status", "code"), [(404, 2), (403, 3), (401, 3), (400, 4), (418, 7)])
def test_a_call_that_is_refused_is_not_done(status: int, code: int, tmp_path: Path) -> None:
    """And the others are still waited for."""
    calls = Calls()

    def script(request: Request) -> Reply:
        return Reply(status, {"ok": False, "reason": "not yours"}) if request.path == "/calls/x" else calls(request)

    with FakeGateway(script, folder=tmp_path) as gateway:
        process = installed().begin("al-wait", "x", "a", env=gateway.env)
        gateway.wait_for(2)
        calls.end("a", {"status": "completed", "returnValue": "fine"})
        done = finish(process)
    assert done.code == code
    assert done.json == {
        "x": {"status": "error", "errorMessage": "not yours"},
        "a": {"status": "completed", "returnValue": "fine"},
    }
    assert len(gateway.requests) == 2


def test_running_out_of_time_outweighs_a_refusal(tmp_path: Path) -> None:
    with FakeGateway(Calls(), folder=tmp_path) as gateway:
        done = installed().run("al-wait", "unknown", "a", "--timeout", "1", env=gateway.env)
    assert done.code == 8
    assert done.json["unknown"]["status"] == "error"
    assert done.json["a"] == RUNNING


def test_a_wait_that_could_never_end_is_told(tmp_path: Path) -> None:
    state = {"status": "error", "errorMessage": "a waits for b waits for a", "deadlock": True}
    with FakeGateway(Calls(a=state), folder=tmp_path) as gateway:
        done = installed().run("al-wait", "a", env=gateway.env)
    assert (done.code, done.json) == (0, {"a": state})


def test_an_answer_that_comes_at_once_is_not_asked_for_in_a_loop(tmp_path: Path) -> None:
    with FakeGateway(Reply(body=RUNNING), folder=tmp_path) as gateway:
        done, took = timed(lambda: installed().run("al-wait", "a", "--timeout", "2.5", env=gateway.env))
    assert done.code == 8
    assert 2.4 <= took < 6
    assert 2 <= len(gateway.requests) <= 4


def test_a_long_wait_is_renewed(tmp_path: Path) -> None:
    """The gateway lets nobody wait longer than five minutes at a time; here it is one second."""
    calls = Calls()
    answered = []

    def script(request: Request) -> Reply:
        calls.ended["a"].wait(1.1)
        answered.append(seconds(request))
        return Reply(body=calls.states.get("a", RUNNING))

    with FakeGateway(script, folder=tmp_path) as gateway:
        process = installed().begin("al-wait", "a", "--timeout", "500", env=gateway.env)
        gateway.wait_for(3)
        calls.end("a", {"status": "completed"})
        done = finish(process)
    assert (done.code, done.json) == (0, {"a": {"status": "completed"}})
    assert len(gateway.requests) == 3
    assert answered == [300, 300, 300]


def test_many_calls(tmp_path: Path) -> None:
    names = [f"call-{number}" for number in range(60)]
    with FakeGateway(Reply(body={"status": "completed", "returnValue": "x"}), folder=tmp_path) as gateway:
        done = installed().run("al-wait", *names, env=gateway.env)
    assert done.code == 0
    assert list(done.json) == names


def test_more_calls_than_files_may_be_open(tmp_path: Path) -> None:
    names = [f"call-{number}" for number in range(40)]
    with FakeGateway(Reply(body={"status": "completed"}), folder=tmp_path) as gateway:
        done = finish(installed().begin("al-wait", *names, env=gateway.env, preexec_fn=_few_files))
    assert done.code == 0
    assert list(done.json) == names


def _few_files() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))


def test_it_uses_no_processor_while_it_waits(tmp_path: Path) -> None:
    calls = Calls()
    with FakeGateway(calls, folder=tmp_path) as gateway:
        process = installed().begin("al-wait", "a", "b", "c", env=gateway.env)
        gateway.wait_for(3)
        stat = Path(f"/proc/{process.pid}/stat")
        before = _ticks(stat)
        time.sleep(0.5)  # what is measured is this span itself
        used = _ticks(stat) - before
        for name in "abc":
            calls.end(name, {"status": "completed"})
        assert finish(process).code == 0
    assert used <= 2  # hundredths of a second, of 50


def _ticks(stat: Path) -> int:
    fields = stat.read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
