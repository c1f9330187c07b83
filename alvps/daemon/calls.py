"""Calls from one agent to another: made, asked after, waited for."""

from __future__ import annotations

from alvps.daemon.engine import Engine
from alvps.daemon.orders import Unknown
from alvps.errors import AlError
from alvps.journal import get_logger
from alvps.store import calls, life
from alvps.store.calls import Call, Pending
from alvps.store.runs import QueueFull, Run

log = get_logger()


class CallRefused(AlError):
    """No call was made; the message says why, for the agent that wanted it."""


class Deadlock(AlError):
    """The wait could never end; the call has ended with an error instead."""


class Calls:
    """Calls of one engine. All raise StoreUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def call(self, caller: Run, target: str, context: str) -> str:
        """Have `target` work on `context`; gives the call's id. Raises CallRefused, RunOver."""
        return await self._engine.surely(self._call(caller, target, context))

    async def _call(self, caller: Run, target: str, context: str) -> str:
        engine = self._engine
        limit = self._limit(caller, target)
        now_ms = engine.now_ms()
        call_id, run_id = engine.new_id(), engine.new_id()
        answering = Run(
            run=run_id,
            agent=target,
            trigger="agent",
            state="queued",
            queued=now_ms,
            depth=caller.depth + 1,
            call=call_id,
        )
        call = Call(
            call=call_id,
            caller=caller.run,
            caller_agent=caller.agent,
            target=target,
            run=run_id,
            context=context,
            created=now_ms,
        )
        stored = await engine.store.write(calls.add, call, answering, attempt=caller.attempt, limit=limit)
        if isinstance(stored, QueueFull):
            raise self._refused(caller, target, f"the queue of {target!r} is full: {stored.queued} runs wait")
        log.info("call made", agent=caller.agent, run=caller.run, trigger=caller.trigger, call=call_id, target=target)
        engine.calls.put(Pending(call_id, caller.run, run_id))
        engine.live.put(answering)
        engine.dispatch()
        return call_id

    def _limit(self, caller: Run, target: str) -> int:
        """How many runs of the target may wait. Raises CallRefused when it must not be called at all."""
        release = self._engine.release
        agent = release.agents.get(target)
        deepest = release.project.max_call_depth
        if agent is None:
            names = ", ".join(sorted(set(release.agents) - {caller.agent})[:20])
            raise self._refused(caller, target, f"there is no agent {target[:80]!r}; there are: {names or 'no others'}")
        if target == caller.agent:
            raise self._refused(caller, target, "an agent cannot call itself")
        if agent.scale == 0:
            raise self._refused(caller, target, f"the agent {target!r} is disabled")
        if caller.depth + 1 > deepest:
            why = f"{caller.depth} calls led to this run, and more than {deepest} in a row are not allowed"
            raise self._refused(caller, target, f"{why} (maxCallDepth)")
        return agent.work_queue_size

    def _refused(self, caller: Run, target: str, reason: str) -> CallRefused:
        log.info(
            "call refused",
            agent=caller.agent,
            run=caller.run,
            trigger=caller.trigger,
            target=target[:80],
            reason=reason,
        )
        return CallRefused(reason)

    async def check(self, caller: Run, call: str, wait: float) -> Call:
        """The call; if it has no answer, as it is after up to `wait` seconds.

        Raises Unknown for a call that is not this run's, and Deadlock when waiting for it could never end.
        """
        pending = self._engine.calls.get(call)
        if wait and pending and pending.caller == caller.run:
            await self._wait(caller, pending, wait)
        found = await self._engine.store.read(calls.get, call)
        if found is None or found.caller != caller.run:
            raise Unknown(f"this run made no call {call[:40]!r}")
        return found

    async def _wait(self, caller: Run, pending: Pending, wait: float) -> None:
        engine = self._engine
        with engine.calls.waiting(caller.run, pending.call):
            names = engine.calls.cycle(caller.run, engine.live, engine.release)
            if names is None:
                await engine.waiters.wait(pending.call, wait)
                return
        reason = f"waiting for this call would never end: {' waits for '.join(names)}"
        if await engine.surely(self._end(pending, reason)):
            log.warning("deadlock", agent=caller.agent, run=caller.run, trigger=caller.trigger, reason=reason)
            raise Deadlock(reason)

    async def _end(self, pending: Pending, reason: str) -> bool:
        ended = await self._engine.store.write(life.end_call, pending, reason, self._engine.now_ms())
        if ended:
            self._engine.settle(ended)
        return ended is not None
