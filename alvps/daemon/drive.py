"""One run from `starting` to its end: asks the launcher, waits for the container's exit, records it once.

A drive is a task of its own, so one that hangs delays no other. It may be dropped at any moment (the daemon stops or
dies): whatever it did is in the store or with the launcher, and the next daemon makes a new drive from the row.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from alvps.daemon.backoff import Backoff
from alvps.daemon.launcher import STOP_GRACE, Container, Launcher, LauncherGone, Refused
from alvps.daemon.live import Live
from alvps.daemon.outcome import Exit, Vanished, Verdict, verdict
from alvps.daemon.waiting import happens
from alvps.errors import AlError
from alvps.journal import get_logger
from alvps.store import life, runs
from alvps.store.errors import StoreUnavailable
from alvps.store.life import Ended
from alvps.store.runs import Run

T = TypeVar("T")
P = ParamSpec("P")
BACKSTOP = 30  # seconds after the agent's own timer, for one whose timer did not work
RETRY_MOST = 30.0
CONFIRM_AFTER = (
    0,
    1,
    5,
    15,
)  # seconds between questions to a launcher that does not answer; then its return brings a list
# After these refusals a container may still exist; after every other one it does not.
UNCERTAIN = ("docker-down",)
# The launcher and we follow the same link, but not in the same millisecond.
PASSING = ("wrong-release",)

log = get_logger()


class Step(enum.Enum):
    """What a try to start came to."""

    GOING = enum.auto()  # there is a container, or its exit
    AGAIN = enum.auto()
    OVER = enum.auto()  # there is none, and this drive has nothing more to do


class Desk(Protocol):
    """What a drive needs from the engine."""

    launcher: Launcher
    live: Live

    def now_ms(self) -> int:
        """Milliseconds since 1970."""

    def row(self, run: str) -> Run:
        """The run as it is now."""

    async def commit(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Store; tries until the disk takes it."""

    async def prompt(self, run: Run) -> tuple[str, str]:
        """The live release, and what it says to this run. Raises AlError, and StoreUnavailable if it may come later."""

    def secret(self, run: Run) -> str:
        """What this attempt proves itself with."""

    def settle(self, ended: Ended) -> None:
        """The store has these ends."""

    def max_reruns(self) -> int:
        """How often a run may ask to run again."""

    def changed(self, run: str, **fields: object) -> None:
        """The store has these values now."""

    async def put_back(self, run: Run, reason: str) -> None:
        """Queue the run again; its agent starts nothing for a while."""

    async def close_run(self, run: Run, decision: Verdict, finished_ms: int) -> None:
        """Record the end, and a rerun with it; then forget the run."""


class Drive:
    """The life of one started run."""

    def __init__(self, run: str, desk: Desk) -> None:
        self.id = run
        self._desk = desk
        self._exits: dict[int, Exit | Vanished] = {}
        self._wake = asyncio.Event()
        self._ask_again = asyncio.Event()
        self._backoff = Backoff(first=1, most=RETRY_MOST)
        self._found: tuple[int, int] | None = None
        self._deadline: tuple[int, float] | None = None  # of which attempt, and when by the monotonic clock

    @property
    def _run(self) -> Run:
        return self._desk.row(self.id)

    def deliver(self, attempt: int, end: Exit | Vanished) -> None:
        """That attempt's container has ended. The first message counts."""
        self._exits.setdefault(attempt, end)
        self._wake.set()

    def found_running(self, attempt: int, since_ms: int) -> None:
        """The launcher has a running container for that attempt."""
        self._found = (attempt, since_ms)
        self._wake.set()

    def wake(self) -> None:
        """Something changed: a stop was asked for, the launcher or Docker is back."""
        self._wake.set()
        self._ask_again.set()

    async def live(self) -> None:
        """Run to the end."""
        while True:
            if self._run.state == "starting" and not await self._start():
                return
            end = await self._until_end()
            run = self._run
            decision = verdict(end, run, max_reruns=self._desk.max_reruns())
            if decision.state != "starting":
                finished = end.finished if isinstance(end, Exit) else None
                await self._desk.close_run(run, decision, finished or self._desk.now_ms())
                await self._remove(run.attempt, end)
                return
            reason = decision.reason or ""
            now_ms = self._desk.now_ms()
            ended = await self._desk.commit(life.again, run.run, run.attempt, now_ms=now_ms, reason=reason)
            if ended:
                log.warning("run begins again", agent=run.agent, run=run.run, trigger=run.trigger, reason=reason)
                self._desk.settle(ended)
            fresh: dict[str, object] = {"attempt": run.attempt + 1, "started": None, "status": None, "fault": None}
            self._desk.changed(run.run, state="starting", reason=reason, **fresh)
            await self._remove(run.attempt, end)

    async def _start(self) -> bool:
        """Get the container going. False when the run has no container and this drive is done with it."""
        while not self._run.stop and self._run.attempt not in self._exits:
            run = self._run
            if self._found and self._found[0] == run.attempt:
                await self._is_running(self._found[1], run.release)
                break
            self._wake.clear()
            step = await self._try_start(run)
            if step is not Step.AGAIN:
                return step is Step.GOING
            await self._pause(self._backoff.next())
        return True

    async def _try_start(self, run: Run) -> Step:
        try:
            # The release that is live now, not the one at the time of queueing: only that one can be started.
            release, prompt = await self._desk.prompt(run)
            state = await self._ask_start(run, release, prompt)
        except (LauncherGone, StoreUnavailable) as error:
            await self._note(error.message)
        except Refused as error:
            return await self._refused(run, error)
        except AlError as error:  # the prompt cannot be made
            await self._desk.close_run(run, Verdict(state="failed", reason=error.message), self._desk.now_ms())
            return Step.OVER
        else:
            if state == "running":
                await self._is_running(self._desk.now_ms(), release)
                return Step.GOING
            if await self._ask_ended(run):
                return Step.GOING
        return Step.AGAIN

    async def _refused(self, run: Run, error: Refused) -> Step:
        if not error.retry and error.code not in PASSING:
            refusal = Verdict(state="failed", reason=f"not started: {error.message}")
            await self._desk.close_run(run, refusal, self._desk.now_ms())
            return Step.OVER
        if error.code in UNCERTAIN or self._run.stop:
            await self._note(error.message)
            return Step.AGAIN
        await self._desk.put_back(run, error.message)
        return Step.OVER

    async def _ask_start(self, run: Run, release: str, prompt: str) -> str:
        return await self._desk.launcher.start(
            run.run,
            run.attempt,
            agent=run.agent,
            trigger=run.trigger,
            release=release,
            prompt=prompt,
            secret=self._desk.secret(run),
        )

    async def _is_running(self, since_ms: int, release: str | None) -> None:
        run = self._run
        if run.state != "starting":
            return
        if run.timeout is not None:  # now, for the clock may be set while the store writes
            self._deadline = (run.attempt, self._ends_at(since_ms, run.timeout))
        if await self._desk.commit(runs.started, run.run, run.attempt, since_ms, release):
            self._backoff.reset()
            self._desk.changed(run.run, state="running", started=since_ms, release=release, reason=None)
            log.info("run started", agent=run.agent, run=run.run, trigger=run.trigger, attempt=run.attempt)

    async def _until_end(self) -> Exit | Vanished:
        stopping: asyncio.Task[None] | None = None
        try:
            while True:
                run = self._run
                self._wake.clear()
                if run.attempt in self._exits:
                    return self._exits[run.attempt]
                if run.stop and stopping is None:
                    stopping = asyncio.create_task(self._stop(run))
                left = self._time_left(run)
                if left is not None and left <= 0 and not run.stop:
                    log.warning("run is over its time", agent=run.agent, run=run.run, trigger=run.trigger)
                    await self._desk.commit(runs.ask_stop, run.run, "timed-out")
                    self._desk.changed(run.run, stop="timed-out")
                    continue
                await self._pause(None if run.stop else left)
        finally:
            if stopping:
                stopping.cancel()

    def _time_left(self, run: Run) -> float | None:
        if run.started is None or run.timeout is None:
            return None
        if self._deadline is None or self._deadline[0] != run.attempt:
            self._deadline = (run.attempt, self._ends_at(run.started, run.timeout))
        return self._deadline[1] - time.monotonic()

    def _ends_at(self, since_ms: int, timeout: int) -> float:
        # Asked of the wall clock once, then of the monotonic one: setting the clock must not end runs.
        most = timeout + BACKSTOP
        return time.monotonic() + min(since_ms / 1000 + most - self._desk.now_ms() / 1000, most)

    async def _stop(self, run: Run) -> None:
        """Ask until the container has ended or there is none."""
        backoff = Backoff(first=1, most=RETRY_MOST)
        while run.attempt not in self._exits:
            self._ask_again.clear()
            try:
                await self._desk.launcher.stop(run.run, STOP_GRACE)
                # Its exit comes by the watch; should that line be cut just now, we ask.
                await asyncio.sleep(STOP_GRACE + 2)
                await self._ask_ended(run)
            except Refused as error:
                if error.code == "not-found":
                    await self._ask_ended(run, gone="there was no container to stop")
                else:
                    await self._note(f"it cannot be stopped: {error.message}")
            except LauncherGone as error:
                await self._note(f"it cannot be stopped: {error.message}")
            await happens(self._ask_again, backoff.next())

    async def _ask_ended(self, run: Run, gone: str | None = None) -> bool:
        """Look the container up. Delivers its exit, or that there is none if `gone` says what that means."""
        with contextlib.suppress(LauncherGone, Refused):
            self._take(_find(await self._desk.launcher.containers(), run), run, gone)
        return run.attempt in self._exits

    def _take(self, found: Container | None, run: Run, gone: str | None) -> None:
        if found and found.state == "exited":
            self.deliver(run.attempt, exit_of(found))
        elif gone and (found is None or found.state == "created"):
            self.deliver(run.attempt, Vanished(gone))

    async def confirm_vanished(self) -> None:
        """A list did not have our container: is that still so?"""
        for pause in CONFIRM_AFTER:
            await asyncio.sleep(pause)
            run = self._desk.live.get(self.id)
            if run is None or run.state != "running" or run.attempt in self._exits:
                return
            with contextlib.suppress(LauncherGone, Refused):
                found = _find(await self._desk.launcher.containers(), run)
                self._take(found, run, "its container is gone, and nobody saw how it ended")
                return

    async def _remove(self, attempt: int, end: Exit | Vanished) -> None:
        if isinstance(end, Exit):
            # What is left behind is removed at the next comparison with the launcher's list.
            with contextlib.suppress(LauncherGone, Refused):
                await self._desk.launcher.remove(self.id, attempt)

    async def _note(self, reason: str) -> None:
        run = self._run
        if run.reason == reason:
            return
        log.warning("run waits", agent=run.agent, run=run.run, trigger=run.trigger, reason=reason)
        self._desk.changed(run.run, reason=reason)
        await self._desk.commit(runs.waits, run.run, reason)

    async def _pause(self, timeout: float | None) -> None:
        await happens(self._wake, timeout)


def exit_of(container: Container) -> Exit:
    """The exit of an exited container. Without a code (Docker lost it) it counts as 255."""
    code = 255 if container.exit_code is None else container.exit_code
    return Exit(exit_code=code, oom=container.oom, finished=container.finished)


def _find(containers: Sequence[Container], run: Run) -> Container | None:
    return next((c for c in containers if c.run == run.run and c.attempt == run.attempt), None)
