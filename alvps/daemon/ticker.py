"""The one task that waits for the next tick and has every tick decided."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from alvps.daemon.backoff import Backoff
from alvps.daemon.plan import Clock
from alvps.daemon.timetable import Timetable
from alvps.daemon.waiting import happens
from alvps.journal import get_logger
from alvps.store import schedules, ticks
from alvps.store.errors import StoreUnavailable
from alvps.store.ids import RunIds
from alvps.store.runs import Run
from alvps.store.store import Store
from alvps.store.ticks import Decision

LOOK_UP = 30.0  # seconds; at the latest then a change of the wall clock is noticed
JUMP = 2.0  # seconds that wall clock and monotonic clock may drift apart in one wait; more is somebody's hand

log = get_logger()


class Ticker:
    """Has ticks decided on time, or as soon as the disk takes them."""

    def __init__(
        self,
        store: Store,
        ids: RunIds,
        clock: Clock,
        on_decided: Callable[[Sequence[Decision], Sequence[Run]], None],
        on_moved: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._ids = ids
        self._clock = clock
        self._on_decided = on_decided
        self._on_moved = on_moved
        self._changed = asyncio.Event()
        self.looked = asyncio.Event()  # every schedule of the table has been asked, or the disk takes nothing
        self._lock = asyncio.Lock()  # a timetable is not replaced while it is being examined
        self.table = Timetable((), {})

    async def replace(self, table: Timetable) -> None:
        """Go on with another release's schedules; `looked` is set when they have been asked."""
        async with self._lock:
            self.table = table
            self.looked.clear()
            self._changed.set()

    async def run(self) -> None:
        """Run until cancelled."""
        backoff = Backoff(first=1, most=LOOK_UP)
        offset = self._offset()
        while True:
            try:
                present = self._offset()
                if abs(present - offset) > JUMP:
                    await self._clock_was_set(present - offset)
                offset = present  # each time anew: a clock may also be slewed, for weeks
                async with self._lock:
                    await self._decide()
            except StoreUnavailable as error:
                self.looked.set()
                pause = backoff.next()
                log.critical("ticks not stored", reason=error.message, retry_in=pause)
                await asyncio.sleep(pause)
                continue
            self.looked.set()
            backoff.reset()
            await self._wait()

    async def _decide(self) -> None:
        now = self._clock()
        lines = self.table.due(now)
        if not lines:
            return
        done = False
        try:
            # In a thread: a thousand different lines take a quarter of a second to ask.
            owed, following = await asyncio.to_thread(self.table.examine, lines, now)
            if owed:
                await self._record(owed)
            self.table.decided(owed, following)
            done = True
        finally:
            if not done:
                self.table.schedule(dict.fromkeys(lines, 0))
        self._on_moved()

    async def _record(self, owed: list[ticks.AgentTicks]) -> None:
        now_ms = int(self._clock() * 1000)
        decisions, runs = await self._store.write(ticks.record, owed, now_ms=now_ms, ids=self._ids)
        for decision in decisions:
            _log_decision(decision)
        self._on_decided(decisions, runs)

    async def _wait(self) -> None:
        due = self.table.next_due()
        delay = LOOK_UP if due is None else min(LOOK_UP, max(0.0, due - self._clock()))
        await happens(self._changed, delay)
        self._changed.clear()

    async def _clock_was_set(self, by: float) -> None:
        log.warning("clock was set", seconds=round(by, 1))
        if by > 0:
            return  # what was jumped over is owed now, like after a downtime
        now = int(self._clock())
        # A little back: recorded instants simply come round a second time and stay decided. Far back: the clock had
        # been wrong, and nothing would fire until it gets there again.
        rewound = await self._store.write(schedules.rewind, now)
        async with self._lock:
            self.table.look_again(now if rewound else None)

    def _offset(self) -> float:
        return self._clock() - time.monotonic()


def _log_decision(decision: Decision) -> None:
    nominal = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(decision.nominal))
    level = log.info if decision.decision in ("fired", "caught-up") else log.warning
    level(
        "tick decided",
        agent=decision.agent,
        run=decision.run,
        trigger="schedule",
        decision=decision.decision,
        nominal=nominal,
        count=decision.count if decision.count > 1 else None,
        reason=decision.reason,
    )
