"""What the routes of the containers' API do: fields in, one order to the daemon, its answer out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict

from alvps.daemon import views
from alvps.daemon.calls import CallRefused, Deadlock
from alvps.daemon.inside import Inside
from alvps.daemon.status import iso, lock_of
from alvps.gateway.fields import Amount, Count, Key, Text, Whole, line
from alvps.gateway.routes import Absent, Conflict
from alvps.store import usage
from alvps.store.calls import COMPLETED, ERROR
from alvps.store.locks import Busy, Lock, Missing, Taken
from alvps.store.runs import Run

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


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: whose it is."""

    inside: Inside
    run: Run


class Done(TypedDict):
    """It is in the store."""

    ok: Literal[True]


class LockBody(TypedDict):
    """Which lock, and for how many seconds from now; null: the project's `lockTimeout`."""

    resourceKey: Annotated[str, Key(MAX_KEY)]
    ttl: Annotated[int | None, Whole(1, MAX_TTL)]


class ReleaseBody(TypedDict):
    """Which lock."""

    resourceKey: Annotated[str, Key(MAX_KEY)]


class Acquired(Done, views.Lock):
    """The lock, which the run that asks has now."""


class Prolonged(Done):
    """Until when the lock lasts."""

    expiresAt: views.Time


class HeldByAnother(TypedDict):
    """Another agent has the lock."""

    ok: Literal[False]
    holder: str
    heldSince: views.Time


class Refused(TypedDict):
    """No, and why."""

    ok: Literal[False]
    reason: str


class OwnLocks(TypedDict):
    """The locks of the run that asks: one, or none."""

    locks: list[views.Lock]


class CallBody(TypedDict):
    """Whom to call, and what to tell him."""

    targetAgent: Annotated[str, Text(MAX_KEY)]
    context: Annotated[str | None, Text(MAX_VALUE)]


class Called(Done):
    """The call that was made."""

    callId: str


class CallQuery(TypedDict):
    """How many seconds to wait for the answer."""

    wait: Annotated[int, Count(0, MAX_WAIT)]


class CallCompleted(TypedDict):
    """The answer; null if the agent gave none."""

    status: Literal["completed"]
    returnValue: str | None


class CallFailed(TypedDict):
    """Why there is no answer."""

    status: Literal["error"]
    errorMessage: str | None


class CallDeadlocked(CallFailed):
    """Why there can be no answer: those who wait for each other."""

    deadlock: Literal[True]


class CallRunning(TypedDict):
    """Not yet."""

    status: Literal["running"]


class StatusBody(TypedDict):
    """How the run gets on, for people; made one line."""

    text: Annotated[str, Text(MAX_STATUS)]


class ReturnBody(TypedDict):
    """The answer for whoever called."""

    value: Annotated[str, Text(MAX_VALUE)]


class UsageBody(TypedDict):
    """Sums of the run so far; cost in USD."""

    model: Annotated[str | None, Text(MAX_KEY)]
    requests: Annotated[int | None, Whole(0, MAX_COUNT)]
    inputTokens: Annotated[int | None, Whole(0, MAX_COUNT)]
    outputTokens: Annotated[int | None, Whole(0, MAX_COUNT)]
    cacheReadTokens: Annotated[int | None, Whole(0, MAX_COUNT)]
    cacheWriteTokens: Annotated[int | None, Whole(0, MAX_COUNT)]
    toolCalls: Annotated[int | None, Whole(0, MAX_COUNT)]
    cost: Annotated[float | None, Amount(MAX_COST)]


class ReportBody(TypedDict):
    """What the run used, and why it is about to fail."""

    usage: UsageBody | None
    reason: Annotated[str | None, Text(MAX_VALUE)]


class ShutdownBody(TypedDict):
    """Why."""

    reason: Annotated[str | None, Text(MAX_VALUE)]


class Killed(TypedDict):
    """The run is being stopped."""

    killed: Literal[True]


async def health(_ask: Ask) -> views.Alive:
    """Whether the daemon is there."""
    return {"status": "ok"}


async def acquire(ask: Ask, body: LockBody) -> Acquired | Conflict[HeldByAnother | Refused]:
    """Take a lock, or have the one that the run holds last on. A run holds one at a time."""
    found = await ask.inside.locks.acquire(ask.run, body["resourceKey"], body["ttl"])
    if isinstance(found, Taken):
        return Conflict({"ok": False, "holder": found.lock.agent, "heldSince": iso(found.lock.since)})
    if isinstance(found, Busy):
        return Conflict({"ok": False, "reason": f"already holding lock on {found.lock.key}"})
    return {"ok": True, **lock_of(found)}


async def release(ask: Ask, body: ReleaseBody) -> Done | Absent[Refused] | Conflict[Refused]:
    """Give a lock back."""
    found = await ask.inside.locks.release(ask.run, body["resourceKey"])
    return {"ok": True} if isinstance(found, Lock) else _not_mine(found)


async def heartbeat(ask: Ask, body: LockBody) -> Prolonged | Absent[Refused] | Conflict[Refused]:
    """Have a lock last on."""
    found = await ask.inside.locks.prolong(ask.run, body["resourceKey"], body["ttl"])
    return {"ok": True, "expiresAt": iso(found.until)} if isinstance(found, Lock) else _not_mine(found)


async def own_locks(ask: Ask) -> OwnLocks:
    """The locks of the run that asks."""
    return {"locks": [lock_of(lock) for lock in await ask.inside.locks.held(ask.run.run)]}


async def call(ask: Ask, body: CallBody) -> Called | Conflict[Refused]:
    """Have another agent work."""
    try:
        made = await ask.inside.calls.call(ask.run, body["targetAgent"], body["context"] or "")
    except CallRefused as error:
        return Conflict({"ok": False, "reason": error.message})
    return {"ok": True, "callId": made}


async def check(ask: Ask, call: str, query: CallQuery) -> CallCompleted | CallFailed | CallDeadlocked | CallRunning:
    """How a call of the run stands; with `wait`, as soon as it has an answer, or after so many seconds."""
    try:
        found = await ask.inside.calls.check(ask.run, call, query["wait"])
    except Deadlock as error:
        return {"status": "error", "errorMessage": error.message, "deadlock": True}
    if found.state == COMPLETED:
        return {"status": "completed", "returnValue": found.value}
    if found.state == ERROR:
        return {"status": "error", "errorMessage": found.error}
    return {"status": "running"}


async def rerun(ask: Ask) -> Done:
    """Note that the run wants to run again."""
    await ask.inside.signals.rerun(ask.run)
    return {"ok": True}


async def status(ask: Ask, body: StatusBody) -> Done:
    """Keep the run's own words about how it gets on."""
    await ask.inside.signals.status(ask.run, line(body["text"], MAX_STATUS))
    return {"ok": True}


async def give_back(ask: Ask, body: ReturnBody) -> Done:
    """Keep what the run gives back to its caller."""
    await ask.inside.signals.give_back(ask.run, body["value"])
    return {"ok": True}


async def report(ask: Ask, body: ReportBody) -> Done:
    """Keep what the run used so far, and why it fails."""
    used = None if body["usage"] is None else _usage(body["usage"])
    await ask.inside.signals.report(ask.run, used, _fault(body["reason"]))
    return {"ok": True}


async def shutdown(ask: Ask, body: ShutdownBody) -> Killed:
    """Stop the run that asks."""
    await ask.inside.signals.shutdown(ask.run, _fault(body["reason"]))
    return {"killed": True}


def _fault(reason: str | None) -> str | None:
    return None if reason is None else line(reason, MAX_FAULT)


def _not_mine(found: Taken | Missing) -> Absent[Refused] | Conflict[Refused]:
    if isinstance(found, Missing):
        return Absent({"ok": False, "reason": "lock not found"})
    return Conflict({"ok": False, "reason": f"held by {found.lock.agent}"})


def _usage(sent: UsageBody) -> usage.Usage:
    return usage.Usage(
        model=None if sent["model"] is None else line(sent["model"], MAX_KEY),
        requests=sent["requests"] or 0,
        input_tokens=sent["inputTokens"] or 0,
        output_tokens=sent["outputTokens"] or 0,
        cache_read_tokens=sent["cacheReadTokens"] or 0,
        cache_write_tokens=sent["cacheWriteTokens"] or 0,
        tool_calls=sent["toolCalls"] or 0,
        cost=None if sent["cost"] is None else round(sent["cost"] * MICRO),
    )
