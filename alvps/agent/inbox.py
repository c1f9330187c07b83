"""What was this run given? One frame on standard input: see `alvps.frames` for the bytes, `Inbox` for the object.

The frame is read here and not with `alvps.frames`, whose `typing` import costs as much as starting Python itself.
"""

from __future__ import annotations

import json
import os

MAX_PART = 16 << 20  # the limit of alvps.frames, for either part
_HEADER_SIZE = 8


class Incomplete(Exception):
    """Standard input ended before the frame did: the run was never really started."""


class Unusable(Exception):
    """The frame is whole, but it is not an order to run something."""


class Inbox:
    """The order: who runs, which command, for how long, with which environment, credentials and prompt."""

    __slots__ = ("agent", "attempt", "command", "credentials", "env", "prompt", "run", "timeout", "trigger")

    def __init__(self, message: dict[str, object], prompt: bytes) -> None:
        self.run = _text(message, "run")
        self.agent = _text(message, "agent")
        self.trigger = _text(message, "trigger")
        self.attempt = _number(message, "attempt")
        self.timeout = _number(message, "timeout")  # seconds
        self.command = _texts(message.get("command"), "command")
        self.env = _text_map(message.get("env", {}), "env")
        self.credentials = _credentials(message.get("credentials", []))
        self.prompt = prompt


def read(descriptor: int) -> Inbox:
    """Read one frame. Raises Incomplete when the stream ends inside it, Unusable when it says nothing sensible."""
    header = _exactly(descriptor, _HEADER_SIZE)
    json_length, prompt_length = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")
    if json_length > MAX_PART or prompt_length > MAX_PART:
        raise Unusable(f"a frame of {json_length} + {prompt_length} bytes is over the limit")
    text = _exactly(descriptor, json_length)
    prompt = _exactly(descriptor, prompt_length)
    try:
        message = json.loads(bytes(text))
    except (ValueError, RecursionError) as error:
        # The text holds credentials, and some of json's messages quote what they choke on: only the kind is told.
        raise Unusable(f"the frame's JSON does not parse: {type(error).__name__}") from None
    if not isinstance(message, dict):
        raise Unusable("the frame's JSON is not an object")
    return Inbox(message, bytes(prompt))


def _exactly(descriptor: int, count: int) -> bytearray:
    got = bytearray()
    while len(got) < count:
        part = os.read(descriptor, min(count - len(got), 1 << 20))
        if not part:
            raise Incomplete(f"standard input ended {count - len(got)} bytes before the end of the frame")
        got += part
    return got


def _text(message: dict[str, object], key: str) -> str:
    value = message.get(key)
    if not isinstance(value, str) or not value:
        raise Unusable(f"{key} is missing or not text")
    return value


def _number(message: dict[str, object], key: str) -> int:
    value = message.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Unusable(f"{key} is missing or not a whole number above 0")
    return value


def _texts(value: object, key: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise Unusable(f"{key} is not a list of words")
    return value


def _text_map(value: object, key: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for pair in value.items() for item in pair):
        raise Unusable(f"{key} is not a table of texts")
    return value


def _credentials(value: object) -> list[tuple[str, str, dict[str, str]]]:
    """(type, instance, fields) each. The names become file names, so they are checked here again."""
    if not isinstance(value, list):
        raise Unusable("credentials is not a list")
    found = []
    for item in value:
        if not isinstance(item, dict):
            raise Unusable("a credential is not an object")
        type_, instance = _text(item, "type"), _text(item, "instance")
        fields = _text_map(item.get("fields"), "a credential's fields")
        for name in (type_, instance, *fields):
            if not name or name in {".", ".."} or "/" in name or "\0" in name:
                raise Unusable("a credential's name is not a file name")
        found.append((type_, instance, fields))
    return found
