"""What the host's owner may ask about webhook deliveries, and having one decided anew."""

from __future__ import annotations

import asyncio
import base64
from typing import Literal, cast

from alvps.daemon import views
from alvps.daemon.engine import Engine
from alvps.daemon.intake import Intake
from alvps.daemon.orders import NotNow, Unknown
from alvps.daemon.sorting import candidates, interpret
from alvps.daemon.status import iso
from alvps.journal import get_logger
from alvps.store import deliveries, delivery_views
from alvps.store.deliveries import Decision
from alvps.store.delivery_views import Content, Delivery, Outcome

log = get_logger()


class Deliveries:
    """Questions and one order. Raises Unknown, NotNow, StoreUnavailable."""

    def __init__(self, engine: Engine, intake: Intake) -> None:
        self._engine = engine
        self._intake = intake

    async def recent(
        self, source: str | None, agent: str | None, decision: str | None, limit: int
    ) -> list[views.Delivery]:
        """The newest first, only those that fit."""
        rows = await self._engine.store.read(
            delivery_views.recent, source=source, agent=agent, decision=decision, limit=limit
        )
        return [_summary(row) for row in rows]

    async def one(self, delivery: str) -> views.WholeDelivery:
        """Everything about one: what was sent, what agents are told, what was decided for each and came of it."""
        row, content = await self._find(delivery)
        outcomes = await self._engine.store.read(delivery_views.outcomes, delivery)
        body, encoding = await asyncio.to_thread(_shown, content.body)
        return {
            **_summary(row),
            "headers": [list(pair) for pair in content.headers],
            "encoding": encoding,
            "body": body,
            "context": content.context,
            "agents": [_outcome(outcome) for outcome in outcomes],
        }

    async def replay(self, delivery: str, agent: str | None) -> views.Replay:
        """Match it against the live release, for all agents or one, and queue a run for each that matches.

        Whatever was decided before: work that is done is done again. Carried out also when the one who asked is gone.
        """
        row, content = await self._find(delivery)
        gate = self._intake.board.gate(row.source)
        if gate is None or gate.source.type != row.type:
            raise NotNow(f"the live release has no webhook source {row.source!r} of the type {row.type}")
        now = self._engine.now_ms() / 1000
        context, _, reason = await asyncio.to_thread(interpret, row.type, content.headers, content.body, now)
        if context is None:
            raise NotNow(f"the delivery starts nothing: {reason}")
        chosen = candidates([gate], context)
        if agent is not None:
            chosen = tuple(item for item in chosen if item.agent == agent)
        if not chosen:
            who = "no agent of the live release has a" if agent is None else f"the agent {agent[:80]!r} has no"
            raise NotNow(f"{who} trigger on the source {row.source!r}", hint="see [[webhooks]] in an agent's settings")
        decisions = await self._engine.surely(self._replay(row, chosen))
        return {
            "delivery": delivery,
            "runs": [decision.run for decision in decisions if decision.run],
            "agents": [_decision(decision) for decision in decisions],
        }

    async def _replay(self, row: Delivery, chosen: tuple[deliveries.Candidate, ...]) -> list[Decision]:
        engine = self._engine
        decisions, runs = await engine.store.write(
            deliveries.replay, row.delivery, chosen, now_ms=engine.now_ms(), ids=engine.ids
        )
        for run in runs:
            engine.live.put(run)
        names = " ".join(run.run for run in runs) or None
        log.info("delivery replayed", delivery=row.delivery, source=row.source, runs=names)
        engine.dispatch()
        return decisions

    async def _find(self, delivery: str) -> tuple[Delivery, Content]:
        row = await self._engine.store.read(delivery_views.get, delivery)
        content = await self._engine.store.read(delivery_views.content, delivery) if row else None
        if row is None or content is None:
            raise Unknown(
                f"there is no delivery {delivery[:40]!r}", hint="`al webhooks ls` lists them; old ones are forgotten"
            )
        return row, content


def _shown(body: bytes) -> tuple[str, Literal["utf-8", "base64"]]:
    """The body as JSON can hold it, and how that is to be read."""
    try:
        return body.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), "base64"


def _summary(row: Delivery) -> views.Delivery:
    return {
        "delivery": row.delivery,
        "source": row.source,
        "type": row.type,
        "delivery_id": row.delivery_id,
        "event": row.event,
        "action": row.action,
        "decision": row.decision,
        "reason": row.reason,
        "matched": row.matched,
        "skipped": row.skipped,
        "times": row.times,
        "received": iso(row.received),
    }


def _outcome(outcome: Outcome) -> views.Outcome:
    return {**_decision(outcome.decision), "state": cast("views.State | None", outcome.state)}


def _decision(decision: Decision) -> views.Decision:
    return {
        "agent": decision.agent,
        "decision": decision.decision,
        "reason": decision.reason,
        "run": decision.run,
        "replay": decision.round,
        "decided": iso(decision.decided),
    }
