"""How a command ends: its exit codes, and the exceptions that carry one."""

from __future__ import annotations

DONE = 0
CONFLICT = 1
NOT_FOUND = 2
FORBIDDEN = 3
REFUSED = 4  # what was sent is wrong or too long
UNAVAILABLE = 5  # or: this run has no gateway
UNREACHABLE = 6
OTHER = 7
TIMED_OUT = 8
USAGE = 9
_BY_STATUS = {
    200: DONE,
    400: REFUSED,
    401: FORBIDDEN,
    403: FORBIDDEN,
    404: NOT_FOUND,
    409: CONFLICT,
    413: REFUSED,
    500: 12,
    502: 10,
    503: UNAVAILABLE,
    504: 11,
}


def of_status(status: int) -> int:
    """The exit code for an HTTP status."""
    return _BY_STATUS.get(status, OTHER)


class Failure(Exception):
    """Ends the command with `code`. `reason` goes into the JSON on standard output, `note` onto standard error."""

    def __init__(self, code: int, reason: str, note: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.note = note


class Unreachable(Failure):
    """There is no connection, and nothing was sent. `why` is for a person."""

    def __init__(self, why: str) -> None:
        super().__init__(UNREACHABLE, "gateway unreachable", f"the gateway cannot be reached: {why}; nothing was sent")


class Lost(Failure):
    """Something was sent, and no whole answer came: cut off (6), or not in time (8)."""


class NotUnderstood(Failure):
    """The answer is none that the gateway gives; `why` says what is wrong with it."""

    def __init__(self, why: str) -> None:
        reason = f"the gateway's answer was not understood: {why}"
        super().__init__(OTHER, reason, reason)
