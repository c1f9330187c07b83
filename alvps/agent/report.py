"""What the gateway is told by the entry itself: the run's return value, and why the run failed.

Imported only when there is something to tell. The programs that the agent calls have told most of it before; this is
for the value that they wrote to its file while the gateway was away, and for what no program of the agent's knows.
"""

from __future__ import annotations

import _thread
import json

from alvps.agent.commands.failure import Failure
from alvps.agent.commands.gateway import Gateway

SECONDS = 3.0


def tell(socket: str, token: str, path: str, document: dict[str, object], seconds: float = SECONDS) -> str | None:
    """POST the document; why that did not work, or None. Takes no longer than `seconds`."""
    why: list[str | None] = []
    done = _thread.allocate_lock()
    done.acquire()

    def ask() -> None:
        try:
            why.append(_ask(socket, token, path, document))
        except Failure as failure:
            why.append(failure.reason)
        finally:
            done.release()

    _thread.start_new_thread(ask, ())
    if not done.acquire(timeout=seconds):
        return f"no answer within {seconds:.0f} s"
    return why[0] if why else "it could not be asked"


def _ask(socket: str, token: str, path: str, document: dict[str, object]) -> str | None:
    answer = Gateway(socket, "", token).ask("POST", path, json.dumps(document, ensure_ascii=False))
    return None if answer.status == 200 else f"it answered {answer.status}"
