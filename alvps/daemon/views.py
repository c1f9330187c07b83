"""What the daemon shows of its things, as JSON: the shapes that its answers have, and that the API's document says.

Keys are what scripts rely on. A field that knows nothing is null, and never left out.
"""

from __future__ import annotations

from typing import Any, Literal, NewType, TypedDict

# ISO 8601 in UTC with Z and whole seconds, as `status.iso` makes it: "2026-11-23T07:00:00Z".
Time = NewType("Time", str)

# The same with microseconds: "2026-11-23T07:00:00.123456Z".
Instant = NewType("Instant", str)

State = Literal["queued", "starting", "running", "completed", "rerun", "failed", "timed-out", "killed", "lost"]
TriggerName = Literal["schedule", "manual", "webhook", "agent"]


class _Problem(TypedDict):
    error: str


class Problem(_Problem, total=False):
    """What is wrong, and what to do about it."""

    hint: str


class Alive(TypedDict):
    """Somebody is at home."""

    status: Literal["ok"]


class Usage(TypedDict):
    """What a run used; cost in USD, null if the model has no known prices."""

    model: str | None
    requests: int
    inputTokens: int
    outputTokens: int
    cacheReadTokens: int
    cacheWriteTokens: int
    toolCalls: int
    cost: float | None


class Run(TypedDict):
    """A run. `reason` is the daemon's word on its state, `status` and `fault` are its own words."""

    run: str
    agent: str
    trigger: TriggerName
    state: State
    attempt: int
    queued: Time
    started: Time | None
    finished: Time | None
    exit_code: int | None
    reason: str | None
    nominal: Time | None
    release: str | None
    rerun_of: str | None
    depth: int
    call: str | None
    delivery: str | None
    status: str | None
    fault: str | None


class RunWithUsage(Run):
    """A run and what it used; null while it has not said."""

    usage: Usage | None


class Lock(TypedDict):
    """A lock that a run holds. `token` only rises: of two holders the later one has the greater."""

    resourceKey: str
    token: int
    heldSince: Time
    expiresAt: Time


class HeldLock(Lock):
    """A lock, and who holds it."""

    agent: str
    run: str


class Today(TypedDict):
    """What an agent used since 00:00 UTC; cost in USD."""

    runs: int
    requests: int
    tokens: int
    cost: float


class LastRun(TypedDict):
    """The run of an agent that finished last."""

    run: str
    state: State
    result: str | None
    exit_code: int | None
    finished: Time | None


class LastTick(TypedDict):
    """The last instants of a schedule that were decided: `count` of them, from `first` to `nominal`, or even more."""

    nominal: Time
    first: Time
    count: int
    more: bool
    decision: str
    reason: str | None
    run: str | None


class Agent(TypedDict):
    """An agent of the live release. `waits` says why nothing of it starts at present."""

    name: str
    schedule: str | None
    timezone: str
    webhooks: list[str]
    next: Time | None
    paused: bool
    scale: int
    running: int
    queued: int
    waits: str | None
    today: Today
    last: LastRun | None
    last_tick: LastTick | None


class Status(TypedDict):
    """Everything that `al status` shows. `runs` are those that wait or are under way."""

    project: str
    release: str
    version: str
    started: Time
    now: Time
    paused: bool
    warnings: list[str]
    agents: list[Agent]
    runs: list[Run]


class Cause(TypedDict):
    """Something that was decided about an agent. `what` is an instant, a trigger, or a source and its event."""

    at: Time
    kind: Literal["tick", "run", "delivery"]
    what: str
    decision: str
    reason: str | None
    run: str | None


class Why(TypedDict):
    """Why nothing of an agent starts at present (or null), and the last decisions about it, the newest first."""

    agent: str
    waits: str | None
    decisions: list[Cause]


class Delivery(TypedDict):
    """A webhook delivery. `delivery_id` is its sender's, `times` is how often it came."""

    delivery: str
    source: str
    type: str
    delivery_id: str | None
    event: str | None
    action: str | None
    decision: str
    reason: str | None
    matched: int
    skipped: int
    times: int
    received: Time


class Decision(TypedDict):
    """What was decided about a delivery for one agent; `replay` is 0 for the delivery itself."""

    agent: str
    decision: str
    reason: str | None
    run: str | None
    replay: int
    decided: Time


class Outcome(Decision):
    """A decision, and the state of its run; null if there is none, or it is forgotten."""

    state: State | None


class WholeDelivery(Delivery):
    """Everything about a delivery. `context` is what agents are told of it; the body is text, or base64 of bytes."""

    headers: list[list[str]]
    encoding: Literal["utf-8", "base64"]
    body: str
    context: dict[str, Any] | None
    agents: list[Outcome]


class Replay(TypedDict):
    """A delivery that was decided anew, and the runs that were queued for it."""

    delivery: str
    runs: list[str]
    agents: list[Decision]


class LogLine(TypedDict):
    """A line of the log. `priority` is syslog's, 0 to 7; `fields` are those of a structured line."""

    time: Instant
    component: str
    agent: str | None
    run: str | None
    trigger: str | None
    priority: int
    text: str
    fields: dict[str, Any]
    cursor: str


class LogPage(TypedDict):
    """Lines of the log, the oldest first. The next page begins after `cursor`; `more`: there is one already."""

    lines: list[LogLine]
    cursor: str | None
    more: bool
