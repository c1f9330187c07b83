"""Whose delivery it is, what it says, and which agents it is for: from bytes to an Arrival. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from alvps.daemon.release import Release
from alvps.project import Agent
from alvps.project.model import WebhookSource, WebhookTrigger
from alvps.store.deliveries import Arrival, Candidate
from alvps.webhooks.context import Context, Ignored
from alvps.webhooks.delivery import delivery_id, lasting_bytes
from alvps.webhooks.headers import Headers
from alvps.webhooks.match import Miss, match
from alvps.webhooks.parse import parse
from alvps.webhooks.payload import BadPayload
from alvps.webhooks.providers import kept_headers
from alvps.webhooks.verify import Rejected, looks_signed, verify

MAX_TEXT = 500  # characters of what somebody else wrote, where it is shown in a list


@dataclass(frozen=True, slots=True)
class Gate:
    """One source of the live release, with everything that a delivery of it is compared with."""

    source: WebhookSource
    secrets: tuple[bytes, ...] = field(repr=False)
    missing: tuple[str, ...]  # credentials that the release needs and the host does not have
    agents: tuple[tuple[Agent, tuple[WebhookTrigger, ...]], ...]


class Board:
    """All gates of a release, by type."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self._gates: dict[str, tuple[Gate, ...]] = {}
        for source in release.project.webhooks:
            own = [(a, tuple(t for t in a.webhooks if t.source == source.name)) for a in release.project.agents]
            gate = Gate(
                source=source,
                secrets=release.secrets.values.get(source.name, ()),
                missing=release.secrets.missing.get(source.name, ()),
                agents=tuple((agent, triggers) for agent, triggers in own if triggers),
            )
            self._gates[source.type] = (*self._gates.get(source.type, ()), gate)

    def gates(self, type_: str) -> tuple[Gate, ...]:
        """The gates of the sources of that type; none if the release has no such source."""
        return self._gates.get(type_, ())

    def gate(self, source: str) -> Gate | None:
        """The gate of the source with that name."""
        return next((gate for gates in self._gates.values() for gate in gates if gate.source.name == source), None)


def may_enter(gates: Sequence[Gate], headers: Headers) -> Rejected | None:
    """None when it is worth reading the body: it looks signed, or a source takes what is not. Else why not."""
    why = None
    for gate in gates:
        found = _looks_signed(gate, headers)
        if found is None or gate.source.allow_unsigned:
            return None
        why = why or found
    return why


def identify(gates: Sequence[Gate], headers: Headers, body: bytes, now: float) -> tuple[Gate, ...] | Rejected:
    """The gates whose secret signed the body; if there is none, those that take unsigned ones. Else why not.

    `now` is in seconds since 1970.
    """
    signed: list[Gate] = []
    why = None
    for gate in gates:
        found = verify(gate.source.type, headers, body, gate.secrets, header=gate.source.header, now=now)
        if isinstance(found, Rejected):
            why = why or found
        else:
            signed.append(gate)
    if signed:
        return tuple(signed)
    return tuple(gate for gate in gates if _takes_unsigned(gate, headers)) or why or Rejected("there is no source")


def read(gates: Sequence[Gate], headers: Headers, body: bytes, now: float) -> Arrival:
    """What is to be stored of a delivery that these gates let in, the first of which gives it its name."""
    source = gates[0].source
    theirs = delivery_id(source.type, headers)
    context, unread, reason = interpret(source.type, headers, body, now)
    return Arrival(
        source=source.name,
        type=source.type,
        digest=digest(source, theirs, body),
        body=body,
        headers=json.dumps(kept_headers(source.type, headers, source.header)),
        delivery_id=theirs,
        event=storable(context.event) if context else None,
        action=storable(context.action) if context else None,
        context=json.dumps(context.as_json()) if context else None,
        unread=unread,
        reason=storable(reason),
        agents=candidates(gates, context) if context else (),
    )


def interpret(type_: str, headers: Headers, body: bytes, now: float) -> tuple[Context | None, str | None, str | None]:
    """The event; or None, and what that is called in the store, and why it is so."""
    try:
        found = parse(type_, headers, body)
    except BadPayload as error:
        return None, "refused", error.message
    if isinstance(found, Ignored):
        return None, "ignored", found.reason
    return found.received(now), None, None


def candidates(gates: Iterable[Gate], context: Context) -> tuple[Candidate, ...]:
    """Each agent with a trigger on one of the sources, once, and whether one of its triggers matches."""
    triggers: dict[str, tuple[Agent, list[tuple[str, WebhookTrigger]]]] = {}
    for gate in gates:
        for agent, own in gate.agents:
            triggers.setdefault(agent.name, (agent, []))[1].extend((gate.source.type, trigger) for trigger in own)
    return tuple(_candidate(agent, own, context) for agent, own in triggers.values())


def digest(source: WebhookSource, theirs: str | None, body: bytes) -> bytes:
    """What tells this delivery from all others of all sources."""
    # With its length, so that no part of the head can be taken for a part of the body.
    head = json.dumps([source.name, theirs]).encode()
    hasher = hashlib.sha256(b"%d:%b" % (len(head), head))
    hasher.update(lasting_bytes(source.type, body))
    return hasher.digest()


def storable(value: str | None) -> str | None:
    """`value` so that a database takes it and a list can show it: no halves of surrogate pairs, no NUL, not endless."""
    if value is None or (len(value) <= MAX_TEXT and value.isprintable()):  # halves of pairs are not printable
        return value
    clean = value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    return clean if len(clean) <= MAX_TEXT else clean[:MAX_TEXT] + "…"


def _looks_signed(gate: Gate, headers: Headers) -> Rejected | None:
    return looks_signed(gate.source.type, headers, gate.source.header)


def _takes_unsigned(gate: Gate, headers: Headers) -> bool:
    # What is signed must be signed rightly, where that can be checked.
    return gate.source.allow_unsigned and not (gate.secrets and _looks_signed(gate, headers) is None)


def _candidate(agent: Agent, triggers: Iterable[tuple[str, WebhookTrigger]], context: Context) -> Candidate:
    if agent.scale == 0:
        return Candidate(agent=agent.name, decision="disabled", reason="the agent's scale is 0")
    misses = []
    for type_, trigger in triggers:
        miss = match(trigger.filters, type_, context)
        if miss is None:
            return Candidate(agent=agent.name, decision="matched", queue_limit=agent.work_queue_size)
        misses.append(_why(miss))
    reason = misses[0] if len(misses) == 1 else storable("; ".join(dict.fromkeys(misses)))
    return Candidate(agent=agent.name, decision="no-match", reason=reason, queue_limit=agent.work_queue_size)


@lru_cache(maxsize=256)
def _why(miss: Miss) -> str:
    """In words; deliveries of a kind miss the same filters by the same values."""
    return storable(str(miss)) or ""
