"""From the gateway's answer to a command's exit code and its line on standard output."""

from __future__ import annotations

from alvps.agent.commands import tiny_json
from alvps.agent.commands.answer import Answer
from alvps.agent.commands.failure import DONE, NotUnderstood, of_status

TYPE_CHECKING = False
if TYPE_CHECKING:  # not from typing, whose import costs more than all of this
    from collections.abc import Callable

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


def settle(answer: Answer, good: Callable[[dict[str, object]], bool]) -> tuple[int, bytes]:
    """The exit code and the line: the gateway's own document where it is one that this command documents.

    `good` tells whether a document is the one that a success has. Raises NotUnderstood for a success without.
    """
    code = of_status(answer.status)
    if code == DONE:
        document(answer, good)
        return code, _line(answer)
    found = _parsed(answer)
    if found.get("ok") is False and any(isinstance(found.get(name), str) for name in ("reason", "holder")):
        return code, _line(answer)
    return code, failure(refusal(answer))


def document(answer: Answer, good: Callable[[dict[str, object]], bool]) -> dict[str, object]:
    """The document of a success. Raises NotUnderstood."""
    try:
        found = tiny_json.decode(bytes(answer.body))
    except ValueError:
        raise NotUnderstood("it is not a JSON object") from None
    if not good(found):
        raise NotUnderstood("it lacks what a success says")
    return found


def refusal(answer: Answer) -> str:
    """Why the gateway refused, in its own words if it has any."""
    found = _parsed(answer)
    said = found.get("reason") or found.get("error")
    return said if isinstance(said, str) else f"the gateway answered with HTTP status {answer.status}"


def _parsed(answer: Answer) -> dict[str, object]:
    try:
        return tiny_json.decode(bytes(answer.body))
    except ValueError:
        return {}  # a page of a proxy; the status says enough


def _line(answer: Answer) -> bytes:
    """The document as it came, on one line: in JSON, line breaks are only ever between values."""
    return bytes(answer.body).translate(_ONE_LINE).strip()


def failure(reason: str) -> bytes:
    """The line of every failure."""
    return tiny_json.to_bytes(tiny_json.encode({"ok": False, "reason": reason}))


def is_ok(found: dict[str, object]) -> bool:
    """The document says that it was done."""
    return found.get("ok") is True
