"""What the routes of the containers' API do: fields in, one order to the daemon, its answer as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sanic import Request
from sanic.response import HTTPResponse

from alvps.daemon.calls import CallRefused, Deadlock
from alvps.daemon.inside import Inside
from alvps.daemon.status import iso
from alvps.gateway.answers import BadRequest, TooLarge, answer
from alvps.gateway.fields import amount, line, needed, number, only, text, whole
from alvps.store.calls import COMPLETED, ERROR
from alvps.store.locks import Busy, Lock, Missing, Taken
from alvps.store.runs import Run
from alvps.store.usage import Usage

MAX_VALUE = 1 << 20  # bytes of UTF-8
MAX_KEY = 1024  # bytes of UTF-8
MAX_STATUS = 4 << 10  # bytes of UTF-8
MAX_FAULT = 2 << 10  # bytes of UTF-8; a longer one is cut
MAX_TTL = 86_400  # seconds
MAX_WAIT = 300  # seconds
MAX_COUNT = 1 << 53  # what JSON numbers are sure to keep
MAX_COST = 1_000_000.0  # USD
MICRO = 1_000_000
NOBODY = Run(run="", agent="", trigger="", state="", queued=0)

COUNTS = {
    "requests": "requests",
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "cacheReadTokens": "cache_read_tokens",
    "cacheWriteTokens": "cache_write_tokens",
    "toolCalls": "tool_calls",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: whose it is, its body, and the names in its path."""

    inside: Inside
    run: Run
    body: Mapping[str, Any]
    names: Mapping[str, str]
    request: Request


async def acquire(ask: Ask) -> HTTPResponse:
    """Take a lock."""
    only(ask.body, ("resourceKey", "ttl"))
    key = _key(ask.body)
    found = await ask.inside.locks.acquire(ask.run, key, _ttl(ask.body))
    if isinstance(found, Taken):
        return answer({"ok": False, "holder": found.lock.agent, "heldSince": iso(found.lock.since)}, 409)
    if isinstance(found, Busy):
        return answer({"ok": False, "reason": f"already holding lock on {found.lock.key}"}, 409)
    return answer({"ok": True, **_lock(found)})


async def release(ask: Ask) -> HTTPResponse:
    """Give a lock back."""
    only(ask.body, ("resourceKey",))
    found = await ask.inside.locks.release(ask.run, _key(ask.body))
    return answer({"ok": True}) if isinstance(found, Lock) else _not_mine(found)


async def heartbeat(ask: Ask) -> HTTPResponse:
    """Have a lock last on."""
    only(ask.body, ("resourceKey", "ttl"))
    found = await ask.inside.locks.prolong(ask.run, _key(ask.body), _ttl(ask.body))
    return answer({"ok": True, "expiresAt": iso(found.until)}) if isinstance(found, Lock) else _not_mine(found)


async def own_locks(ask: Ask) -> HTTPResponse:
    """The locks of the run that asks."""
    return answer({"locks": [_lock(lock) for lock in await ask.inside.locks.held(ask.run.run)]})


async def call(ask: Ask) -> HTTPResponse:
    """Have another agent work."""
    only(ask.body, ("targetAgent", "context"))
    target = text(needed(ask.body, "targetAgent"), "targetAgent", MAX_KEY)
    context = ask.body.get("context")
    words = "" if context is None else text(context, "context", MAX_VALUE)
    try:
        made = await ask.inside.calls.call(ask.run, target, words)
    except CallRefused as error:
        return answer({"ok": False, "reason": error.message}, 409)
    return answer({"ok": True, "callId": made})


async def check(ask: Ask) -> HTTPResponse:
    """How a call stands, or how it stands once it has ended."""
    wait = number(ask.request, "wait", 0, MAX_WAIT)
    try:
        found = await ask.inside.calls.check(ask.run, ask.names["call"], wait)
    except Deadlock as error:
        return answer({"status": ERROR, "errorMessage": error.message, "deadlock": True})
    if found.state == COMPLETED:
        return answer({"status": COMPLETED, "returnValue": found.value})
    if found.state == ERROR:
        return answer({"status": ERROR, "errorMessage": found.error})
    return answer({"status": "running"})


async def rerun(ask: Ask) -> HTTPResponse:
    """Note that the run wants to run again."""
    only(ask.body, ())
    await ask.inside.signals.rerun(ask.run)
    return answer({"ok": True})


async def status(ask: Ask) -> HTTPResponse:
    """Keep the run's own words about how it gets on."""
    only(ask.body, ("text",))
    words = text(needed(ask.body, "text"), "text", MAX_STATUS)
    await ask.inside.signals.status(ask.run, line(words, MAX_STATUS))
    return answer({"ok": True})


async def give_back(ask: Ask) -> HTTPResponse:
    """Keep what the run gives back to its caller."""
    only(ask.body, ("value",))
    await ask.inside.signals.give_back(ask.run, text(needed(ask.body, "value"), "value", MAX_VALUE))
    return answer({"ok": True})


async def report(ask: Ask) -> HTTPResponse:
    """Keep what the run used so far, and why it fails."""
    only(ask.body, ("usage", "reason"))
    usage, reason = ask.body.get("usage"), ask.body.get("reason")
    fault = None if reason is None else line(text(reason, "reason", MAX_VALUE), MAX_FAULT)
    await ask.inside.signals.report(ask.run, None if usage is None else _usage(usage), fault)
    return answer({"ok": True})


async def shutdown(ask: Ask) -> HTTPResponse:
    """Stop the run that asks."""
    only(ask.body, ("reason",))
    reason = ask.body.get("reason")
    words = None if reason is None else line(text(reason, "reason", MAX_VALUE), MAX_FAULT)
    await ask.inside.signals.shutdown(ask.run, words)
    return answer({"killed": True})


def _key(body: Mapping[str, Any]) -> str:
    try:
        key = text(needed(body, "resourceKey"), "resourceKey", MAX_KEY)
    except TooLarge as error:
        raise BadRequest(error.message) from error
    if not key or "\0" in key:
        raise BadRequest("the field 'resourceKey' must have 1 to 1024 bytes, none of them NUL")
    return key


def _ttl(body: Mapping[str, Any]) -> int | None:
    value = body.get("ttl")
    return None if value is None else whole(value, "ttl", 1, MAX_TTL)


def _lock(lock: Lock) -> dict[str, Any]:
    return {
        "resourceKey": lock.key,
        "token": lock.token,
        "heldSince": iso(lock.since),
        "expiresAt": iso(lock.until),
    }


def _not_mine(found: Taken | Missing) -> HTTPResponse:
    if isinstance(found, Missing):
        return answer({"ok": False, "reason": "lock not found"}, 404)
    return answer({"ok": False, "reason": f"held by {found.lock.agent}"}, 409)


def _usage(value: object) -> Usage:
    if not isinstance(value, dict):
        raise BadRequest("the field 'usage' must be an object")
    only(value, ("model", *COUNTS, "cost"))
    model, cost = value.get("model"), value.get("cost")
    counts = {
        field: whole(value[name], name, 0, MAX_COUNT) for name, field in COUNTS.items() if value.get(name) is not None
    }
    return Usage(
        model=None if model is None else line(text(model, "model", MAX_KEY), MAX_KEY),
        cost=None if cost is None else round(amount(cost, "cost", MAX_COST) * MICRO),
        **counts,
    )
