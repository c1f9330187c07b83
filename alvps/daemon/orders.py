"""What a person may ask of the daemon; each order is in the store before it is answered."""

from __future__ import annotations

import difflib
import sqlite3

from alvps.daemon.engine import Engine
from alvps.errors import AlError, UsageError
from alvps.journal import get_logger
from alvps.project import Agent
from alvps.store import life, pauses, runs
from alvps.store.life import Ended
from alvps.store.runs import QueueFull, Run

log = get_logger()


class NotNow(AlError):
    """The order is understood, and cannot be carried out as things are."""


class Unknown(UsageError):
    """There is no such agent or run."""


class Nonsense(UsageError):
    """What was asked for is nothing that there could be."""


class Orders:
    """Orders to one engine. Raise Unknown, NotNow, StoreUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def agent(self, name: str) -> Agent:
        """The agent. Raises Unknown with the closest name."""
        found = self.engine.release.agents.get(name)
        if found is None:
            close = difflib.get_close_matches(name.lower(), self.engine.release.agents, n=1)
            names = ", ".join(sorted(self.engine.release.agents)[:20])
            raise Unknown(
                f"there is no agent {name[:80]!r} in the release {self.engine.release.id}",
                hint=f"did you mean {close[0]!r}?" if close else f"its agents: {names}",
            )
        return found

    async def start(self, agent: str, prompt: str | None) -> str:
        """Queue a run by hand; gives its id. Raises Unknown, NotNow, StoreUnavailable."""
        found = self.agent(agent)
        if found.scale == 0:
            raise NotNow(f"the agent {agent!r} is disabled: its scale is 0", hint="set its scale and push")
        limit = found.work_queue_size
        run = Run(
            run=self.engine.new_id(),
            agent=agent,
            trigger="manual",
            state="queued",
            prompt=prompt,
            queued=self.engine.now_ms(),
        )
        stored = await self.engine.store.write(runs.enqueue, run, limit)
        if isinstance(stored, QueueFull):
            raise NotNow(
                f"the queue of {agent!r} is full: {stored.queued} runs wait (workQueueSize is {limit})",
                hint=f"wait, or drop them with `al kill {agent}`",
            )
        log.info("run queued", agent=agent, run=run.run, trigger="manual")
        self.engine.live.put(run)
        self.engine.dispatch()
        return run.run

    async def find(self, run: str) -> Run:
        """Any run, finished or not. Raises Unknown."""
        found = self.engine.live.get(run) or await self.engine.store.read(runs.get, run)
        if found is None:
            raise Unknown(f"there is no run {run[:40]!r}", hint="`al status` lists the runs; old ones are forgotten")
        return found

    async def kill(self, run: str) -> str:
        """End a run; gives "killed" (it only waited), "stopping", or the state that it ended in before."""
        found = await self.find(run)
        if found.finished is not None:
            return found.state
        now_ms = self.engine.now_ms()

        def end(connection: sqlite3.Connection) -> tuple[str, Ended | None]:
            ended = life.drop(connection, run, state="killed", now_ms=now_ms, reason="killed while it waited")
            if ended:
                return "killed", ended
            # A second request finds its mark set, and that is fine too.
            runs.ask_stop(connection, run, "killed")
            row = runs.get(connection, run)
            return ("killed" if row is None else "stopping" if row.finished is None else row.state), None

        state, ended = await self.engine.store.write(end)
        log.info("kill asked", agent=found.agent, run=run, trigger=found.trigger, state=state)
        if state == "killed":
            self.engine.over(run, ended)
        elif state == "stopping":
            self.engine.stop(run)
        return state

    async def kill_agent(self, agent: str) -> list[str]:
        """End all runs of an agent; gives their ids. The agent may be one of an earlier release."""
        live = [row.run for row in self.engine.live.of_agent(agent)]
        if not live:
            self.agent(agent)
        # Queued ones first, or each place that a kill frees would start the next.
        for run in reversed(live):
            await self.kill(run)
        return live

    async def pause(self, agent: str | None) -> None:
        """Start no run of the agent, or of any."""
        scope = pauses.EVERYTHING if agent is None else self.agent(agent).name
        now_ms = self.engine.now_ms()
        await self.engine.store.write(pauses.pause, scope, now_ms)
        self.engine.paused.setdefault(scope, now_ms)
        log.info("paused", agent=agent)
        self.engine.dispatch()

    async def resume(self, agent: str | None) -> None:
        """Start runs again. A paused agent that is in no release any more can be resumed too."""
        scope = pauses.EVERYTHING if agent is None else agent
        if scope not in self.engine.paused and agent is not None:
            self.agent(agent)
        await self.engine.store.write(pauses.resume, scope)
        self.engine.paused.pop(scope, None)
        log.info("resumed", agent=agent)
        self.engine.dispatch()
