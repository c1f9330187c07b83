"""Locks, calls and return values on a real store, against the plainest model of them: any order, any time, restarts."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alvps.store import calls, life, locks, returns, runs
from alvps.store.calls import Call, Pending
from alvps.store.life import CALLER_ENDED, FAILURES
from alvps.store.locks import Busy, Lock, Missing, Moment, Taken
from alvps.store.runs import LIVE, QueueFull, Run, RunOver
from alvps.store.store import Store
from tests.support.examples import examples

KEYS = st.sampled_from(("k", "K", "\u00fc"))  # few, so that runs meet; test_locks_keys.py has the look-alikes
TTL = st.integers(1, 300)
PICK = st.integers(0, 30)
QUEUE = 2
ACTIVE = ("starting", "running")


@dataclass
class AnyRun:
    agent: str
    state: str = "queued"
    attempt: int = 1
    call: str | None = None
    value: str | None = None


@dataclass
class Held:
    run: str
    token: int
    since: int
    ttl: int
    expires: int
    boot: str


@dataclass
class Asked:
    caller: str
    run: str
    state: str = "pending"
    value: str | None = None
    error: str | None = None


@dataclass
class Model:
    runs: dict[str, AnyRun] = field(default_factory=dict)
    locks: dict[str, Held] = field(default_factory=dict)
    calls: dict[str, Asked] = field(default_factory=dict)
    token: int = 0


class LocksAndCalls(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="al-store-"))
        self.store = Store(self.folder / "state.db")
        self.model = Model()
        self.now = Moment("boot0", 1_000, 1_000_000)
        self.made = 0
        for number in range(3):
            self.a_run_is_queued("ab"[number % 2])
            self.a_run_begins(0)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    def do(self, function: Any, *arguments: Any, **named: Any) -> Any:
        return self.store.submit(function, *arguments, **named).result()

    def name(self) -> str:
        self.made += 1
        return f"x{self.made:04d}"

    def pick(self, number: int, *states: str) -> str:
        """A run in one of these states; any, or one that is not known, if there is none."""
        fitting = [run for run, row in self.model.runs.items() if row.state in states] or [*self.model.runs, "unknown"]
        return fitting[number % len(fitting)]

    def active(self, run: str, attempt: int) -> bool:
        row = self.model.runs.get(run)
        return row is not None and row.state in ACTIVE and row.attempt == attempt

    def held(self, key: str) -> Held | None:
        """Who has the lock, if its time is not over."""
        lock = self.model.locks.get(key)
        return lock if lock and lock.boot == self.now.boot and lock.expires > self.now.ticks else None

    # Runs

    @rule(agent=st.sampled_from("ab"))
    def a_run_is_queued(self, agent: str) -> None:
        run = self.name()
        self.do(runs.add, Run(run=run, agent=agent, trigger="manual", state="queued", queued=1))
        self.model.runs[run] = AnyRun(agent)

    @rule(number=PICK)
    def a_run_begins(self, number: int) -> None:
        run = self.pick(number, "queued")
        row = self.model.runs.get(run)
        stored = Run(run=run, agent="", trigger="manual", state="queued", queued=1)
        done = self.do(life.begin, stored, release="r", timeout=9, day=1)
        assert done == bool(row and row.state == "queued")
        if done:
            assert row
            row.state = "starting"

    @rule(number=PICK, state=st.sampled_from(("completed", "rerun", *FAILURES)), late=st.integers(0, 5))
    def a_run_ends(self, number: int, state: str, late: int) -> None:
        run = self.pick(number, *ACTIVE)
        row = self.model.runs.get(run)
        attempt = (row.attempt if row else 1) - (late == 5)
        found = self.do(life.finish, run, attempt, state=state, now_ms=self.now.wall, reason="why")
        assert (found is not None) == self.active(run, attempt)
        if found:
            self.over(run, state, "why")

    @rule(number=PICK)
    def a_queued_run_is_dropped(self, number: int) -> None:
        run = self.pick(number, "queued")
        row = self.model.runs.get(run)
        found = self.do(life.drop, run, state="killed", now_ms=self.now.wall, reason="dropped")
        assert (found is not None) == bool(row and row.state == "queued")
        if found:
            self.over(run, "killed", "dropped")

    @precondition(lambda self: self.model.locks or self.model.calls)
    @rule(number=PICK)
    def an_attempt_does_not_count(self, number: int) -> None:
        run = self.pick(number, *ACTIVE)
        row = self.model.runs.get(run)
        found = self.do(life.again, run, row.attempt if row else 1, now_ms=self.now.wall, reason="again")
        assert (found is not None) == bool(row and row.state in ACTIVE)
        if found:
            assert row
            row.attempt, row.state, row.value = row.attempt + 1, "starting", None
            self.lets_go(run)

    def over(self, run: str, state: str, reason: str) -> None:
        row = self.model.runs[run]
        row.state = state
        if row.call and self.model.calls[row.call].state == "pending":
            call = self.model.calls[row.call]
            if state in FAILURES:
                call.state, call.error = "error", f"{row.agent} {FAILURES[state]}: {reason}"
            else:
                call.state, call.value = "completed", row.value
        self.lets_go(run)

    def lets_go(self, run: str) -> None:
        """Its lock is free, and nobody waits for whom it called."""
        self.model.locks = {key: lock for key, lock in self.model.locks.items() if lock.run != run}
        for call in self.model.calls.values():
            if call.caller == run and call.state == "pending":
                self.fails(call, CALLER_ENDED)

    def fails(self, call: Asked, error: str) -> None:
        call.state, call.error = "error", error
        answering = self.model.runs[call.run]
        if answering.state == "queued":
            answering.state = "killed"

    # Locks

    @rule(number=PICK, key=KEYS, ttl=TTL, late=st.integers(0, 5))
    def acquire(self, number: int, key: str, ttl: int, late: int) -> None:
        own = self.held(key)
        run = own.run if own and number % 3 == 0 else self.pick(number, *ACTIVE)
        row = self.model.runs.get(run)
        attempt = (row.attempt if row else 1) - (late == 5)
        work = self.store.submit(locks.acquire, key=key, run=run, attempt=attempt, ttl_ms=ttl, now=self.now)
        if not self.active(run, attempt):
            assert isinstance(work.exception(), RunOver)
            return
        found, holder = work.result(), self.held(key)
        others = [other for other in self.model.locks if other != key and self.held(other)]
        mine = [other for other in others if self.model.locks[other].run == run]
        if holder and holder.run != run:
            assert isinstance(found, Taken)
            assert (found.lock.run, found.lock.key) == (holder.run, key)
        elif holder:
            assert (found.token, found.since) == (holder.token, holder.since)
            holder.ttl, holder.expires = ttl, self.now.ticks + ttl
        elif mine:
            assert isinstance(found, Busy)
            assert found.lock.key == mine[0]
        else:
            assert isinstance(found, Lock)
            assert found.token > self.model.token
            assert found.until == self.now.wall + ttl
            self.model.token = found.token
            expires = self.now.ticks + ttl
            self.model.locks[key] = Held(run, found.token, self.now.wall, ttl, expires, self.now.boot)

    @precondition(lambda self: self.model.locks)
    @rule(number=PICK, key=KEYS)
    def release(self, number: int, key: str) -> None:
        self.give_or_prolong(number, key, None, prolong=False)

    @precondition(lambda self: self.model.locks)
    @rule(number=PICK, key=KEYS, ttl=st.none() | TTL)
    def heartbeat(self, number: int, key: str, ttl: int | None) -> None:
        self.give_or_prolong(number, key, ttl, prolong=True)

    def give_or_prolong(self, number: int, key: str, ttl: int | None, *, prolong: bool) -> None:
        lock = self.held(key)
        run = lock.run if lock and number % 2 else self.pick(number, *ACTIVE)
        row = self.model.runs.get(run)
        attempt = row.attempt if row else 1
        function, named = (locks.prolong, {"ttl_ms": ttl}) if prolong else (locks.release, {})
        work = self.store.submit(function, key=key, run=run, attempt=attempt, now=self.now, **named)
        if not self.active(run, attempt):
            assert isinstance(work.exception(), RunOver)
            return
        found = work.result()
        if lock is None:
            assert found == Missing()
        elif lock.run != run:
            assert isinstance(found, Taken)
            assert found.lock.run == lock.run
        elif prolong:
            lock.ttl = ttl or lock.ttl
            lock.expires = self.now.ticks + lock.ttl
            assert found.until == self.now.wall + lock.ttl
        else:
            del self.model.locks[key]

    # Calls

    @rule(number=PICK, agent=st.sampled_from("ab"), late=st.integers(0, 5))
    def call(self, number: int, agent: str, late: int) -> None:
        caller = self.pick(number, *ACTIVE)
        row = self.model.runs.get(caller)
        attempt = (row.attempt if row else 1) - (late == 5)
        call, run = self.name(), self.name()
        answering = Run(run=run, agent=agent, trigger="agent", state="queued", queued=1, call=call, depth=1)
        made = Call(call=call, caller=caller, caller_agent="x", target=agent, run=run, context="c", created=1)
        work = self.store.submit(calls.add, made, answering, attempt=attempt, limit=QUEUE)
        if not self.active(caller, attempt):
            assert isinstance(work.exception(), RunOver)
            return
        queued = sum(other.agent == agent and other.state == "queued" for other in self.model.runs.values())
        if queued >= QUEUE:
            assert work.result() == QueueFull(queued)
            return
        assert work.result() == made
        self.model.calls[call] = Asked(caller, run)
        self.model.runs[run] = AnyRun(agent, call=call)

    @rule(number=PICK, value=st.sampled_from(("", "v", "ü\0\n")))
    def give_back(self, number: int, value: str) -> None:
        run = self.pick(number, *ACTIVE)
        row = self.model.runs.get(run)
        work = self.store.submit(returns.put, run, row.attempt if row else 1, value)
        if row and row.state in ACTIVE:
            work.result()
            row.value = value
        else:
            assert isinstance(work.exception(), RunOver)

    @precondition(lambda self: self.model.calls)
    @rule(number=PICK)
    def a_wait_would_never_end(self, number: int) -> None:
        call = list(self.model.calls)[number % len(self.model.calls)]
        asked = self.model.calls[call]
        found = self.do(life.end_call, Pending(call, asked.caller, asked.run), "deadlock", self.now.wall)
        assert (found is not None) == (asked.state == "pending")
        if found:
            self.fails(asked, "deadlock")

    # Time and crashes

    @rule(by=st.integers(1, 60), wall=st.integers(-1000, 1000))
    def time_passes(self, by: int, wall: int) -> None:
        """However the wall clock is set."""
        self.now = Moment(self.now.boot, self.now.ticks + by, self.now.wall + wall)

    @rule()
    def the_machine_boots_again(self) -> None:
        self.now = Moment(f"{self.now.boot}x", 5, self.now.wall)

    @rule()
    def the_daemon_is_killed(self) -> None:
        """Nothing is closed: what the disk has at this moment is all there is."""
        copy = self.folder / "copy"
        copy.mkdir()
        for file in self.folder.glob("state.db*"):
            shutil.copy(file, copy)
        self.store.close()
        for file in copy.iterdir():
            shutil.move(file, self.folder / file.name)
        copy.rmdir()
        self.store = Store(self.folder / "state.db")
        assert self.do(life.reconcile, self.now.wall) == life.Ended()

    # What must be so

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        model, now = self.model, self.now
        held = {lock.key: (lock.run, lock.token, lock.since, lock.until) for lock in self.do(locks.held, now)}
        assert held == {
            key: (lock.run, lock.token, lock.since, now.wall + lock.expires - now.ticks)
            for key, lock in model.locks.items()
            if self.held(key)
        }
        for run, row in model.runs.items():
            found = self.do(runs.get, run)
            assert (found.state, found.attempt) == (row.state, row.attempt)
            assert (found.finished is None) == (row.state in LIVE)
            assert [lock.key for lock in self.do(locks.held, now, run)] == sorted(
                key for key, lock in model.locks.items() if lock.run == run and self.held(key)
            )
        pending = set()
        for call, asked in model.calls.items():
            found = self.do(calls.get, call)
            assert (found.state, found.value, found.error) == (asked.state, asked.value, asked.error)
            assert (found.finished is None) == (asked.state == "pending")
            if asked.state == "pending":
                pending.add(Pending(call, asked.caller, asked.run))
                # Nobody waits for something that will never come.
                assert model.runs[asked.run].state in LIVE
                assert model.runs[asked.caller].state in ACTIVE
        assert set(self.do(calls.pending)) == pending


TestLocksAndCalls = LocksAndCalls.TestCase
TestLocksAndCalls.settings = settings(
    max_examples=examples(25),
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
