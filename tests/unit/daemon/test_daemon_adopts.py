"""What a new daemon, or one whose line to the launcher was cut, does about the runs of before."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from alvps.daemon.backoff import Backoff
from alvps.store import runs
from alvps.store.runs import Run
from alvps.store.store import Store
from tests.support.daemon_rig import behave, ledger, release, rows, running, until
from tests.support.fake_launcher import FakeLauncher, iso

RUNNING, ENDED, VANISHED, STARTED, NOT_YET, QUEUED, STOPPED, ATTEMPT, DONE, STRANGE, LATE = (
    f"{number:016}" for number in range(11)
)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    release(tmp_path, 1, {"dev": "manual = true\nscale = 9"})
    (tmp_path / "state").mkdir()
    return tmp_path


def left_behind(host: Path, *found: Run) -> None:
    """The store of a daemon that died."""
    store = Store(host / "state" / "state.db")
    for run in found:
        store.submit(runs.add, run).result(5)
    store.close()


def row(run: str, state: str, **fields: object) -> Run:
    started = int(time.time() * 1000) if state == "running" else None
    return Run(
        **{
            "run": run,
            "agent": "dev",
            "trigger": "manual",
            "state": state,
            "queued": 1,
            "timeout": 900,
            "release": "20261123T000001Z-abcdef",
            "started": started,
            **fields,
        }
    )


def container(launcher: FakeLauncher, run: str, state: str, *, attempt: int = 1, **fields: object) -> None:
    item = {
        "run": run,
        "attempt": attempt,
        "agent": "dev",
        "state": state,
        "exit_code": None,
        "oom": False,
        "started": iso(time.time() - 5),
        "finished": None,
        "container": f"c-{run}",
        "ends": time.time() + 60,
        "ends_with": 0,
        "ends_oom": False,
        **fields,
    }
    launcher.containers[run, attempt] = item
    if state == "running":
        launcher.spawn(launcher.end(item))


def states(host: Path) -> dict[str, str]:
    return {found["run"]: found["state"] for found in rows(host, "SELECT run, state FROM runs")}


def test_each_case_is_decided_at_once(host: Path) -> None:
    left_behind(
        host,
        row(RUNNING, "running"),
        row(ENDED, "running"),
        row(VANISHED, "running"),
        row(STARTED, "starting"),
        row(NOT_YET, "starting"),
        row(QUEUED, "queued"),
        row(STOPPED, "running", stop="killed"),
        row(ATTEMPT, "starting", attempt=2),
        row(DONE, "completed", finished=5, exit_code=0),
    )

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher:
            container(launcher, RUNNING, "running", ends=time.time() + 1.0)
            container(launcher, ENDED, "exited", exit_code=7, finished="2026-11-23T10:00:00.123Z")
            container(launcher, STARTED, "running", ends=time.time() + 1.0)
            container(launcher, STOPPED, "running")
            container(launcher, ATTEMPT, "exited", exit_code=120)
            container(launcher, DONE, "exited", exit_code=0)
            container(launcher, STRANGE, "running")
            begin = time.monotonic()
            async with running(host) as daemon:
                await until(lambda: states(host)[VANISHED] == "lost" and states(host)[ENDED] == "failed")
                assert time.monotonic() - begin < 5  # a third question would come after 6 s
                found = await daemon.ask("GET", f"/runs/{ENDED}")
                assert (found["exit_code"], found["finished"]) == (7, "2026-11-23T10:00:00Z")
                found = await daemon.ask("GET", f"/runs/{VANISHED}")
                assert found["reason"] == "its container is gone, and nobody saw how it ended"
                for run in (RUNNING, STARTED, NOT_YET, QUEUED, ATTEMPT):
                    assert (await daemon.end_of(run))["state"] == "completed", run
                assert (await daemon.end_of(STOPPED))["state"] == "killed"
                await until(lambda: not launcher.containers, "removal of every container")

    asyncio.run(scenario())
    # Nothing that ran, or had run, was started again.
    assert sorted(entry["run"] for entry in ledger(host, "start")) == [NOT_YET, QUEUED, ATTEMPT]
    assert [entry["attempt"] for entry in ledger(host, "start") if entry["run"] == ATTEMPT] == [2]
    assert {entry["run"] for entry in ledger(host, "stop")} == {STOPPED, STRANGE}


def test_a_run_over_its_time_while_nobody_watched_is_stopped(host: Path) -> None:
    left_behind(host, row(LATE, "running", started=1_000, timeout=60))

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher:
            container(launcher, LATE, "running")
            async with running(host) as daemon:
                found = await daemon.end_of(LATE)
                assert (found["state"], found["exit_code"]) == ("timed-out", 143)

    asyncio.run(scenario())


def test_runs_go_on_while_daemons_come_and_go(host: Path) -> None:
    behave(host, dev={"seconds": 3600})

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher:
            async with running(host) as daemon:
                run = await daemon.start("dev")
                await until(lambda: states(host)[run] == "running")
            for _ in range(2):
                async with running(host):
                    assert states(host)[run] == "running"
            launcher.finish(launcher.containers[run, 1], 3)  # while no daemon is there
            async with running(host) as daemon:
                assert (await daemon.end_of(run))["exit_code"] == 3

    asyncio.run(scenario())
    assert [entry["what"] for entry in ledger(host)] == ["start", "exit", "remove"]


def test_the_launcher_restarts_under_a_daemon(host: Path) -> None:
    behave(host, dev={"seconds": 1.0})

    async def scenario() -> None:
        launcher = FakeLauncher(host)
        await launcher.__aenter__()
        async with running(host) as daemon:
            short, long = await daemon.start("dev"), await daemon.start("dev")
            await until(lambda: len(ledger(host, "start")) == 2)
            await launcher.__aexit__()
            await until(lambda: "launcher" in str(daemon.told.messages[-1]))
            waits = await daemon.start("dev")
            await asyncio.sleep(1.2)  # both end while there is no launcher: the new one finds them exited
            async with FakeLauncher(host):
                for run in (short, long, waits):
                    assert (await daemon.end_of(run))["state"] == "completed"

    asyncio.run(scenario())
    assert len(ledger(host, "start")) == 3
    assert len(ledger(host, "exit")) == 3


def test_a_container_that_disappears_is_noticed_when_docker_returns(host: Path) -> None:
    behave(host, dev={"seconds": 60})

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            run, other = await daemon.start("dev"), await daemon.start("dev")
            await until(lambda: set(states(host).values()) == {"running"})
            launcher.docker_is(False)
            launcher.lose(run)
            launcher.docker_is(True)
            assert (await daemon.end_of(run))["state"] == "lost"
            assert states(host)[other] == "running"

    asyncio.run(scenario())


def test_a_list_that_is_older_than_a_start_loses_nothing(host: Path) -> None:
    behave(host, dev={"seconds": 60})

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            run = await daemon.start("dev")
            await until(lambda: states(host)[run] == "running")
            launcher.tell({"event": "list", "runs": []})
            await asyncio.sleep(0.2)
            assert states(host)[run] == "running"

    asyncio.run(scenario())


def test_a_start_whose_answer_was_lost_is_asked_again_and_runs_once(host: Path) -> None:
    behave(host, dev={"cut": True, "seconds": 30})

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            run = await daemon.start("dev")
            await until(lambda: ledger(host, "start"))
            for writer in list(launcher.connections - launcher.watchers):
                writer.transport.abort()
            await until(lambda: states(host)[run] == "running")

    asyncio.run(scenario())
    assert len(ledger(host, "start")) == 1
    assert len(ledger(host, "start-again")) == 1


def test_docker_is_away_when_the_daemon_starts(host: Path) -> None:
    left_behind(host, row(RUNNING, "running"), row(VANISHED, "running"), row(QUEUED, "queued"))

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher:
            launcher.docker = False
            async with running(host) as daemon:  # it is ready all the same: it accepts, decides ticks, and says why
                line = "no run can start: Docker does not answer: Cannot connect to the Docker daemon"
                await until(lambda: line in daemon.told.messages[-1])
                assert states(host) == {RUNNING: "running", VANISHED: "running", QUEUED: "queued"}
                container(launcher, RUNNING, "running", ends=time.time() + 0.5)
                launcher.docker = True
                assert (await daemon.end_of(QUEUED))["state"] == "completed"
                assert (await daemon.end_of(RUNNING))["state"] == "completed"
                assert (await daemon.end_of(VANISHED))["state"] == "lost"

    asyncio.run(scenario())


def test_killed_while_docker_is_away(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "next", lambda _: 3600.0)  # told of Docker's return, not waiting for its next try
    behave(host, dev={"seconds": 3600})

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            run = await daemon.start("dev")
            await until(lambda: states(host)[run] == "running")
            launcher.docker_is(False)
            assert (await daemon.ask("POST", f"/runs/{run}/kill"))["state"] == "stopping"
            await until(lambda: "cannot be stopped" in str(rows(host, "SELECT reason FROM runs")))
            assert (await daemon.ask("GET", f"/runs/{run}"))["state"] == "running"
            launcher.docker_is(True)
            assert (await daemon.end_of(run))["state"] == "killed"

    asyncio.run(scenario())
