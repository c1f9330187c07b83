"""One call that is waited for: its connection, what is known about it, when to ask again."""

from __future__ import annotations

import _socket
import math
import time

from alvps.agent.commands import calls, replies
from alvps.agent.commands.answer import Answer, Cut
from alvps.agent.commands.failure import DONE, TIMED_OUT, UNREACHABLE, Failure, Lost, NotUnderstood, of_status
from alvps.agent.commands.gateway import CONNECT_SECONDS, PIECE, TOTAL_SECONDS, Gateway

MOST_WAIT = 300  # seconds; as long as the gateway lets an answer wait
FIRST_PAUSE = 0.05
LAST_PAUSE = 2.0
# A gateway that answers "running" at once, without waiting, is not asked more often than this.
CALM = 1.0
_PASSING = frozenset({429, 500, 502, 503, 504})


class Waiting:
    """`state` is the entry in the result; `over` when nothing more is asked; `wake` is when to look at it again."""

    __slots__ = (
        "_answer",
        "_asked",
        "_end",
        "_gateway",
        "_pause",
        "connection",
        "heard",
        "number",
        "over",
        "refused",
        "state",
        "trouble",
        "wake",
    )

    def __init__(self, there: Gateway, number: str, now: float, end: float) -> None:
        """`end` is when the gateway's "running" becomes the last word; a time of time.monotonic()."""
        self.number = number
        self.state: dict[str, object] = {"status": "running"}
        self.over = False
        self.heard = False  # the gateway has said something about this call
        self.refused = DONE  # the exit code of why it says nothing
        self.trouble: Failure | None = None  # what stood in the way the last time
        self.connection: _socket.socket | None = None
        self.wake = now
        self._gateway = there
        self._end = end
        self._answer = Answer()
        self._asked = now
        self._pause = FIRST_PAUSE

    def advance(self, now: float, last: float) -> None:
        """Ask, if it is time to; give up an answer that does not come."""
        if now < self.wake:
            return
        if self.connection is not None:
            reason = "no answer from the gateway in time"
            self._again(now, Lost(TIMED_OUT, reason, reason))
            return
        seconds = min(MOST_WAIT, max(0, math.ceil(self._end - now)))
        try:
            request = self._gateway.request("GET", f"{calls.path(self.number)}?wait={seconds}")
            self.connection = self._gateway.open(max(min(CONNECT_SECONDS, last - now), 0.001))
            self.connection.settimeout(max(min(TOTAL_SECONDS, last - time.monotonic()), 0.001))
            self.connection.sendall(request)
        except Failure as failure:
            self._again(time.monotonic(), failure)
        except OSError as error:
            self._again(time.monotonic(), _lost(error))
        else:
            # Poll may wake for bytes of TLS that are no data yet; then this is as long as the others wait.
            self.connection.settimeout(0.2)
            self._answer = Answer()
            self._asked = now
            self.wake = now + seconds + TOTAL_SECONDS

    def receive(self, now: float) -> None:
        """Read what has come."""
        assert self.connection is not None
        try:
            if self._answer.feed(self.connection.recv(PIECE)):
                self.close()
                self._settle(now)
        except TimeoutError:
            return
        except NotUnderstood as failure:
            self._refuse(failure)
        except (OSError, Cut) as error:
            self._again(now, _lost(error))

    def close(self) -> None:
        """End the connection, if there is one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _settle(self, now: float) -> None:
        code = of_status(self._answer.status)
        if code == DONE:
            self.state = calls.state(self._answer)
            self.heard, self.trouble = True, None
            if self.state["status"] != "running" or now >= self._end:
                self.over = True
            else:
                self._pause = FIRST_PAUSE
                self.wake = now if now - self._asked >= CALM else now + CALM
            return
        reason = replies.refusal(self._answer)
        failure = Failure(code, reason, f"{self.number}: {reason}")
        if self._answer.status in _PASSING:
            self._again(now, failure)
        else:
            self._refuse(failure)

    def _again(self, now: float, trouble: Failure) -> None:
        """Ask once more, after a pause that grows."""
        self.close()
        self.trouble = trouble
        self.wake = now + self._pause
        self._pause = min(self._pause * 2, LAST_PAUSE)

    def _refuse(self, failure: Failure) -> None:
        """The gateway will not tell, however often it is asked."""
        self.close()
        self.state = {"status": "error", "errorMessage": failure.reason}
        self.heard = self.over = True
        self.refused = failure.code


def _lost(error: Exception) -> Lost:
    reason = "the gateway ended the connection without an answer"
    return Lost(UNREACHABLE, reason, f"{reason}: {error}")
