"""The text of a command: from its arguments, or from standard input; of any bytes, up to 1 MiB."""

from __future__ import annotations

import os

from alvps.agent.commands import streams
from alvps.agent.commands.failure import USAGE, Failure

LIMIT = 1 << 20  # bytes of UTF-8, the same as the gateway's


def joined(arguments: list[str]) -> str:
    """The arguments with a space between them. Raises Failure when that is too long."""
    return _text(b" ".join(os.fsencode(argument) for argument in arguments), "the text")


def standard_input() -> str:
    """All of standard input, to its last byte. Raises Failure when that is too long."""
    return _text(streams.read(LIMIT + 1), "standard input")


def one(usage: str, arguments: list[str]) -> str:
    """The only argument, which is not empty. Raises Failure otherwise."""
    if len(arguments) != 1 or not arguments[0]:
        raise misused(usage)
    return joined(arguments)


def misused(usage: str, why: str = "") -> Failure:
    """The failure of a wrong call."""
    message = f"{why}; usage: {usage}" if why else f"usage: {usage}"
    return Failure(USAGE, message, message)


def _text(data: bytes, what: str) -> str:
    try:
        text = data.decode("utf-8")
        size = len(data)
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")  # JSON has no way to carry other bytes
        size = len(text.encode("utf-8"))
        streams.say(f"{what} is not UTF-8: each byte that has no meaning is sent as U+FFFD")
    if size > LIMIT:
        reason = f"{what} is longer than {LIMIT} bytes of UTF-8"
        raise Failure(USAGE, reason, f"{reason}; nothing was sent")
    return text
