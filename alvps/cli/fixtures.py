"""A delivery in a file, for `al webhooks simulate`: the bare body, or an object with headers and body."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alvps.errors import UsageError
from alvps.project.model import WebhookSource


@dataclass(frozen=True, slots=True)
class Fixture:
    """Who would have sent it, and what."""

    source: WebhookSource
    headers: tuple[tuple[str, str], ...]  # names in lower case
    body: bytes


def read_fixture(
    data: bytes, *, source: str | None, headers: Sequence[str], sources: Sequence[WebhookSource]
) -> Fixture:
    """The delivery that the file and the options describe. Raises UsageError."""
    whole = _envelope(data)
    given = _pairs(whole.get("headers") or {}) + tuple(_option(text) for text in headers)
    name = source or (whole.get("source") if isinstance(whole.get("source"), str) else None)
    body = _body(whole) if whole else data
    return Fixture(_source(name, sources), given, body)


def _envelope(data: bytes) -> dict[str, Any]:
    """The object, if that is what the file has; empty for a bare body."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and {"headers", "body"} <= set(found) else {}


def _body(whole: dict[str, Any]) -> bytes:
    body = whole["body"]
    if not isinstance(body, str):
        return json.dumps(body).encode()
    if whole.get("encoding") != "base64":
        return body.encode(errors="surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise UsageError(f"the fixture's body is not base64: {error}") from error


def _pairs(headers: object) -> tuple[tuple[str, str], ...]:
    pairs = list(headers.items()) if isinstance(headers, dict) else headers
    if not isinstance(pairs, list):
        raise UsageError("the fixture's headers are neither an object nor a list of pairs")
    found = []
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise UsageError("a header of the fixture is not a name and a value")
        found.append((pair[0].lower(), pair[1]))
    return tuple(found)


def _option(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"{text[:80]!r} is not NAME:VALUE", hint="such as -H x-github-event:issues")
    return name.strip().lower(), value.strip()


def _source(name: str | None, sources: Sequence[WebhookSource]) -> WebhookSource:
    names = ", ".join(source.name for source in sources)
    if not sources:
        raise UsageError("the project has no webhook source", hint="add [webhooks.NAME] to config.toml")
    if name is None:
        if len(sources) > 1:
            raise UsageError(f"the project has several sources: {names}", hint="choose one with --source NAME")
        return sources[0]
    for source in sources:
        if source.name == name:
            return source
    raise UsageError(f"there is no source {name[:80]!r} in config.toml", hint=f"its sources: {names}")
