"""What an answer of a service says about a credential. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

_CODE = re.compile(r"[a-z_ ]{1,40}")  # what a word looks like that is repeated from an answer


@dataclass(frozen=True, slots=True)
class Verdict:
    """`state` is "unknown" when the answer says nothing about the credential. `reason` is a few words."""

    state: Literal["valid", "refused", "unknown"]
    reason: str = ""


# A service's own way to answer: (status, what the body is as JSON) to a verdict, or None for the general meaning.
Reader: TypeAlias = Callable[[int, Any], "Verdict | None"]

VALID = Verdict("valid")


def refused(code: str) -> Verdict:
    """Refused, with the service's own word for it if it is a word."""
    return Verdict("refused", code if _CODE.fullmatch(code) else "")


def unclear(reason: str) -> Verdict:
    """An answer about something else."""
    return Verdict("unknown", reason)


def has(answer: Any, *path: str) -> bool:
    """Whether there is something at the end of the path of names."""
    for name in path:
        if not isinstance(answer, dict):
            return False
        answer = answer.get(name)
    return answer is not None


def judge(status: int, body: bytes, read: Reader) -> Verdict:
    """The verdict of an answer: the service's own reading first, then what its status means anywhere."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        verdict = None
    else:
        verdict = read(status, answer)
    if verdict is not None:
        return verdict
    if status in {401, 403}:
        return Verdict("refused", f"HTTP {status}")
    if 300 <= status < 400:
        return unclear(f"it answered with a redirect (HTTP {status}), which is not followed")
    if 200 <= status < 300:
        return unclear("what answered is not its API; is there a proxy or a sign-in page between?")
    return unclear(f"it answered with HTTP {status}")
