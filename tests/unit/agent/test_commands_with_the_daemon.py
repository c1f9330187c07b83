"""The commands against the daemon itself: both sides mean the same by every field and status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent_commands import Done, finish, installed
from tests.support.daemon_rig import Process, Running, ask, behave, guest, release, rows, running, token_of, until
from tests.support.fake_launcher import FakeLauncher

MIB = 1 << 20


class Shell:
    """Somebody in a run's container who has the commands."""

    def __init__(self, host: Path, run: str, token: str) -> None:
        self.run = run
        self.signals = host / f"signals-{run}"
        self.env = {
            "AL_GATEWAY_SOCKET": str(host / "run" / "runs.sock"),
            "GATEWAY_URL": "http://gateway",
            "SHUTDOWN_SECRET": token,
            "AL_SIGNAL_DIR": str(self.signals),
        }

    async def __call__(self, name: str, *arguments: str, stdin: bytes = b"") -> Done:
        return await asyncio.to_thread(installed().run, name, *arguments, stdin=stdin, env=self.env)

    async def json(self, name: str, *arguments: str, code: int = 0, stdin: bytes = b"") -> Any:
        done = await self(name, *arguments, stdin=stdin)
        assert done.code == code, done
        return done.json


@pytest.fixture
def host(tmp_path: Path) -> Path:
    release(tmp_path, 1, {"dev": "manual = true\nscale = 2", "ops": "manual = true"})
    behave(tmp_path, _all={"seconds": 100})
    return tmp_path


@asynccontextmanager
async def begun(host: Path) -> AsyncIterator[tuple[Running, FakeLauncher]]:
    async with FakeLauncher(host) as launcher, running(host) as daemon:
        yield daemon, launcher


async def shell(host: Path, run: str) -> Shell:
    return Shell(host, run, (await guest(host, run)).token)


def test_locks(host: Path) -> None:
    async def scenario() -> None:
        async with begun(host) as (daemon, _):
            first = await shell(host, await daemon.start("dev"))
            second = await shell(host, await daemon.start("dev"))
            taken = await first.json("rlock", "a/ä#1")
            assert (taken["ok"], taken["resourceKey"]) == (True, "a/ä#1")
            again = await first.json("rlock", "a/ä#1")
            assert (again["token"], again["heldSince"]) == (taken["token"], taken["heldSince"])
            refused = await second.json("rlock", "a/ä#1", code=1)
            assert (refused["ok"], refused["holder"]) == (False, "dev")
            other = await first.json("rlock", "other", code=1)
            assert other == {"ok": False, "reason": "already holding lock on a/ä#1"}
            assert (await first.json("rlock-heartbeat", "a/ä#1"))["expiresAt"]
            assert (await second.json("rlock-heartbeat", "a/ä#1", code=1))["reason"] == "held by dev"
            assert (await second.json("runlock", "a/ä#1", code=1))["reason"] == "held by dev"
            assert (await second.json("runlock", "never", code=2))["reason"] == "lock not found"
            assert await first.json("runlock", "a/ä#1") == {"ok": True}
            assert (await second.json("rlock", "a/ä#1"))["ok"] is True
            assert "1024" in (await first.json("rlock", "k" * 1025, code=4))["reason"]

    asyncio.run(scenario())


def test_a_call_and_its_value(host: Path) -> None:
    value = 'é \0 "\n' * 1000

    async def scenario() -> None:
        async with begun(host) as (daemon, launcher):
            boss = await shell(host, await daemon.start("dev"))
            made = await boss.json("al-call", "ops", stdin=value.encode())
            call = made["callId"]
            assert made == {"ok": True, "callId": call}
            (row,) = await until(lambda: rows(host, "SELECT run FROM runs WHERE agent = 'ops'"))
            worker = await shell(host, row["run"])
            assert await boss.json("al-check", call) == {"status": "running"}
            late = await boss.json("al-wait", call, "--timeout", "1", code=8)
            assert late == {call: {"status": "running"}}
            waiting = asyncio.create_task(boss("al-wait", call, "--timeout", "30"))
            assert await worker.json("al-return", stdin=value.encode()) == {"ok": True}
            launcher.end_now(worker.run)
            done = await waiting
            assert (done.code, done.json) == (0, {call: {"status": "completed", "returnValue": value}})
            assert await boss.json("al-check", call) == done.json[call]

    asyncio.run(scenario())


def test_a_call_that_returns_nothing(host: Path) -> None:
    async def scenario() -> None:
        async with begun(host) as (daemon, launcher):
            boss = await shell(host, await daemon.start("dev"))
            call = (await boss.json("al-call", "ops", "please"))["callId"]
            (row,) = await until(lambda: rows(host, "SELECT run FROM runs WHERE agent = 'ops'"))
            await token_of(host, row["run"])
            launcher.end_now(row["run"])
            assert await boss.json("al-wait", call) == {call: {"status": "completed"}}
            assert await boss.json("al-check", call) == {"status": "completed"}

    asyncio.run(scenario())


def test_calls_that_are_refused(host: Path) -> None:
    async def scenario() -> None:
        async with begun(host) as (daemon, _):
            boss = await shell(host, await daemon.start("dev"))
            stranger = await shell(host, await daemon.start("ops"))
            for target in ("dev", "nobody"):
                refused = await boss.json("al-call", target, "x", code=1)
                assert refused["ok"] is False
                assert refused["reason"]
            call = (await boss.json("al-call", "ops", "x"))["callId"]
            for whose, identifier in ((stranger, call), (boss, "unknown"), (boss, "../locks")):
                assert (await whose.json("al-check", identifier, code=2))["ok"] is False
                assert (await whose.json("al-wait", identifier, code=2))[identifier]["status"] == "error"

    asyncio.run(scenario())


def test_signals(host: Path) -> None:
    async def scenario() -> None:
        async with begun(host) as (daemon, _):
            run = await shell(host, await daemon.start("dev"))
            assert await run.json("al-status", "half", "done ✓") == {"ok": True}
            assert rows(host, "SELECT status FROM runs WHERE run = ?", run.run) == [{"status": "half done ✓"}]
            assert await run.json("al-rerun") == {"ok": True}
            assert await run.json("al-return", stdin=b"z" * MIB) == {"ok": True}
            assert "4096" in (await run.json("al-status", "x" * 5000, code=4))["reason"]
            assert (run.signals / "status").read_text() == "x" * 5000
            assert (run.signals / "return").read_bytes() == b"z" * MIB
            assert await run.json("al-shutdown", "enough") == {"killed": True}
            assert (await daemon.end_of(run.run))["state"] == "killed"
            assert (await run.json("al-status", "late", code=3))["reason"] == "invalid secret"

    asyncio.run(scenario())


def test_a_daemon_that_is_killed_while_agents_wait(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host) as launcher:
            first = Process(host)
            await first.up()
            status, started = await ask(host, "POST", "/runs", {"agent": "dev"})
            assert status < 300, started
            boss = await shell(host, started["run"])
            call = (await boss.json("al-call", "ops", "x"))["callId"]
            (row,) = await until(lambda: rows(host, "SELECT run FROM runs WHERE agent = 'ops'"))
            worker = await shell(host, row["run"])
            waiting = installed().begin("al-wait", call, "--timeout", "60", env=boss.env)
            assert await worker.json("al-return", "kept") == {"ok": True}
            first.kill()
            second = Process(host)
            try:
                await second.up()
                launcher.end_now(worker.run)
                done = await asyncio.to_thread(finish, waiting)
            finally:
                second.terminate()
            assert (done.code, done.json) == (0, {call: {"status": "completed", "returnValue": "kept"}})

    asyncio.run(scenario())
