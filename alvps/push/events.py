"""What a push tells whoever watches it, as it happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from alvps.errors import Problem


@dataclass(frozen=True, slots=True)
class Step:
    """A step has begun; `name` as the host calls it, `facts` what is known about it.

    As text it is what a person is told, empty for the small steps that only error messages name.
    """

    name: str
    facts: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return _STEPS.get(self.name, "").format_map(_Blank(self.facts))


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know that belongs to no step."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Warned:
    """Something in the project that may not work."""

    problem: Problem

    def __str__(self) -> str:
        return str(self.problem)


@dataclass(frozen=True, slots=True)
class Output:
    """A line that a program on the host printed; `source` is "pip", "bootstrap", or what is being built."""

    source: str
    text: str

    def __str__(self) -> str:
        return f"{self.source}: {self.text}"


@dataclass(frozen=True, slots=True)
class Transfer:
    """Of the files' `total` bytes, `done` were sent."""

    done: int
    total: int

    def __str__(self) -> str:
        return f"sent {self.done} of {self.total} bytes"


Event: TypeAlias = Step | Note | Warned | Output | Transfer

_STEPS = {
    "connect": "connecting to {host}",
    "scan": "reading the project",
    "compare": "comparing with the host",
    "bootstrap": "preparing the host",
    "transfer": "sending {files} files, {bytes} bytes",
    "code": "installing alvps {version}",
    "venv": "installing its dependencies",
    "assemble": "putting the release together",
    "images": "looking at the images",
    "image": "building the image of {image}",
    "store": "writing the release",
    "credentials": "storing the credentials",
    "switch": "switching",
    "verify": "waiting for it to be ready",
    "go back": "it is not ready: going back",
    "resolve": "deciding what an interrupted push left open",
}


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""
