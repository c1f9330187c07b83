"""What can go wrong between a client and a provider; a test switches it on for a method and a path."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Say:
    """This answer, and nothing is done. body: as JSON; bytes as they are."""

    status: int
    body: dict[str, Any] | bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """The connection ends without an answer, `before` the request is looked at or `after` it was done."""

    when: Literal["before", "after"]


@dataclass(frozen=True)
class Late:
    """The answer comes after that many seconds."""

    seconds: float


@dataclass(frozen=True)
class Hold:
    """Waits until a test lets it go, `before` the request is looked at or `after` it was done."""

    when: Literal["before", "after"]
    arrived: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def wait(self, timeout: float = 30.0) -> None:
        """Until a request is held. Raises TimeoutError."""
        if not self.arrived.wait(timeout):
            raise TimeoutError(f"no request came within {timeout} s")

    def stop(self) -> None:
        """Called with the request: says that it is here, and waits."""
        self.arrived.set()
        self.released.wait(120)


Fault = Say | Cut | Late | Hold


@dataclass
class Rule:
    """A fault for requests. path: a regular expression of the whole path. left: how often, None for ever."""

    method: str
    path: str
    fault: Fault
    left: int | None

    def takes(self, method: str, path: str) -> bool:
        """Whether it applies, counted."""
        if self.left == 0 or method != self.method or not re.fullmatch(self.path, path):
            return False
        if self.left is not None:
            self.left -= 1
        return True
