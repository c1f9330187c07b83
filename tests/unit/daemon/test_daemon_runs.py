"""A whole daemon, in this loop, with a launcher on a real socket: what becomes of a run."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from alvps.store import runs
from alvps.store.store import Store
from tests.support.daemon_rig import Running, ask, behave, ledger, release, rows, running, until
from tests.support.fake_launcher import FakeLauncher
from tests.unit.daemon.test_daemon_ticks import NOON, Clock

AGENTS = {"dev": "manual = true", "ops": "manual = true\nscale = 2", "off": "manual = true\nscale = 0"}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    release(tmp_path, 1, AGENTS)
    return tmp_path


@pytest.mark.parametrize(
    ("behaviour", "state", "code", "reason"),
    [
        ({"exit": 0}, "completed", 0, None),
        ({"exit": 1}, "failed", 1, "exit code 1 (error)"),
        ({"exit": 137}, "failed", 137, "exit code 137 (signal 9)"),
        ({"exit": 137, "oom": True}, "failed", 137, "it needed more memory than its limit"),
        ({"exit": 124}, "timed-out", 124, "not done within 900 s"),
    ],
)
def test_exit_codes(host: Path, behaviour: dict, state: str, code: int, reason: str | None) -> None:
    async def scenario() -> None:
        behave(host, dev=behaviour)
        async with FakeLauncher(host), running(host) as daemon:
            run = await daemon.start("dev", "a prompt")
            end = await daemon.end_of(run)
            assert (end["state"], end["exit_code"], end["reason"]) == (state, code, reason)
            await until(lambda: ledger(host, "remove"))

    asyncio.run(scenario())
    (start,) = ledger(host, "start")
    assert "a prompt" in start["prompt"]
    assert start["trigger"] == "manual"
    assert [entry["what"] for entry in ledger(host)] == ["start", "exit", "remove"]


def test_rerun_until_the_limit(tmp_path: Path) -> None:
    release(tmp_path, 1, {"dev": "manual = true"}, "maxReruns = 2")
    behave(tmp_path, dev={"exit": 42, "seconds": 0.01})

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path) as daemon:
            first = await daemon.start("dev", "again and again")
            await until(lambda: len(ledger(tmp_path, "remove")) == 3)
            runs = (await daemon.ask("GET", "/runs"))["runs"]
            assert [run["state"] for run in runs] == ["rerun"] * 3
            assert [run["trigger"] for run in runs] == ["manual"] * 3
            assert [run["rerun_of"] for run in runs] == [runs[1]["run"], first, None]
            assert runs[0]["reason"] == "asked to run again, but the limit is 2"

    asyncio.run(scenario())
    assert all("again and again" in entry["prompt"] for entry in ledger(tmp_path, "start"))


def test_a_container_that_never_started_is_tried_three_times(host: Path) -> None:
    behave(host, dev={"exits": [120, 120, 0]}, ops={"exit": 120})

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            good, bad = await daemon.start("dev"), await daemon.start("ops")
            end = await daemon.end_of(good)
            assert (end["state"], end["attempt"]) == ("completed", 3)
            end = await daemon.end_of(bad)
            assert (end["state"], end["attempt"], end["exit_code"]) == ("failed", 3, 120)
            assert end["reason"] == "3 attempts ended before the work began"
            await until(lambda: len(ledger(host, "remove")) == 6)

    asyncio.run(scenario())


def test_refusals_end_a_run_or_put_it_back(host: Path) -> None:
    missing = {"error": "image-missing", "message": "the image sha256:1 is not there", "retry": False}
    later = {"error": "busy-name", "message": "a name is taken", "retry": True}
    behave(host, dev={"refuse": missing}, ops={"refuse": later})

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            end = await daemon.end_of(await daemon.start("dev"))
            assert (end["state"], end["reason"]) == ("failed", "not started: the image sha256:1 is not there")
            waits = await daemon.start("ops")
            await until(lambda: ledger(host, "refused")[1:])
            await until(lambda: rows(host, "SELECT state, reason FROM runs WHERE run = ?", waits)[0]["reason"])
            row = await daemon.ask("GET", f"/runs/{waits}")
            assert (row["state"], row["reason"]) == ("queued", "a name is taken")
            behave(host)
            assert (await daemon.end_of(waits))["state"] == "completed"

    asyncio.run(scenario())


def test_without_docker_runs_wait_and_say_why(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            launcher.docker_is(False)
            await until(lambda: "no run can start: Docker does not answer" in str(daemon.told.messages))
            run = await daemon.start("dev")
            row = await daemon.ask("GET", f"/runs/{run}")
            assert (row["state"], row["reason"]) == ("queued", "waits: Docker does not answer")
            status, answer = await ask(host, "GET", "/ready")
            assert (status, answer["reasons"]) == (503, ["Docker does not answer"])
            assert (await daemon.ask("GET", "/status"))["warnings"] == ["no run can start: Docker does not answer"]
            launcher.docker_is(True)
            assert (await daemon.end_of(run))["state"] == "completed"

    asyncio.run(scenario())


def test_one_agent_that_hangs_delays_no_other(host: Path) -> None:
    behave(host, dev={"hang": True})

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            await daemon.start("dev")
            ends = [await daemon.end_of(await daemon.start("ops")) for _ in range(3)]
            assert {end["state"] for end in ends} == {"completed"}

    asyncio.run(scenario())


def test_scale_of_agent_and_project_and_first_in_first_out(tmp_path: Path) -> None:
    release(tmp_path, 1, {"a": "manual = true\nscale = 2", "b": "manual = true\nscale = 3"}, "scale = 3")
    behave(tmp_path, _all={"seconds": 60})  # each holds its place until it is ended below

    async def scenario() -> list[str]:
        async with FakeLauncher(tmp_path), running(tmp_path) as daemon:
            order = [await daemon.start(agent) for agent in "aaaaabbbbb"]
            for ended in range(len(order)):
                under_way = min(3, len(order) - ended)
                await until(lambda wanted=ended + under_way: len(ledger(tmp_path, "start")) == wanted)
                oldest = ledger(tmp_path, "start")[ended]["run"]
                await daemon.ask("POST", f"/runs/{oldest}/kill")
                await daemon.end_of(oldest)
            return order

    order = asyncio.run(scenario())
    live: dict[str, set[str]] = {"a": set(), "b": set()}
    most = {"a": 0, "b": 0, "all": 0}
    for entry in ledger(tmp_path, "start", "exit"):
        (live[entry["agent"]].add if entry["what"] == "start" else live[entry["agent"]].discard)(entry["run"])
        most = {name: max(most[name], len(runs)) for name, runs in live.items()} | {
            "all": max(most["all"], len(live["a"]) + len(live["b"]))
        }
    assert most["a"] == 2
    assert most["all"] == 3
    for agent in "ab":
        started = [entry["run"] for entry in ledger(tmp_path, "start") if entry["agent"] == agent]
        assert sorted(started) == [run for run in order if run in started]


def test_queue_limit(tmp_path: Path) -> None:
    release(tmp_path, 1, {"dev": "manual = true"}, "workQueueSize = 2")
    behave(tmp_path, dev={"seconds": 60})

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path) as daemon:
            await daemon.start("dev")
            await until(lambda: ledger(tmp_path, "start"))
            await daemon.start("dev")
            await daemon.start("dev")
            status, answer = await ask(tmp_path, "POST", "/runs", {"agent": "dev"})
            assert status == 409
            assert answer["error"] == "the queue of 'dev' is full: 2 runs wait (workQueueSize is 2)"
            assert "al kill dev" in answer["hint"]

    asyncio.run(scenario())


def test_kill_queued_running_and_all_of_an_agent(host: Path) -> None:
    behave(host, _all={"seconds": 60})

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            going, waiting = await daemon.start("dev"), await daemon.start("dev")
            await until(lambda: ledger(host, "start"))
            assert await daemon.ask("POST", f"/runs/{waiting}/kill") == {"run": waiting, "state": "killed"}
            assert (await daemon.ask("POST", f"/runs/{going}/kill"))["state"] == "stopping"
            end = await daemon.end_of(going)
            assert (end["state"], end["exit_code"], end["reason"]) == ("killed", 143, "killed by request")
            assert (await daemon.ask("POST", f"/runs/{going}/kill"))["state"] == "killed"
            many = [await daemon.start("ops") for _ in range(4)]
            await until(lambda: len(ledger(host, "start")) == 3)
            assert (await daemon.ask("POST", "/agents/ops/kill"))["killed"] == many
            assert {(await daemon.end_of(run))["state"] for run in many} == {"killed"}

    asyncio.run(scenario())
    # The queued ones of `ops` were ended first: none of them got a place that a kill had freed.
    assert len(ledger(host, "start")) == 3


def test_killed_while_docker_is_away(host: Path) -> None:
    behave(host, dev={"refuse": {"error": "docker-down", "message": "no engine", "retry": True}})

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            run = await daemon.start("dev")
            await until(lambda: rows(host, "SELECT run FROM runs WHERE reason = 'no engine'"))
            await daemon.ask("POST", f"/runs/{run}/kill")
            end = await daemon.end_of(run)
            assert (end["state"], end["exit_code"]) == ("killed", None)

    asyncio.run(scenario())


def test_pause_holds_runs_and_outlives_the_daemon(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host):
            async with running(host) as daemon:
                await daemon.ask("POST", "/agents/dev/pause")
                run = await daemon.start("dev")
                assert (await daemon.ask("GET", f"/runs/{run}"))["reason"] == "waits: paused"
                assert (await daemon.end_of(await daemon.start("ops")))["state"] == "completed"
                await daemon.ask("POST", "/pause")
                other = await daemon.start("ops")
            async with running(host) as daemon:
                status = await daemon.ask("GET", "/status")
                assert status["paused"]
                assert [agent["paused"] for agent in status["agents"]] == [True, False, False]
                await daemon.ask("POST", "/resume")
                assert (await daemon.end_of(other))["state"] == "completed"
                assert (await daemon.ask("GET", f"/runs/{run}"))["state"] == "queued"
                await daemon.ask("POST", "/agents/dev/resume")
                assert (await daemon.end_of(run))["state"] == "completed"

    asyncio.run(scenario())


def test_a_run_that_outlives_its_own_timer_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alvps.daemon.drive.BACKSTOP", 0)
    release(tmp_path, 1, {"dev": "manual = true\ntimeout = 1"})
    behave(tmp_path, dev={"seconds": 60})

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path) as daemon:
            end = await daemon.end_of(await daemon.start("dev"))
            assert (end["state"], end["exit_code"]) == ("timed-out", 143)
            assert end["reason"] == "not done within 1 s; it had to be stopped"

    asyncio.run(scenario())


def test_a_clock_set_forward_while_a_run_begins_does_not_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at a boot, when the time comes from the network a moment after the first ticks."""
    release(tmp_path, 1, {"dev": "manual = true"})
    behave(tmp_path, dev={"seconds": 0.5})
    clock = Clock(NOON)
    stored = runs.started

    def started(connection: sqlite3.Connection, run: str, attempt: int, now_ms: int, live: str | None) -> bool:
        clock.set(NOON + 11 * 3600)  # in the writer's thread: the daemon is waiting for this
        return stored(connection, run, attempt, now_ms, live)

    monkeypatch.setattr(runs, "started", started)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path, clock) as daemon:
            assert (await daemon.end_of(await daemon.start("dev")))["state"] == "completed"

    asyncio.run(scenario())


def test_a_disabled_agent_says_so(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host):
            status, answer = await ask(host, "POST", "/runs", {"agent": "off"})
            assert (status, answer["error"]) == (409, "the agent 'off' is disabled: its scale is 0")

    asyncio.run(scenario())


def test_a_dead_writer_ends_the_daemon(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a daemon is worse than one that systemd starts anew."""
    stores: list[Store] = []

    class Watched(Store):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            stores.append(self)

    def die(_connection: object) -> None:
        raise SystemExit

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr("alvps.daemon.daemon.Store", Watched)
    monkeypatch.setattr("alvps.daemon.daemon.watchdog_interval", lambda: 0.05)

    async def scenario() -> int:
        async with FakeLauncher(host):
            daemon = Running(host)
            await daemon.ready()
            await until(lambda: daemon.told.messages.count("WATCHDOG=1") > 2)
            stores[0].submit(die)
            code = await asyncio.wait_for(daemon.task, 10)
            count = daemon.told.messages.count("WATCHDOG=1")
            await asyncio.sleep(0.2)
            assert daemon.told.messages.count("WATCHDOG=1") == count
            return code

    assert asyncio.run(scenario()) == 1
