"""What a scripted model does when it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, kw_only=True)
class Used:
    """Tokens: `input` is what was neither read from nor written to a cache."""

    input: int = 100
    output: int = 20
    cache_read: int = 0
    cache_write: int = 0

    @property
    def prompt(self) -> int:
        """All input, as OpenAI and Google count it."""
        return self.input + self.cache_read + self.cache_write


@dataclass(frozen=True)
class Call:
    """A tool call. `raw` stands for the arguments' JSON as it is sent, if they shall not be JSON."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    raw: str | None = None


@dataclass(frozen=True)
class Say:
    """A whole answer: text, tool calls, or both; nothing at all is an empty answer."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    thinking: str = ""
    ending: Literal["natural", "length", "refusal"] = "natural"
    used: Used = field(default_factory=Used)
    delay: float = 0.0  # seconds before the answer begins


@dataclass(frozen=True)
class Refuse:
    """An HTTP error, its body in the form of the API that was asked."""

    status: int
    message: str = "scripted"
    headers: dict[str, str] = field(default_factory=dict)
    code: str | None = None  # the API's own word for it; derived from the status if not given
    delay: float = 0.0


@dataclass(frozen=True)
class Cut:
    """An answer that breaks off in the middle: the connection is lost, or it ends as if nothing were missing."""

    text: str = "half of a sent"
    how: Literal["connection", "quietly"] = "connection"
    used: Used = field(default_factory=Used)
    delay: float = 0.0


@dataclass(frozen=True)
class Malformed:
    """An answer with status 200 that is no JSON."""

    delay: float = 0.0


@dataclass(frozen=True)
class StreamError:
    """An error inside a stream that began with status 200."""

    kind: str = "overloaded_error"
    message: str = "scripted"
    delay: float = 0.0


Step: TypeAlias = "Say | Refuse | Cut | Malformed | StreamError"


def call(name: str, **arguments: Any) -> Say:
    """An answer that calls one tool."""
    return Say(calls=(Call(name, arguments),))
