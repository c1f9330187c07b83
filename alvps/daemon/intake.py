"""Webhook deliveries: from a request's bytes to work in the store, and what the sender is told."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

from alvps.daemon.engine import Engine
from alvps.daemon.gathering import Gathering
from alvps.daemon.sorting import Board, Gate, identify, may_enter, read
from alvps.daemon.views import Problem
from alvps.journal import get_logger
from alvps.store import deliveries
from alvps.store.deliveries import Arrival, Recorded
from alvps.store.errors import StoreUnavailable
from alvps.webhooks.headers import Headers
from alvps.webhooks.verify import Rejected

LARGE = 256 << 10  # bytes; what is larger is worked on in a thread
RETRY_STORE = 5  # seconds
RETRY_FULL = 30

log = get_logger()


class _Taken(TypedDict):
    ok: Literal[True]
    matched: int
    skipped: int


class Taken(_Taken, total=False):
    """The delivery is on the disk, with the runs that it starts. `duplicate`: it had come before."""

    duplicate: Literal[True]


class _Full(TypedDict):
    ok: Literal[False]
    error: str
    matched: int
    skipped: int


class Full(_Full, total=False):
    """The delivery is on the disk, but an agent's queue has no room for its run: it is to be sent again."""

    duplicate: Literal[True]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the sender is told. `retry_after` in seconds."""

    status: int
    body: Taken | Full | Problem
    retry_after: int | None = None
    delivery: str | None = None  # what it is called here
    stranger: str | None = None  # why this is nobody's delivery; nothing of it was kept


class Intake:
    """Takes deliveries for one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._board = Board(engine.release)
        # One at a time: what a parser makes of 25 MB may take ten times as much.
        self._large = asyncio.Semaphore(1)
        self._gathering = Gathering(engine.store, self._record, self._stored)
        self._log = log.bind()  # once, not for each delivery

    @property
    def board(self) -> Board:
        """The gates of the release that is live now."""
        if self._board.release is not self._engine.release:
            self._board = Board(self._engine.release)
        return self._board

    def knock(self, type_: str, headers: Headers) -> Answer | None:
        """The refusal of a request that needs not even be read; None for one that may be a delivery."""
        gates = self.board.gates(type_)
        if not gates:
            return Answer(status=404, body={"error": "there is no such webhook"})
        why = may_enter(gates, headers)
        return _stranger("no signature", why) if why else None

    async def take(self, type_: str, headers: Headers, body: bytes) -> Answer:
        """Store a delivery and queue the runs that it starts; what is answered with 200 is on the disk."""
        refusal = self.knock(type_, headers)
        if refusal:
            return refusal
        engine = self._engine
        gates = self.board.gates(type_)
        now = engine.now_ms() / 1000
        if len(body) <= LARGE:
            found = identify(gates, headers, body, now)
        else:
            found = await asyncio.to_thread(identify, gates, headers, body, now)
        if isinstance(found, Rejected):
            return _not_verified(gates, found)
        if len(body) <= LARGE:
            arrival = read(found, headers, body, now)
        else:
            async with self._large:
                arrival = await asyncio.to_thread(_read_large, found, headers, body, now)
        try:
            # The sender may hang up at any moment; what the store then has is worked on all the same.
            recorded = await asyncio.shield(self._gathering.put(arrival))
        except StoreUnavailable:
            return Answer(status=503, body={"error": "it cannot be stored at present"}, retry_after=RETRY_STORE)
        return _answer(arrival, recorded)

    def _record(self, connection: sqlite3.Connection, arrivals: Sequence[Arrival]) -> list[Recorded]:
        return deliveries.record(connection, arrivals, now_ms=self._engine.now_ms(), ids=self._engine.ids)

    def _stored(self, batch: list[tuple[Arrival, Recorded]]) -> None:
        """The disk has these: their runs may start."""
        new = [run for _, recorded in batch for run in recorded.runs]
        for run in new:
            self._engine.live.put(run)
        if new:
            self._engine.dispatch()
        for arrival, recorded in batch:
            self._log.info(
                "delivery taken",
                delivery=recorded.delivery,
                source=arrival.source,
                webhook_event=arrival.event,
                decision=recorded.decision,
                matched=recorded.matched,
                skipped=recorded.skipped,
                runs=" ".join([run.run for run in recorded.runs]) or None,
                duplicate=recorded.duplicate or None,
            )


def _read_large(gates: Sequence[Gate], headers: Headers, body: bytes, now: float) -> Arrival:
    return replace(read(gates, headers, body, now), packed=deliveries.pack(body))


def _not_verified(gates: tuple[Gate, ...], why: Rejected) -> Answer:
    missing = sorted({name for gate in gates for name in gate.missing})
    if missing:
        # It may well be genuine: its sender is to try again when the secret is there.
        return Answer(
            status=503,
            body={"error": "the signature cannot be checked at present"},
            retry_after=RETRY_FULL,
            stranger=f"the credential {', '.join(missing)} is not on this host",
        )
    return _stranger("wrong signature", why)


def _stranger(kind: str, why: Rejected) -> Answer:
    return Answer(status=401, body={"error": f"signature validation failed: {why.reason}"}, stranger=kind)


def _answer(arrival: Arrival, recorded: Recorded) -> Answer:
    matched, skipped = recorded.matched, recorded.skipped
    if recorded.full:
        message = "the queue of an agent is full; send it again later"
        full: Full = {"ok": False, "error": message, "matched": matched, "skipped": skipped}
        if recorded.duplicate:
            full["duplicate"] = True
        return Answer(status=503, body=full, retry_after=RETRY_FULL, delivery=recorded.delivery)
    if recorded.decision == "refused":
        message = arrival.reason or "it could not be read when it came first"
        return Answer(status=400, body={"error": message}, delivery=recorded.delivery)
    taken: Taken = {"ok": True, "matched": matched, "skipped": skipped}
    if recorded.duplicate:
        taken["duplicate"] = True
    return Answer(status=200, body=taken, delivery=recorded.delivery)
