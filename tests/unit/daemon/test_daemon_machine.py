"""A whole daemon against a model of it: any order of orders, exits, outages, ticks and crashes.

The model is what the documentation promises, written as plainly as possible. After each step the store must come to
say what the model says, and the launcher's ledger must agree.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alvps.daemon import drive, ticker
from tests.support.daemon_rig import Running, ask, behave, ledger, release, rows
from tests.support.examples import examples
from tests.support.fake_launcher import FakeLauncher

SCALES = {"a": 1, "b": 2, "t": 1}
PROJECT_SCALE, QUEUE, RERUNS = 3, 2, 1
HOUR = 3600
BEGIN = 1_795_000_000 // HOUR * HOUR + 60
AGENTS = st.sampled_from(sorted(SCALES))


@dataclass
class Model:
    """One run."""

    agent: str
    trigger: str
    order: int
    state: str = "queued"
    attempt: int = 1
    exit_code: int | None = None
    reruns: int = 0
    stopping: bool = False


@dataclass
class Expected:
    """What the daemon must say."""

    runs: list[Model] = field(default_factory=list)
    paused: set[str] = field(default_factory=set)
    docker: bool = True
    ticks: list[str] = field(default_factory=list)

    def add(self, agent: str, trigger: str, reruns: int = 0) -> None:
        self.runs.append(Model(agent, trigger, len(self.runs), reruns=reruns))

    def of(self, agent: str, *states: str) -> list[Model]:
        return [run for run in self.runs if run.agent == agent and run.state in states]

    def dispatch(self) -> None:
        if not self.docker or "" in self.paused:
            return
        for run in self.runs:  # first in, first out; an agent that may not start does not hold up the others
            running = [other for other in self.runs if other.state == "running"]
            mine = [other for other in running if other.agent == run.agent]
            if (
                run.state == "queued"
                and run.agent not in self.paused
                and len(mine) < SCALES[run.agent]
                and len(running) < PROJECT_SCALE
            ):
                run.state = "running"

    def tick(self) -> None:
        if self.paused & {"", "t"}:
            self.ticks.append("skipped-paused")
        elif self.of("t", "queued", "running"):
            self.ticks.append("skipped-overlap")
        else:
            self.ticks.append("fired")
            self.add("t", "schedule")

    def ends(self, run: Model, code: int) -> None:
        if code == 120 and run.attempt < 3:
            run.attempt += 1
            return
        run.exit_code = code
        run.state = {0: "completed", 42: "rerun"}.get(code, "failed")
        if code == 42 and run.reruns < RERUNS:
            self.add(run.agent, run.trigger, run.reruns + 1)

    def kill(self, run: Model) -> None:
        if run.state == "running":
            run.stopping = True
        elif run.state == "queued":
            run.state = "killed"
        self.stop()

    def stop(self) -> None:
        """Only Docker can end a container."""
        for run in self.runs:
            if run.stopping and self.docker:
                run.state, run.exit_code, run.stopping = "killed", 143, False


class DaemonMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.host = Path(tempfile.mkdtemp(prefix="al-machine-"))
        self.expected = Expected()
        agents = {name: f"manual = true\nscale = {scale}" for name, scale in SCALES.items()}
        agents["t"] += '\nschedule = "0 * * * *"'
        config = f"scale = {PROJECT_SCALE}\nworkQueueSize = {QUEUE}\nmaxReruns = {RERUNS}"
        release(self.host, 1, agents, config)
        behave(self.host, _all={"seconds": 100_000})
        self.offset = BEGIN - time.monotonic()
        # The clock is set by hours here, and no run is meant to be over its time for that.
        self.before = (ticker.LOOK_UP, drive.BACKSTOP)
        ticker.LOOK_UP, drive.BACKSTOP = 0.02, 10**9
        self.loop = asyncio.new_event_loop()
        self.do(self.open())

    def do(self, work):
        return self.loop.run_until_complete(work)

    async def open(self) -> None:
        self.launcher = FakeLauncher(self.host)
        await self.launcher.__aenter__()
        await self.start_daemon()

    async def start_daemon(self) -> None:
        self.mine = asyncio.all_tasks()
        self.daemon = Running(self.host, lambda: time.monotonic() + self.offset)
        await self.daemon.ready()

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.daemon.stop.set()
        self.do(self.daemon.task)
        self.do(self.launcher.__aexit__())
        self.loop.close()
        ticker.LOOK_UP, drive.BACKSTOP = self.before
        shutil.rmtree(self.host)

    # What can happen

    @rule(agent=AGENTS)
    def run_by_hand(self, agent: str) -> None:
        status, _ = self.do(ask(self.host, "POST", "/runs", {"agent": agent}))
        full = len(self.expected.of(agent, "queued")) >= QUEUE
        assert status == (409 if full else 202)
        if not full:
            self.expected.add(agent, "manual")

    @precondition(lambda self: self.expected.docker and any(r.state == "running" for r in self.expected.runs))
    @rule(pick=st.integers(0, 100), code=st.sampled_from((0, 1, 42, 120)))
    def container_ends(self, pick: int, code: int) -> None:
        running = [run for run in self.expected.runs if run.state == "running"]
        run = running[pick % len(running)]
        item = self.launcher.containers[self.id_of(run), run.attempt]
        self.do(self.call(self.launcher.finish, item, code))
        self.expected.ends(run, code)

    @precondition(lambda self: self.expected.runs)
    @rule(pick=st.integers(0, 100))
    def kill(self, pick: int) -> None:
        run = self.expected.runs[pick % len(self.expected.runs)]
        status, answer = self.do(ask(self.host, "POST", f"/runs/{self.id_of(run)}/kill"))
        assert status == 200
        wanted = {"queued": "killed", "running": "stopping"}.get(run.state, run.state)
        assert answer["state"] == wanted
        self.expected.kill(run)

    @rule(scope=st.sampled_from(("", "a", "b", "t")), on=st.booleans())
    def pause_or_resume(self, scope: str, on: bool) -> None:
        path = ("/pause" if on else "/resume") if not scope else f"/agents/{scope}/{'pause' if on else 'resume'}"
        assert self.do(ask(self.host, "POST", path))[0] == 200
        (self.expected.paused.add if on else self.expected.paused.discard)(scope)

    @rule()
    def docker_goes_or_returns(self) -> None:
        self.expected.docker = not self.expected.docker
        self.expected.stop()
        self.do(self.call(self.launcher.docker_is, self.expected.docker))
        self.do(self.until(lambda: ("Docker" in self.daemon.told.messages[-1]) != self.expected.docker))

    @rule()
    def an_hour_passes(self) -> None:
        now = time.monotonic() + self.offset
        self.offset += HOUR - now % HOUR
        self.expected.tick()

    @rule()
    def crash(self) -> None:
        """Everything in memory is gone; the disk is as it is at this moment."""
        self.do(self.crash_now())

    async def crash_now(self) -> None:
        state, copy = self.host / "state", self.host / "copy"
        copy.mkdir()
        for file in state.glob("state.db*"):
            shutil.copy(file, copy)
        lost = [
            task
            for task in asyncio.all_tasks() - self.mine - self.launcher.tasks
            if "FakeLauncher" not in repr(task.get_coro()) and "start_unix" not in repr(task)
            and task is not asyncio.current_task()
        ]  # fmt: skip
        for task in lost:
            task.cancel()
        await asyncio.wait(lost)
        with contextlib.suppress(asyncio.CancelledError):
            await self.daemon.task
        shutil.rmtree(state)
        copy.rename(state)
        from sanic import Sanic

        Sanic._app_registry.clear()
        await self.start_daemon()

    # What must be so

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        if not hasattr(self, "expected"):
            return
        self.expected.dispatch()

        def wanted() -> list[tuple]:
            return [
                (r.agent, r.trigger, r.state, r.attempt, r.exit_code)
                for r in sorted(self.expected.runs, key=lambda r: (r.agent, r.order))
            ]

        def found() -> list[tuple]:
            query = "SELECT agent, trigger, state, attempt, exit_code FROM runs ORDER BY agent, run"
            return [tuple(row.values()) for row in rows(self.host, query)]

        def decided() -> list[str]:
            return [row["decision"] for row in rows(self.host, "SELECT decision FROM ticks ORDER BY nominal")]

        try:
            self.do(self.until(lambda: found() == wanted() and decided() == self.expected.ticks))
        except AssertionError:
            assert decided() == self.expected.ticks
            assert found() == wanted()
            raise

    @invariant()
    def the_ledger_agrees(self) -> None:
        if not hasattr(self, "expected"):
            return
        entries = ledger(self.host, "start", "exit", "remove")
        starts = Counter((e["run"], e["attempt"]) for e in entries if e["what"] == "start")
        assert set(starts.values()) <= {1}
        alive: Counter[str] = Counter()
        for entry in entries:
            if entry["what"] != "remove":
                alive[entry["agent"]] += 1 if entry["what"] == "start" else -1
                assert alive[entry["agent"]] <= SCALES[entry["agent"]]
                assert sum(alive.values()) <= PROJECT_SCALE
        for agent in SCALES:
            order = [e["run"] for e in entries if e["what"] == "start" and e["agent"] == agent and e["attempt"] == 1]
            assert order == sorted(order)

    def id_of(self, run: Model) -> str:
        mine = [other for other in self.expected.runs if other.agent == run.agent]
        mine.sort(key=lambda other: other.order)
        found = rows(self.host, "SELECT run FROM runs WHERE agent = ? ORDER BY run", run.agent)
        return found[mine.index(run)]["run"]

    async def call(self, function, *arguments) -> None:
        function(*arguments)

    async def until(self, condition) -> None:
        end = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            await asyncio.sleep(0.005)


TestDaemonMachine = DaemonMachine.TestCase
TestDaemonMachine.settings = settings(
    max_examples=examples(12),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
