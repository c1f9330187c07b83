"""What an agent may spend in a day: when it is spent the queue waits and says so, and goes on by itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.daemon import engine
from alvps.daemon.spending import Spending
from alvps.project.model import Agent, DayBudget
from alvps.store.usage import Spent
from tests.support.daemon_rig import PATIENCE, Running, behave, guest, ledger, release, rows, running, until
from tests.support.fake_launcher import FakeLauncher
from tests.unit.daemon.test_daemon_ticks import NOON, Clock

HOUR = 3600


def limited(**limits: float) -> str:
    lines = [f"{name} = {value}" for name, value in limits.items()]
    return "\n".join(["manual = true\nscale = 3\n[limits.day]", *lines])


@pytest.fixture(autouse=True)
def _look_again_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LOOK_AGAIN", 0.05)


def started(host: Path) -> list[str]:
    return [entry["run"] for entry in ledger(host, "start")]


async def spend(daemon: Running, run: str, **totals: Any) -> None:
    inside = await guest(daemon.host, run)
    await inside.fine("POST", "/report", {"usage": totals})


def test_a_number_of_runs(tmp_path: Path) -> None:
    release(tmp_path, 1, {"dev": limited(runs=2), "ops": "manual = true"})
    behave(tmp_path, _all={"seconds": 1000})
    clock = Clock(NOON)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path, clock) as daemon:
            many = [await daemon.start("dev") for _ in range(4)]
            other = await daemon.start("ops")  # not held up by it
            await until(lambda: len(started(tmp_path)) == 3)
            assert set(started(tmp_path)) == {*many[:2], other}
            waits = await daemon.ask("GET", f"/runs/{many[2]}")
            assert waits["reason"] == "waits: the day's limit of 2 runs is spent (2), until 00:00 UTC"
            status = await daemon.ask("GET", "/status")
            assert status["agents"][0]["today"] == {"runs": 2, "requests": 0, "tokens": 0, "cost": 0.0}
            assert status["agents"][0]["waits"].startswith("the day's limit of 2 runs")
            clock.set(NOON + 11 * HOUR)
            await daemon.start("ops")
            assert len(started(tmp_path)) == 3
            clock.set(NOON + 12 * HOUR)  # midnight: the third place is used, and nobody had to ask
            await until(lambda: len(started(tmp_path)) == 4)
            assert (await daemon.ask("GET", "/status"))["agents"][0]["today"]["runs"] == 1
            # Set back: what was used on the first day is known again.
            clock.set(NOON)
            await until(lambda: daemon.told.messages)
            await daemon.ask("POST", "/resume")  # looks again

            async def known() -> bool:
                return bool((await daemon.ask("GET", "/status"))["agents"][0]["today"]["runs"] == 2)

            end = time.monotonic() + PATIENCE
            while not await known():
                assert time.monotonic() < end

    asyncio.run(scenario())


def test_money_and_tokens_and_requests_over_a_restart(tmp_path: Path) -> None:
    agents = {"cash": limited(cost=5), "words": limited(tokens=1000), "asks": limited(requests=10)}
    release(tmp_path, 1, agents)
    behave(tmp_path, _all={"seconds": 1000})
    totals = {"requests": 11, "inputTokens": 900, "outputTokens": 150, "cost": 5.02}
    reasons = {
        "cash": "waits: the day's limit of 5.00 USD is spent (5.02), until 00:00 UTC",
        "words": "waits: the day's limit of 1000 tokens is spent (1050), until 00:00 UTC",
        "asks": "waits: the day's limit of 10 requests is spent (11), until 00:00 UTC",
    }
    clock = Clock(NOON)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path):
            async with running(tmp_path, clock) as daemon:
                for agent in agents:
                    await spend(daemon, await daemon.start(agent), **totals)
                waiting = {agent: await daemon.start(agent) for agent in agents}
                for agent, run in waiting.items():
                    assert (await daemon.ask("GET", f"/runs/{run}"))["reason"] == reasons[agent]
            async with running(tmp_path, clock) as daemon:
                for agent, run in waiting.items():
                    assert (await daemon.ask("GET", f"/runs/{run}"))["reason"] == reasons[agent]
                why = await daemon.ask("GET", "/agents/cash/why")
                assert why["waits"] == reasons["cash"].removeprefix("waits: ")
                assert (why["decisions"][0]["run"], why["decisions"][0]["reason"]) == (waiting["cash"], reasons["cash"])
                # Another release with a higher limit: its queue goes on, the others' not.
                release(tmp_path, 2, agents | {"cash": limited(cost=5.5)})
                await daemon.ask("POST", "/reload", {"release": "20261123T000002Z-abcdef"})
                await until(lambda: waiting["cash"] in started(tmp_path))
                assert not {waiting["words"], waiting["asks"]} & set(started(tmp_path))

    asyncio.run(scenario())


def test_a_run_that_was_not_started_is_not_counted(tmp_path: Path) -> None:
    release(tmp_path, 1, {"dev": limited(runs=1)})
    refuse = {"error": "busy-name", "message": "a name is taken", "retry": True}
    behave(tmp_path, dev={"refuse": refuse})
    clock = Clock(NOON)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path, clock) as daemon:
            run = await daemon.start("dev")
            await until(lambda: ledger(tmp_path, "refused"))
            await until(lambda: rows(tmp_path, "SELECT runs FROM days WHERE runs = 0"))
            behave(tmp_path)
            assert (await daemon.end_of(run))["state"] == "completed"
            assert rows(tmp_path, "SELECT agent, runs FROM days") == [{"agent": "dev", "runs": 1}]

    asyncio.run(scenario())


AMOUNT = st.integers(0, 20)
LIMIT = st.none() | st.integers(1, 20)


@given(st.builds(DayBudget, runs=LIMIT, requests=LIMIT, tokens=LIMIT, cost=LIMIT), st.builds(Spent, *[AMOUNT] * 4))
def test_a_limit_holds_from_the_moment_it_is_reached(daily: DayBudget, spent: Spent) -> None:
    agent = Agent(name="a", folder="agents/a", actions="agents/a/ACTIONS.md", daily=daily)
    spending = Spending()
    spending.turn(7)
    spending.load(7, {"a": Spent(spent.runs, spent.requests, spent.tokens, spent.cost * 1_000_000)})
    spending.load(6, {"a": Spent(99, 99, 99, 99_000_000)})  # another day's
    reached = [
        used >= limit
        for used, limit in (
            (spent.runs, daily.runs),
            (spent.requests, daily.requests),
            (spent.tokens, daily.tokens),
            (spent.cost, daily.cost),
        )
        if limit is not None
    ]
    assert (spending.why(agent) is not None) == any(reached)


@given(st.lists(st.tuples(st.sampled_from(("begin", "undo", "forget", "turn")), st.integers(0, 3)), max_size=30))
def test_counting_begins(steps: list[tuple[str, int]]) -> None:
    spending, counted = Spending(), dict[str, int]()
    spending.turn(0)
    today = 0
    total = dict.fromkeys(range(40), 0)
    for what, number in steps:
        run = f"r{number}"
        if what == "begin" and run not in counted:
            counted[run] = spending.begin(run, "a")
            total[today] += 1
        elif what == "undo" and run in counted:
            if counted.pop(run) == today:
                total[today] -= 1
            spending.undo(run, "a")
        elif what == "forget":
            counted.pop(run, None)
            spending.forget(run)
        elif what == "turn":
            today += 1
            spending.turn(today)
        assert spending.of("a").runs == total[today]
