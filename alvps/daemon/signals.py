"""What a run says about itself: how it gets on, what it gives back, what it used, why it fails, that it is to end."""

from __future__ import annotations

import sqlite3

from alvps.daemon.engine import Engine
from alvps.journal import get_logger
from alvps.store import returns, runs, usage
from alvps.store.runs import Run
from alvps.store.usage import Spent, Usage

log = get_logger()


class Signals:
    """Signals to one engine; in the store before they are answered. All raise RunOver, StoreUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def status(self, run: Run, text: str) -> None:
        """How it gets on, for people."""
        await self._engine.surely(self._status(run, text))

    async def _status(self, run: Run, text: str) -> None:
        await self._engine.store.write(runs.say, run.run, run.attempt, text)
        self._engine.changed(run.run, status=text)

    async def give_back(self, run: Run, value: str) -> None:
        """The answer for whoever called it; the last one counts."""
        await self._engine.store.write(returns.put, run.run, run.attempt, value)

    async def rerun(self, run: Run) -> None:
        """It wants to run again. Only noted: what counts is the exit code, which says so too."""
        await self._engine.store.write(runs.require_live, run.run, run.attempt)
        log.info("rerun asked", agent=run.agent, run=run.run, trigger=run.trigger)

    async def report(self, run: Run, totals: Usage | None, fault: str | None) -> None:
        """What it used so far, and why it is about to fail."""
        await self._engine.surely(self._report(run, totals, fault))

    async def _report(self, run: Run, totals: Usage | None, fault: str | None) -> None:
        engine = self._engine
        now_ms = engine.now_ms()

        def keep(connection: sqlite3.Connection) -> tuple[int, Spent] | None:
            if fault is not None:
                runs.blame(connection, run.run, run.attempt, fault)
            if totals is None:
                runs.require_live(connection, run.run, run.attempt)
                return None
            _, day, spent = usage.report(connection, run.run, run.attempt, totals, now_ms)
            return day, spent

        stored = await engine.store.write(keep)
        if stored:
            engine.spending.report(run.agent, *stored)
        if fault is not None:
            engine.changed(run.run, fault=fault)

    async def shutdown(self, run: Run, reason: str | None) -> None:
        """It is to be stopped."""
        await self._engine.surely(self._shutdown(run, f"stopped by itself{f': {reason}' if reason else ''}"))

    async def _shutdown(self, run: Run, reason: str) -> None:
        def mark(connection: sqlite3.Connection) -> None:
            runs.require_live(connection, run.run, run.attempt)
            runs.ask_stop(connection, run.run, "killed", reason)

        await self._engine.store.write(mark)
        log.info("run stops itself", agent=run.agent, run=run.run, trigger=run.trigger, reason=reason)
        self._engine.stop(run.run, reason)
