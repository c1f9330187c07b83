"""Ticks of a whole daemon, with a clock that a test can set."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from alvps.daemon import ticker
from tests.support.daemon_rig import PATIENCE, ask, behave, ledger, release, rows, running, until
from tests.support.fake_launcher import FakeLauncher

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=timezone.utc).timestamp()
BEFORE = NOON - 40  # daemons start here: however slow the machine is, they are up when the minute begins
EVERY_MINUTE = 'schedule = "* * * * *"'


class Clock:
    """Runs like the real one, from an instant that can be changed."""

    def __init__(self, at: float) -> None:
        self.set(at)

    def __call__(self) -> float:
        return time.monotonic() + self._offset

    def set(self, at: float) -> None:
        self._offset = at - time.monotonic()


@pytest.fixture(autouse=True)
def _look_up_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "LOOK_UP", 0.05)


def decisions(host: Path, agent: str = "dev") -> list[tuple[str, str]]:
    query = "SELECT nominal, decision FROM ticks WHERE agent = ? ORDER BY nominal"
    return [(time.strftime("%H:%M", time.gmtime(r["nominal"])), r["decision"]) for r in rows(host, query, agent)]


def test_a_tick_fires_on_time_and_once(tmp_path: Path) -> None:
    release(tmp_path, 1, {"dev": EVERY_MINUTE, "hand": "manual = true"})
    clock = Clock(BEFORE)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path, clock) as daemon:
            status = await daemon.ask("GET", "/status")
            assert status["agents"][0]["next"] == "2026-11-23T12:00:00Z"
            assert status["agents"][1]["next"] is None
            await until(lambda: any("next tick 12:00 UTC (dev)" in message for message in daemon.told.messages))
            clock.set(NOON - 0.1)
            await until(lambda: decisions(tmp_path))
            decided = rows(tmp_path, "SELECT decided FROM ticks")[0]["decided"]
            assert 0 <= decided / 1000 - NOON < PATIENCE
            run = rows(tmp_path, "SELECT run FROM ticks")[0]["run"]
            end = await daemon.end_of(run)
            assert (end["trigger"], end["nominal"]) == ("schedule", "2026-11-23T12:00:00Z")
            status = await daemon.ask("GET", "/status")
            dev = status["agents"][0]
            assert dev["next"] == "2026-11-23T12:01:00Z"
            assert (dev["last"]["run"], dev["last"]["state"]) == (run, "completed")
            assert (dev["last_tick"]["nominal"], dev["last_tick"]["decision"]) == ("2026-11-23T12:00:00Z", "fired")

    asyncio.run(scenario())
    assert decisions(tmp_path) == [("12:00", "fired")]
    assert ledger(tmp_path, "start")[0]["trigger"] == "schedule"


def test_downtime_is_accounted_for_by_each_policy(tmp_path: Path) -> None:
    agents = {f"c-{policy}": f'{EVERY_MINUTE}\ncatchup = "{policy}"\ncatchupGrace = 180' for policy in
              ("latest", "none", "all")}  # fmt: skip
    release(tmp_path, 1, agents | {"new": "manual = true"})
    clock = Clock(NOON + 5)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path):
            async with running(tmp_path, clock):
                pass
            clock.set(NOON + 10 * 60 + 40)  # 12:10:40, the tick of 12:10 is 40 s old
            release(tmp_path, 2, {**agents, "new": EVERY_MINUTE})
            async with running(tmp_path, clock) as daemon:
                await until(lambda: len(decisions(tmp_path, "c-all")) == 4)
                await until(lambda: len(ledger(tmp_path, "exit")) == 4)
                tick = (await daemon.ask("GET", "/status"))["agents"][2]["last_tick"]
                assert tick["reason"] == "the daemon was down, and catchup is none"
                assert (tick["first"], tick["count"]) == ("2026-11-23T12:01:00Z", 10)

    asyncio.run(scenario())
    assert decisions(tmp_path, "c-latest") == [("12:09", "missed"), ("12:10", "caught-up")]
    assert decisions(tmp_path, "c-none") == [("12:10", "missed")]
    assert decisions(tmp_path, "c-all") == [("12:07", "missed")] + [(f"12:{m:02}", "caught-up") for m in (8, 9, 10)]
    assert decisions(tmp_path, "new") == []  # seen for the first time: nothing to catch up
    assert [e["agent"] for e in ledger(tmp_path, "start")].count("c-all") == 3


def test_overlap_pause_and_resume(tmp_path: Path) -> None:
    release(tmp_path, 1, {"dev": EVERY_MINUTE})
    behave(tmp_path, dev={"seconds": 60})
    clock = Clock(BEFORE)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path, clock) as daemon:
            clock.set(NOON - 0.1)
            await until(lambda: len(decisions(tmp_path)) == 1)
            clock.set(NOON + 59.9)
            await until(lambda: len(decisions(tmp_path)) == 2)
            await daemon.ask("POST", "/agents/dev/kill")
            await daemon.ask("POST", "/pause")
            clock.set(NOON + 119.9)
            await until(lambda: len(decisions(tmp_path)) == 3)
            await daemon.ask("POST", "/resume")
            clock.set(NOON + 179.9)
            await until(lambda: len(decisions(tmp_path)) == 4)

    asyncio.run(scenario())
    assert [what for _, what in decisions(tmp_path)] == ["fired", "skipped-overlap", "skipped-paused", "fired"]


def test_the_clock_is_set(tmp_path: Path) -> None:
    release(tmp_path, 1, {"dev": EVERY_MINUTE})
    clock = Clock(BEFORE)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path, clock):
            clock.set(NOON - 0.1)
            await until(lambda: len(decisions(tmp_path)) == 1)
            clock.set(NOON - 300)  # back: 12:00 comes again, and is decided
            await asyncio.sleep(0.2)
            clock.set(NOON - 0.1)
            await asyncio.sleep(0.4)
            assert decisions(tmp_path) == [("12:00", "fired")]
            clock.set(NOON + 3 * 3600 + 50)  # forwards: like a downtime
            await until(lambda: len(decisions(tmp_path)) == 3)
            assert decisions(tmp_path)[1:] == [("14:59", "missed"), ("15:00", "caught-up")]

    asyncio.run(scenario())


def test_a_clock_that_was_years_ahead(tmp_path: Path) -> None:
    release(tmp_path, 1, {"dev": EVERY_MINUTE})
    ahead = 10 * 365 * 86400
    clock = Clock(BEFORE + ahead)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path, clock):
            clock.set(NOON + ahead - 0.1)
            await until(lambda: len(decisions(tmp_path)) == 1)
            clock.set(NOON - 0.3)
            await until(lambda: rows(tmp_path, "SELECT nominal FROM ticks WHERE nominal = ?", int(NOON)))

    asyncio.run(scenario())
    assert decisions(tmp_path) == [("12:00", "fired")]


def test_a_thousand_at_one_instant_are_one_transaction(tmp_path: Path) -> None:
    release(tmp_path, 1, {f"a{n}": 'schedule = "0 12 * * *"' for n in range(1000)}, "scale = 1")
    behave(tmp_path, _all={"seconds": 60})
    clock = Clock(BEFORE)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path, clock):
            clock.set(NOON - 0.1)
            await until(lambda: len(rows(tmp_path, "SELECT run FROM ticks")) == 1000)

    asyncio.run(scenario())
    found = rows(tmp_path, "SELECT DISTINCT decided, decision FROM ticks")
    assert len(found) == 1
    assert found[0]["decision"] == "fired"
    assert rows(tmp_path, "SELECT count(*) AS n FROM runs")[0]["n"] == 1000


@contextlib.contextmanager
def no_space(host: Path) -> Iterator[None]:
    """The database's log cannot grow: the kernel refuses the write, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (host / "state" / "state.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_delays_ticks_and_ends_and_loses_none(tmp_path: Path) -> None:
    release(tmp_path, 1, {"dev": EVERY_MINUTE, "long": "manual = true"})
    behave(tmp_path, long={"seconds": 0.3})
    clock = Clock(NOON - 30)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path, clock) as daemon:
            run = await daemon.start("long")
            await until(lambda: rows(tmp_path, "SELECT run FROM runs WHERE state = 'running'"))
            with no_space(tmp_path):
                clock.set(NOON + 0.1)
                status, answer = await ask(tmp_path, "POST", "/runs", {"agent": "long"})
                assert status == 503
                assert "state.db" in answer["error"]
                await until(lambda: ledger(tmp_path, "exit"))
                await asyncio.sleep(0.2)
                assert decisions(tmp_path) == []
                warnings = (await daemon.ask("GET", "/status"))["warnings"]
                assert "it is tried again" in warnings[0]
                assert not ledger(tmp_path, "remove")  # nobody else knows the exit yet
            assert (await daemon.end_of(run))["state"] == "completed"
            await until(lambda: decisions(tmp_path))
            assert (await daemon.ask("GET", "/status"))["warnings"] == []

    asyncio.run(scenario())
    assert decisions(tmp_path) == [("12:00", "fired")]
