"""Has the run no right to do its work? Three failures of that kind end it, before a model tries for an hour.

The texts are those that the Node system looks for (reference, section 4.4); they are found in any case.
"""

from __future__ import annotations

from alvps.agent.session.discreet import Discreet

LIMIT = 3
SIGNS = (
    "permission denied",
    "could not read from remote repository",
    "resource not accessible by personal access token",
    "bad credentials",
    "authentication failed",
    "requested url returned error: 403",
    "denied to ",
)


class Denials:
    """Counts the failed commands of a run whose output shows one of SIGNS."""

    __slots__ = ("_discreet", "count")

    def __init__(self, discreet: Discreet) -> None:
        self.count = 0
        self._discreet = discreet

    def failed(self, command: str, output: str) -> str | None:
        """Take a failed command; the reason to end the run once there have been LIMIT of them."""
        low = output.lower()
        sign = next((sign for sign in SIGNS if sign in low), None)
        if sign is None:
            return None
        self.count += 1
        if self.count < LIMIT:
            return None
        line = next(line.strip() for line in output.splitlines() if sign in line.lower())
        short = self._discreet.hide(" ".join(command.split()))[:120]
        shown = self._discreet.hide(line)[:200]
        return f"{LIMIT} commands failed for lack of permission or login, the last was {short!r}: {shown}"
