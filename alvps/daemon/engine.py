"""Which queued run starts now, and what is recorded when one ends.

The store is the truth and this is its mirror: a change is committed first and made here afterwards.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from alvps.daemon import prompting
from alvps.daemon.backoff import Backoff
from alvps.daemon.boot import moment
from alvps.daemon.callbook import CallBook
from alvps.daemon.drive import Drive
from alvps.daemon.launcher import Launcher
from alvps.daemon.live import Live
from alvps.daemon.outcome import Verdict
from alvps.daemon.plan import Clock
from alvps.daemon.release import Release
from alvps.daemon.secrets import Tokens
from alvps.daemon.spending import Spending
from alvps.daemon.waiters import Waiters
from alvps.journal import get_logger
from alvps.project import Agent
from alvps.store import calls, life, pauses, runs, usage
from alvps.store.errors import StoreUnavailable
from alvps.store.ids import RunIds
from alvps.store.life import Ended
from alvps.store.locks import Moment
from alvps.store.runs import Run
from alvps.store.store import Store
from alvps.store.ticks import Decision

T = TypeVar("T")
P = ParamSpec("P")
RETRY_MOST = 30.0  # seconds
LOOK_AGAIN = 30.0  # seconds; who waits for midnight is looked at this often, for a clock can be set
CRASHED = 5.0  # seconds until a drive that ended by an error of ours is tried again

log = get_logger()


class Engine:
    """Live runs, and one Drive for each that was started."""

    def __init__(
        self,
        store: Store,
        launcher: Launcher,
        ids: RunIds,
        release: Release,
        clock: Clock,
        *,
        tokens: Tokens,
        boot: str,
    ) -> None:
        self.store = store
        self.launcher = launcher
        self.release = release
        self.live = Live()
        self.paused: dict[str, int] = {}
        self.held: str | None = "the launcher has not answered yet"  # why nothing may start at present
        self.waiters = Waiters()
        self.moved = asyncio.Event()  # something that the status line shows has changed
        self.ids = ids
        self.calls = CallBook()
        self.spending = Spending()
        self.tokens = tokens
        self._clock = clock
        self._boot = boot
        self._midnight: asyncio.TimerHandle | None = None  # set while somebody waits for another day
        self._drives: dict[str, Drive] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._blocked: dict[str, float] = {}  # agents that start nothing until then (monotonic)
        self._refusals: dict[str, Backoff] = {}
        self._dropping: set[str] = set()
        self._closing = False

    async def restore(self) -> None:
        """Take over what an earlier daemon left."""
        await self.store.write(life.reconcile, self.now_ms())
        for run in await self.store.read(runs.live):
            self.live.put(run)
        for call in await self.store.read(calls.pending):
            self.calls.put(call)
        self.paused = await self.store.read(pauses.scopes)
        self.spending.turn(usage.day_of(self.now_ms()))
        await self._load_spending(self.spending.day)

    async def commit(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Store; tries until the disk takes it."""
        backoff = Backoff(first=0.5, most=RETRY_MOST)
        while True:
            try:
                return await self.store.write(function, *args, **kwargs)
            except StoreUnavailable as error:  # noqa: PERF203 - a round of this loop waits for a disk
                pause = backoff.next()
                log.critical("not stored yet", reason=error.message, retry_in=pause)
                self.moved.set()
                await asyncio.sleep(pause)

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return int(self._clock() * 1000)

    def moment(self) -> Moment:
        """Now, for locks."""
        return moment(self._boot, self.now_ms())

    def new_id(self) -> str:
        """An id for a new run."""
        return self.ids.new(self.now_ms())

    # Dispatch

    def decided(self, _decisions: Sequence[Decision], new: Sequence[Run]) -> None:
        """Ticks were decided and stored, these runs with them."""
        for run in new:
            self.live.put(run)
        self.dispatch()

    def hold(self, reason: str | None) -> None:
        """Start nothing because of `reason`, or go on."""
        self.held = reason
        if reason is None:
            self._blocked.clear()
            for drive in list(self._drives.values()):
                drive.wake()
        self.dispatch()

    def dispatch(self) -> None:
        """Start what may start. Cheap and without effect when nothing may; called after every change."""
        self.moved.set()
        if self._closing:
            return
        stopped = self.held is not None or pauses.EVERYTHING in self.paused
        now = time.monotonic()
        self._turn_day()
        for name, queue in self.live.heads():
            agent = self.release.agents.get(name)
            if agent is None or agent.scale == 0:
                why = "is not in" if agent is None else "is disabled in"
                self._drop(list(queue), f"the agent {why} the release {self.release.id}")
            elif not stopped and name not in self.paused and self._blocked.get(name, 0) <= now:
                self._start(agent, queue)

    def _start(self, agent: Agent, queue: Sequence[str]) -> None:
        free = agent.scale - self.live.active_of(agent.name)
        limit = self.release.project.scale
        if limit is not None:
            free = min(free, limit - self.live.active)
        for run in queue[: max(free, 0)]:
            if self.spending.why(agent):
                self._look_again_at_midnight()
                return
            # The place is taken at once; the store follows before the launcher is asked.
            row = self.live.change(run, state="starting", release=self.release.id, timeout=agent.timeout, reason=None)
            assert row
            self._begin(row, day=self.spending.begin(run, agent.name))

    def why_waits(self, name: str) -> str | None:
        """Why a run that is queued for this agent does not start at present; None: there is no free place."""
        if pauses.EVERYTHING in self.paused or name in self.paused:
            return "paused"
        agent = self.release.agents.get(name)
        return self.held or (self.spending.why(agent) if agent else None)

    def _turn_day(self) -> None:
        day = usage.day_of(self.now_ms())
        if day != self.spending.day:
            self.spending.turn(day)
            # Known already if the clock was set back.
            self.spawn(self._load_spending(day))

    async def _load_spending(self, day: int) -> None:
        self.spending.load(day, await self.store.read(usage.spent_on, day))

    def _look_again_at_midnight(self) -> None:
        if self._midnight is None:
            left = (usage.DAY_MS - self.now_ms() % usage.DAY_MS) / 1000
            delay = min(left + 0.05, LOOK_AGAIN)
            self._midnight = asyncio.get_running_loop().call_later(delay, self._midnight_may_be_over)

    def _midnight_may_be_over(self) -> None:
        self._midnight = None
        self.dispatch()

    def _drop(self, queue: list[str], reason: str) -> None:
        """End runs whose agent the release does not have any more."""
        fresh = [run for run in queue if run not in self._dropping]
        if fresh:
            self._dropping.update(fresh)
            self.spawn(self._drop_stored(fresh, reason))

    async def _drop_stored(self, queue: list[str], reason: str) -> None:
        now_ms = self.now_ms()
        for run in queue:
            ended = await self.commit(life.drop, run, state="failed", now_ms=now_ms, reason=reason)
            row = self.live.get(run)
            if row:  # nobody was faster
                log.warning("run dropped", agent=row.agent, run=run, reason=reason)
            self.over(run, ended)
            self._dropping.discard(run)

    def adopt(self, run: str) -> Drive:
        """The drive of a started run; made now if an earlier daemon started it."""
        return self._drives.get(run) or self._begin(self.row(run))

    def _begin(self, row: Run, *, day: int | None = None) -> Drive:
        """Follow the run from here on; with `day`, claim it first and count it as begun on that day."""
        drive = self._drives[row.run] = Drive(row.run, self)
        self.spawn(self._keep(drive, row, day))
        return drive

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Do it beside everything else, until the engine closes."""
        task = asyncio.create_task(work)
        self._tasks.add(task)  # asyncio itself keeps no reference
        task.add_done_callback(self._tasks.discard)

    async def surely(self, work: Coroutine[None, None, T]) -> T:
        """Do all of it, also when the one who asked goes away in the middle: the store and this mirror stay alike."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # maybe nobody is there to take it
        return await asyncio.shield(task)

    async def _keep(self, drive: Drive, row: Run, day: int | None) -> None:
        run = drive.id
        try:
            if day is None or await self._claim(row, day):
                await drive.live()
            else:
                self.spending.undo(run, row.agent)
                self.forget(run)  # killed before it was begun
        except Exception:
            log.exception("run lost its keeper", run=run)
            await asyncio.sleep(CRASHED)
            found = self.live.get(run)
            if found and self._drives.get(run) is drive:
                self._begin(found)
        finally:
            if self._drives.get(run) is drive:
                del self._drives[run]

    async def _claim(self, row: Run, day: int) -> bool:
        return await self.commit(life.begin, row, release=row.release or "", timeout=row.timeout or 0, day=day)

    # What a Drive asks for

    def row(self, run: str) -> Run:
        """The run as it is now. Raises KeyError when it is finished."""
        row = self.live.get(run)
        if row is None:
            raise KeyError(run)
        return row

    async def prompt(self, run: Run) -> tuple[str, str]:
        """The live release, and what it says to this run. Raises AlError, and StoreUnavailable if it may come later."""
        release = self.release
        return release.id, await prompting.prompt(release, run, self.store)

    def secret(self, run: Run) -> str:
        """What this attempt proves itself with."""
        return self.tokens.token(run.run, run.attempt)

    def max_reruns(self) -> int:
        """How often a run may ask to run again."""
        return self.release.project.max_reruns

    def changed(self, run: str, **fields: object) -> None:
        """The store has these values now."""
        row = self.live.change(run, **fields)
        if row and row.state == "running":
            self._refusals.pop(row.agent, None)
        self.moved.set()

    async def put_back(self, run: Run, reason: str) -> None:
        """Queue the run again; its agent starts nothing for a while."""
        if await self.commit(life.put_back, run, reason, self.spending.day_of(run.run)):
            self.spending.undo(run.run, run.agent)
        pause = self._refusals.setdefault(run.agent, Backoff(first=1, most=RETRY_MOST)).next()
        log.warning("run put back", agent=run.agent, run=run.run, trigger=run.trigger, reason=reason, retry_in=pause)
        self._blocked[run.agent] = time.monotonic() + pause
        self.live.change(run.run, state="queued", reason=reason)
        asyncio.get_running_loop().call_later(pause + 0.01, self.dispatch)
        self.dispatch()

    async def close_run(self, run: Run, decision: Verdict, finished_ms: int) -> None:
        """Record the end, and a rerun with it, in one transaction; then forget the run."""
        follower = self._follower(run, decision)

        def record(connection: sqlite3.Connection) -> Ended | None:
            ended = life.finish(
                connection,
                run.run,
                run.attempt,
                state=decision.state,
                now_ms=finished_ms,
                exit_code=decision.exit_code,
                reason=decision.reason,
            )
            if ended and follower:
                runs.add(connection, follower)
            return ended

        ended = await self.commit(record)
        if ended:
            level = log.info if decision.state in ("completed", "rerun") else log.warning
            level(
                "run finished",
                agent=run.agent,
                run=run.run,
                trigger=run.trigger,
                state=decision.state,
                exit_code=decision.exit_code,
                reason=decision.reason,
                rerun=follower.run if follower else None,
            )
            if follower:
                self.live.put(follower)
        self.over(run.run, ended)

    def stop(self, run: str, reason: str | None = None) -> None:
        """The store has the wish that this run be killed; have its container end."""
        row = self.live.get(run)
        if row and row.stop is None:
            self.changed(run, stop="killed", stop_reason=reason)
        if row:
            self.adopt(run).wake()

    def over(self, run: str, ended: Ended | None) -> None:
        """The store has this run in a terminal state, and with it what else ended."""
        if ended:
            self.settle(ended)
        self.forget(run)

    def settle(self, ended: Ended) -> None:
        """The store has these ends."""
        for call in ended.calls:
            self.calls.drop(call)
            self.waiters.finished(call)
        for run in ended.dropped:
            row = self.live.get(run)
            if row:
                log.info("run dropped", agent=row.agent, run=run, trigger=row.trigger, reason="nobody waits for it")
            self.forget(run)

    def forget(self, run: str) -> None:
        """The store has this run in a terminal state."""
        self.live.drop(run)
        self.spending.forget(run)
        self.waiters.finished(run)
        self.dispatch()

    def _follower(self, run: Run, decision: Verdict) -> Run | None:
        agent = self.release.agents.get(run.agent)
        if not decision.rerun or agent is None or agent.scale == 0:
            return None
        return Run(
            run=self.new_id(),
            agent=run.agent,
            trigger=run.trigger,
            state="queued",
            queued=self.now_ms(),
            prompt=run.prompt,
            nominal=run.nominal,
            rerun_of=run.run,
            reruns=run.reruns + 1,
        )

    async def close(self) -> None:
        """Stop working. Containers go on, and the next daemon finds them."""
        self._closing = True
        if self._midnight:
            self._midnight.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        self.waiters.close()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
