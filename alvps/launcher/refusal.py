"""Why was a request not done? One exception with the code that goes over the wire."""

from __future__ import annotations

from typing import Literal

from alvps.errors import AlError

Code = Literal[
    "unknown-agent",
    "wrong-release",
    "image-missing",
    "credential-missing",
    "docker-down",
    "docker-error",
    "bad-request",
    "not-found",
    "busy-name",
    "conflict",
    "bad-cursor",
    "journal",
    "internal",
]


class Refused(AlError):
    """A request that was not done. `retry`: the same request may work later, without anybody changing anything."""

    def __init__(self, code: Code, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.retry = retry


def docker_down(message: str) -> Refused:
    """The engine does not answer, or not in time."""
    return Refused("docker-down", message, retry=True)
