"""What may a caller ask? Requests, checked field by field before anything happens.

A caller names a run, an agent and a prompt; everything else about a container comes from the live release.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Union

from alvps.frames import Message
from alvps.launcher import names
from alvps.launcher.names import RunKey
from alvps.launcher.refusal import Refused
from alvps.logs.page import COMPONENTS, CURSOR, MOST, Ask

MAX_GRACE = 3600.0
SECRET = re.compile(r"[A-Za-z0-9._~+/=-]{1,512}")  # what may stand behind "Bearer" in a header (RFC 6750)
_FIELDS = {
    "start": {"run", "attempt", "agent", "trigger", "release", "secret"},
    "stop": {"run", "grace"},
    "remove": {"run", "attempt"},
    "list": set[str](),
    "watch": set[str](),
    "ready": {"release"},
    "logs": {"agent", "run", "component", "cursor", "limit"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """`release`: the one the caller believes to be live; another one is refused. `secret`: the run's gateway token."""

    key: RunKey
    agent: str
    trigger: str
    release: str | None = None
    prompt: bytes = field(repr=False)
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """`grace`: seconds between SIGTERM and SIGKILL."""

    run: str
    grace: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Of an exited container."""

    key: RunKey


@dataclass(frozen=True, slots=True)
class List:
    """All runs."""


@dataclass(frozen=True, slots=True)
class Watch:
    """All runs, then what changes."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Is the live release startable?"""


Request = Union[Start, Stop, Remove, List, Watch, Ready, Ask]  # noqa: UP007 - evaluated at run time, by Python 3.10 too


def parse(message: Message, blob: bytes) -> Request:
    """The request in a frame. Raises Refused `bad-request` that names the field."""
    verb = message.get("verb")
    if not isinstance(verb, str) or verb not in _FIELDS:
        raise _bad(f"verb must be one of {', '.join(_FIELDS)}")
    if unknown := set(message) - _FIELDS[verb] - {"verb"}:
        raise _bad(f"{verb} knows no {', '.join(sorted(map(repr, unknown)))[:200]}")
    if verb == "start":
        return _start(message, blob)
    if blob:
        raise _bad(f"{verb} takes no blob")
    if verb == "stop":
        return Stop(run=_run(message), grace=_grace(message.get("grace", 10.0)))
    if verb == "remove":
        return Remove(key=_key(message))
    if verb == "logs":
        return _logs(message)
    if verb == "list":
        return List()
    return Watch() if verb == "watch" else Ready()


def _start(message: Message, blob: bytes) -> Start:
    try:
        blob.decode()
    except UnicodeDecodeError:
        raise _bad("the prompt is not UTF-8") from None
    agent, trigger, release = message.get("agent"), message.get("trigger"), message.get("release")
    if not names.is_agent(agent):
        raise _bad("agent is not an agent's name")
    if not isinstance(trigger, str) or not names.TRIGGER_KIND.fullmatch(trigger):
        raise _bad("trigger is not a kind of trigger")
    if release is not None and not isinstance(release, str):
        raise _bad("release is not text")
    secret = message.get("secret")
    if secret is not None and not (isinstance(secret, str) and SECRET.fullmatch(secret)):
        raise _bad("secret is not a token")
    return Start(key=_key(message), agent=agent, trigger=trigger, release=release, prompt=blob, secret=secret)


def _logs(message: Message) -> Ask:
    agent, component, cursor, limit = (message.get(name) for name in ("agent", "component", "cursor", "limit"))
    if agent is not None and not names.is_agent(agent):
        raise _bad("agent is not an agent's name")
    if component is not None and component not in COMPONENTS:
        raise _bad(f"component must be one of {', '.join(COMPONENTS)}")
    if cursor is not None and not (isinstance(cursor, str) and re.fullmatch(CURSOR, cursor)):
        raise Refused("bad-cursor", "cursor is not a cursor of the journal")
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST:
        raise _bad(f"limit is not a whole number from 1 to {MOST}")
    run = None if message.get("run") is None else _run(message)
    return Ask(agent=agent, run=run, component=component, cursor=cursor, limit=limit)


def _key(message: Message) -> RunKey:
    attempt = message.get("attempt")
    if not isinstance(attempt, int) or isinstance(attempt, bool) or not 1 <= attempt <= names.MAX_ATTEMPT:
        raise _bad(f"attempt is not a whole number from 1 to {names.MAX_ATTEMPT}")
    return RunKey(_run(message), attempt)


def _run(message: Message) -> str:
    run = message.get("run")
    if not isinstance(run, str) or not names.RUN_ID.fullmatch(run):
        raise _bad("run is not a run id (10 to 26 characters a-z, 0-9)")
    return run


def _grace(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _bad("grace is not a number of seconds")
    if not 0 <= value <= MAX_GRACE:
        raise _bad(f"grace is not from 0 to {MAX_GRACE:.0f} seconds")
    return float(value)


def _bad(what: str) -> Refused:
    return Refused("bad-request", what)
