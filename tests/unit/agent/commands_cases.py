"""Every command with arguments that it accepts, the request that it makes, and the answer that it hopes for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.fake_gateway import Reply, Request

STATUSES = {
    200: 0,
    201: 7,
    204: 7,
    301: 7,
    400: 4,
    401: 3,
    403: 3,
    404: 2,
    409: 1,
    413: 4,
    418: 7,
    500: 12,
    502: 10,
    503: 5,
    504: 11,
}


@dataclass(frozen=True, slots=True)
class Case:
    """A command as it is called, and its request. `document` is the answer of a success."""

    arguments: tuple[str, ...]
    method: str
    target: str
    body: dict[str, Any] | None
    document: dict[str, Any]
    signal: str = ""  # the file in AL_SIGNAL_DIR
    without: int = 5  # the exit code where there is no gateway


_OK = {"ok": True}
_STATE = {"status": "completed", "returnValue": "done"}
_CALL = Case(("rev", "look"), "POST", "/calls", {"targetAgent": "rev", "context": "look"}, {"ok": True, "callId": "c1"})
_CHECK = Case(("c1",), "GET", "/calls/c1", None, _STATE)
_WAIT = Case(("c1", "--timeout", "1"), "GET", "/calls/c1?wait=1", None, _STATE)
_KEY = {"resourceKey": "a/b#1"}
_LOCK = {"ok": True, "resourceKey": "a/b#1", "token": 7, "expiresAt": "2030-01-01T00:00:00Z"}

CASES = {
    "al-rerun": Case((), "POST", "/signals/rerun", {}, _OK, "rerun", 0),
    "al-status": Case(("half", "done"), "POST", "/signals/status", {"text": "half done"}, _OK, "status", 0),
    "al-return": Case(("a value",), "POST", "/signals/return", {"value": "a value"}, _OK, "return", 0),
    "al-call": _CALL,
    "al-check": _CHECK,
    "al-wait": _WAIT,
    "al-subagent": _CALL,
    "al-subagent-check": _CHECK,
    "al-subagent-wait": _WAIT,
    "rlock": Case(("a/b#1",), "POST", "/locks/acquire", _KEY, _LOCK),
    "runlock": Case(("a/b#1",), "POST", "/locks/release", _KEY, _OK),
    "rlock-heartbeat": Case(("a/b#1",), "POST", "/locks/heartbeat", _KEY, {"ok": True, "expiresAt": "2030"}),
    "al-shutdown": Case(("enough",), "POST", "/shutdown", {"reason": "enough"}, {"killed": True}),
}
WAITING = ("al-wait", "al-subagent-wait")


def hoped(request: Request) -> Reply:
    """A gateway that says yes to everything."""
    found = next(case for case in CASES.values() if case.target.partition("?")[0] == request.path)
    return Reply(body=found.document)
