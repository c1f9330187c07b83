"""What was this run given? One frame on standard input: see `alvps.frames` for the bytes, `Inbox` for the object.

The frame is read here and not with `alvps.frames`, whose `typing` import costs as much as starting Python itself.
`alvps.launcher.handover` writes it.
"""

from __future__ import annotations

import json
import os

MAX_PART = 16 << 20  # the limit of alvps.frames, for either part
PROVIDERS = ("shell", "http", "git-clone")
_HEADER_SIZE = 8


class Incomplete(Exception):
    """Standard input ended before the frame did: the run was never really started."""


class Unusable(Exception):
    """The frame is whole, but it is not an order to run something."""


class Step:
    """Something to do before or after the work. `params` follow from the provider; `timeout` in seconds."""

    __slots__ = ("params", "provider", "required", "timeout")

    def __init__(self, message: dict[str, object]) -> None:
        self.provider = _text(message, "provider")
        if self.provider not in PROVIDERS:
            raise Unusable(f"a step's provider is none of {', '.join(PROVIDERS)}")
        self.params = _table(message.get("params"), "a step's params")
        self.required = message.get("required", True) is not False
        self.timeout = _number(message, "timeout")


class Inbox:
    """The order: who runs, what, for how long, with which environment, credentials and prompt.

    `harness` is "command", with `command`, or "llm", with `session` for it. `gateway`: the run's token there, or None.
    """

    __slots__ = (
        *(
            "after",
            "agent",
            "attempt",
            "before",
            "command",
            "credentials",
            "env",
            "gateway",
            "harness",
            "prompt",
            "run",
        ),
        *("secret_fields", "session", "timeout", "trigger"),
    )

    def __init__(self, message: dict[str, object], prompt: bytes) -> None:
        self.run = _text(message, "run")
        self.agent = _text(message, "agent")
        self.trigger = _text(message, "trigger")
        self.attempt = _number(message, "attempt")
        self.timeout = _number(message, "timeout")  # seconds
        self.harness = message.get("harness", "command")
        if self.harness not in ("command", "llm"):
            raise Unusable("harness is neither command nor llm")
        self.command = _words(message.get("command"), "command", empty=self.harness == "llm")
        session = message.get("session")
        self.session = None if session is None and self.harness == "command" else _table(session, "session")
        self.before = _steps(message.get("before", []), "before")
        self.after = _steps(message.get("after", []), "after")
        self.env = _text_map(message.get("env", {}), "env")
        self.credentials, self.secret_fields = _credentials(message.get("credentials", []))
        gateway = message.get("gateway")
        self.gateway = None if gateway is None else _text(_table(gateway, "gateway"), "secret")
        self.prompt = prompt

    def secrets(self) -> list[str]:
        """Every value that must not be printed."""
        found = list(self.secret_fields)
        if self.gateway:
            found += [self.gateway, self.gateway.rpartition(".")[2]]  # its last part is what makes it a secret
        models = self.session.get("models") if self.session else None
        for model in models if isinstance(models, list) else ():
            key = model.get("key") if isinstance(model, dict) else None
            if isinstance(key, str):
                found.append(key)
        return found


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


def _words(value: object, key: str, *, empty: bool) -> list[str]:
    if not isinstance(value, list) or not (value or empty) or not all(isinstance(word, str) for word in value):
        raise Unusable(f"{key} is not a list of words")
    return value


def _table(value: object, key: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Unusable(f"{key} is not a table")
    return value


def _text_map(value: object, key: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for pair in value.items() for item in pair):
        raise Unusable(f"{key} is not a table of texts")
    return value


def _steps(value: object, key: str) -> list[Step]:
    if not isinstance(value, list):
        raise Unusable(f"{key} is not a list")
    return [Step(_table(item, f"a step of {key}")) for item in value]


def _credentials(value: object) -> tuple[list[tuple[str, str, dict[str, str]]], list[str]]:
    """(type, instance, fields) each, and the secret ones of all values; all, if it is not said which are.

    The names become file names, so they are checked here again.
    """
    if not isinstance(value, list):
        raise Unusable("credentials is not a list")
    found, secret = [], []
    for item in value:
        if not isinstance(item, dict):
            raise Unusable("a credential is not an object")
        type_, instance = _text(item, "type"), _text(item, "instance")
        fields = _text_map(item.get("fields"), "a credential's fields")
        for name in (type_, instance, *fields):
            if not name or name in {".", ".."} or "/" in name or "\0" in name:
                raise Unusable("a credential's name is not a file name")
        names = _words(item.get("secret", list(fields)), "a credential's secret", empty=True)
        secret += [value for name, value in fields.items() if name in names]
        found.append((type_, instance, fields))
    return found, secret
