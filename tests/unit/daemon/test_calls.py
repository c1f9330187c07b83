"""Calls between agents through a whole daemon: answers, refusals, ends of all kinds, waits that could never end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon_rig import (
    Guest,
    Running,
    behave,
    exchange,
    guest,
    ledger,
    release,
    rows,
    running,
    until,
)
from tests.support.fake_launcher import FakeLauncher

AGENTS = {"a": "manual = true", "b": "manual = true", "c": "manual = true", "off": "manual = true\nscale = 0"}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    release(tmp_path, 1, AGENTS, "workQueueSize = 2\nmaxCallDepth = 2")
    behave(tmp_path, _all={"seconds": 1000})
    return tmp_path


async def begin(daemon: Running, agent: str) -> Guest:
    """A run by hand, and whoever is inside."""
    return await guest(daemon.host, await daemon.start(agent))


async def answering(host: Path, call: str) -> Guest:
    """Whoever is inside the run that answers a call, once it was started."""
    return await guest(host, run_of(host, call))


def run_of(host: Path, call: str) -> str:
    return str(rows(host, "SELECT run FROM calls WHERE call = ?", call)[0]["run"])


async def check(who: Guest, call: str, wait: int = 0) -> dict[str, Any]:
    answer: dict[str, Any] = await who.fine("GET", f"/calls/{call}?wait={wait}")
    return answer


async def waiting(host: Path, who: Guest, call: str) -> asyncio.Task[dict[str, Any]]:
    """Somebody who waits for a call; it has been asked when this returns."""
    task = asyncio.create_task(check(who, call, 20))
    await asyncio.sleep(0)
    await who.fine("GET", "/locks")  # a second request is answered after the first was taken
    return task


def test_an_answer_comes_back_whole_and_at_once(host: Path) -> None:
    value = "ü" * (1 << 19)  # 1 MiB

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            a = await begin(daemon, "a")
            call = await a.call("b", "what a wants\n'\"$(x)")
            assert await check(a, call) == {"status": "running"}
            b = await answering(host, call)
            waits = await waiting(host, a, call)
            await b.fine("POST", "/signals/return", {"value": "first"})
            await b.fine("POST", "/signals/return", {"value": value})
            begin_ = time.monotonic()
            launcher.end_now(b.run)
            assert await waits == {"status": "completed", "returnValue": value}
            assert time.monotonic() - begin_ < 5
            assert (await check(a, call, 20))["status"] == "completed"  # again, and without waiting
            run = await daemon.ask("GET", f"/runs/{b.run}")
            assert (run["trigger"], run["depth"], run["call"]) == ("agent", 1, call)
            (start,) = (entry for entry in ledger(host, "start") if entry["run"] == b.run)
            assert start["trigger"] == "agent"
            assert "what a wants" in start["prompt"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (0, {"status": "completed", "returnValue": None}),
        (42, {"status": "completed", "returnValue": None}),
        (15, {"status": "error", "errorMessage": "b failed: exit code 15 (unrecoverable)"}),
        (124, {"status": "error", "errorMessage": "b ran out of time: not done within 900 s"}),
    ],
)
def test_how_the_answering_run_ends(host: Path, code: int, answer: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            a = await begin(daemon, "a")
            call = await a.call("b")
            b = await answering(host, call)
            launcher.end_now(b.run, code)
            assert await check(a, call, 20) == answer
            assert rows(host, "SELECT count(*) AS n FROM runs") == [{"n": 2}]  # it is not run again

    asyncio.run(scenario())


def test_killed_lost_and_dropped(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            a = await begin(daemon, "a")
            killed = await a.call("b")
            b = await answering(host, killed)
            queued = await a.call("b")
            await daemon.ask("POST", f"/runs/{run_of(host, queued)}/kill")
            assert (await check(a, queued, 20))["errorMessage"] == "b was killed: killed while it waited"
            await daemon.ask("POST", f"/runs/{b.run}/kill")
            assert (await check(a, killed, 20))["errorMessage"] == "b was killed: killed by request"
            lost = await a.call("b")
            b = await answering(host, lost)
            await until(lambda: rows(host, "SELECT run FROM runs WHERE run = ? AND state = 'running'", b.run))
            launcher.lose(b.run)
            launcher.docker_is(True)
            assert (await check(a, lost, 20))["errorMessage"].startswith("b was lost: its container is gone")
            busy = await a.call("b")
            await answering(host, busy)
            dropped = await a.call("b")
            release(host, 2, {name: text for name, text in AGENTS.items() if name != "b"})
            await daemon.ask("POST", "/reload", {"release": "20261123T000002Z-abcdef"})
            found = await check(a, dropped, 20)
            assert found["errorMessage"] == "b failed: the agent is not in the release 20261123T000002Z-abcdef"

    asyncio.run(scenario())


def test_refusals(host: Path) -> None:
    async def refusal(who: Guest, target: str) -> str:
        status, answer = await who.ask("POST", "/calls", {"targetAgent": target, "context": "x"})
        assert (status, answer["ok"]) == (409, False), answer
        return str(answer["reason"])

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            a = await begin(daemon, "a")
            assert await refusal(a, "a") == "an agent cannot call itself"
            assert await refusal(a, "off") == "the agent 'off' is disabled"
            assert await refusal(a, "nobody") == "there is no agent 'nobody'; there are: b, c, off"
            first = await a.call("b")
            b = await answering(host, first)
            c = await answering(host, await b.call("c"))
            # Depth 0, 1, 2: that is as far as it goes, also around a corner.
            deep = "2 calls led to this run, and more than 2 in a row are not allowed (maxCallDepth)"
            assert await refusal(c, "a") == deep
            assert await refusal(c, "b") == deep
            before = rows(host, "SELECT count(*) AS n FROM runs")
            await a.call("c")
            await a.call("c")
            assert await refusal(a, "c") == "the queue of 'c' is full: 2 runs wait"
            assert rows(host, "SELECT count(*) AS n FROM runs")[0]["n"] == before[0]["n"] + 2
            status, answer = await b.ask("GET", f"/calls/{first}")
            assert (status, answer["error"]) == (404, f"this run made no call '{first}'")  # it is another one's

    asyncio.run(scenario())


def test_nobody_waits_for_whom_an_ended_run_called(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            a = await begin(daemon, "a")
            going, queued = await a.call("b"), await a.call("b")
            b = await answering(host, going)
            launcher.end_now(a.run)
            await daemon.end_of(a.run)
            assert {row["error"] for row in rows(host, "SELECT error FROM calls")} == {"the caller ended"}
            dropped = await daemon.end_of(run_of(host, queued))
            assert (dropped["state"], dropped["reason"]) == (
                "killed",
                "nobody waits for its answer: the caller ended",
            )
            assert (await daemon.ask("GET", f"/runs/{b.run}"))["state"] == "running"  # what has begun goes on
            await b.fine("POST", "/signals/return", {"value": "too late"})
            launcher.end_now(b.run)
            assert (await daemon.end_of(b.run))["state"] == "completed"

    asyncio.run(scenario())
    assert len(ledger(host, "start")) == 2


def test_two_that_wait_for_each_other(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            a = await begin(daemon, "a")
            to_b = await a.call("b")
            b = await answering(host, to_b)
            to_a = await b.call("a")
            a_waits = await waiting(host, a, to_b)
            begin_ = time.monotonic()
            found = await check(b, to_a, 20)
            assert time.monotonic() - begin_ < 5
            reason = "waiting for this call would never end: b waits for a waits for b"
            assert found == {"status": "error", "errorMessage": reason, "deadlock": True}
            assert await check(b, to_a, 20) == {"status": "error", "errorMessage": reason}
            dropped = await daemon.ask("GET", f"/runs/{run_of(host, to_a)}")
            assert (dropped["state"], dropped["reason"]) == ("killed", f"nobody waits for its answer: {reason}")
            launcher.end_now(b.run)
            assert (await a_waits)["status"] == "completed"  # the other one is not harmed

    asyncio.run(scenario())


def test_who_hung_up_does_not_wait(host: Path) -> None:
    """A wait that was given up blocks nobody: what would be a cycle with it is none."""

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            a = await begin(daemon, "a")
            to_b = await a.call("b")
            b = await answering(host, to_b)
            to_a = await b.call("a")
            _, writer = await asyncio.open_unix_connection(str(host / "run" / "runs.sock"))
            head = f"GET /calls/{to_b}?wait=60 HTTP/1.1\r\nHost: al\r\nAuthorization: Bearer {a.token}\r\n\r\n"
            writer.write(head.encode())
            await writer.drain()
            await a.fine("GET", "/locks")
            writer.close()
            await writer.wait_closed()
            await a.fine("GET", "/locks")
            b_waits = await waiting(host, b, to_a)
            launcher.end_now(a.run)
            second = await answering(host, to_a)
            launcher.end_now(second.run)
            assert (await b_waits)["status"] == "completed"

    asyncio.run(scenario())


def test_a_wait_ends_when_its_time_is_over_or_the_daemon_stops(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host):
            async with running(host) as daemon:
                a = await begin(daemon, "a")
                call = await a.call("b")
                begin_ = time.monotonic()
                assert await check(a, call, 1) == {"status": "running"}
                assert 0.9 < time.monotonic() - begin_ < 10
                waits = await waiting(host, a, call)
            assert await waits == {"status": "running"}

    asyncio.run(scenario())


def test_a_restart_in_between(host: Path) -> None:
    """What was called is answered by the next daemon, to a client that simply asks again."""

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher:
            async with running(host) as daemon:
                a = await begin(daemon, "a")
                call = await a.call("b")
                b = await answering(host, call)
                await b.fine("POST", "/signals/return", {"value": "kept"})
                await a.fine("POST", "/locks/acquire", {"resourceKey": "k"})
                queued = await b.call("a")
            launcher.end_now(b.run)  # while nobody looks
            async with running(host) as daemon:
                assert await check(a, call, 20) == {"status": "completed", "returnValue": "kept"}
                assert len((await a.fine("GET", "/locks"))["locks"]) == 1
                # Its caller ended, which the next daemon found out.
                assert (await daemon.end_of(run_of(host, queued)))["state"] == "killed"
                launcher.end_now(a.run)
                await daemon.end_of(a.run)
                assert (await daemon.ask("GET", "/locks"))["locks"] == []

    asyncio.run(scenario())


def test_calls_wait_while_paused_and_go_on_after(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            a = await begin(daemon, "a")
            await daemon.ask("POST", "/agents/b/pause")
            call = await a.call("b")
            assert (await daemon.ask("GET", f"/runs/{run_of(host, call)}"))["reason"] == "waits: paused"
            waits = await waiting(host, a, call)  # somebody may resume it: no deadlock
            await daemon.ask("POST", "/agents/b/resume")
            launcher.end_now((await answering(host, call)).run)
            assert (await waits)["status"] == "completed"

    asyncio.run(scenario())


def test_a_call_is_made_also_when_its_client_goes_away(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            a = await begin(daemon, "a")
            _, writer = await asyncio.open_unix_connection(str(host / "run" / "runs.sock"))
            body = b'{"targetAgent": "b"}'
            head = f"Authorization: Bearer {a.token}\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(f"POST /calls HTTP/1.1\r\nHost: al\r\n{head}".encode() + body)
            await writer.drain()
            writer.close()
            # Stored or not: if it is, it is worked on.
            status, _ = await exchange(host / "run" / "runs.sock", "GET", "/health", b"")
            assert status == 200
            for row in rows(host, "SELECT call FROM calls"):
                await answering(host, row["call"])

    asyncio.run(scenario())
