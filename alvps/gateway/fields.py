"""The fields of a request, checked one by one: each with its kind, its limits, and words for whoever got it wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sanic import Request

from alvps.gateway.answers import BadRequest, TooLarge

Body = Mapping[str, Any]


def parsed(raw: bytes) -> dict[str, Any]:
    """A body that is a JSON object. Raises BadRequest."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    return body


def only(body: Body, names: Iterable[str]) -> None:
    """Raise BadRequest if there is a field with another name."""
    allowed = tuple(names)
    unknown = sorted(set(body) - set(allowed))
    if unknown:
        raise BadRequest(f"unknown field {unknown[0][:80]!r}", hint=f"allowed: {', '.join(allowed)}")


def needed(body: Body, name: str) -> Any:
    """The field's value. Raises BadRequest if it is missing or null."""
    value = body.get(name)
    if value is None:
        raise BadRequest(f"the field {name!r} is missing")
    return value


def text(value: object, name: str, most: int) -> str:
    """A string of up to `most` bytes of UTF-8. Raises BadRequest, TooLarge."""
    if not isinstance(value, str):
        raise BadRequest(f"the field {name!r} must be a string")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise BadRequest(f"the field {name!r} is not text: half a surrogate pair") from error
    if size > most:
        raise TooLarge(f"the field {name!r} has {size} bytes, allowed are {most}")
    return value


def whole(value: object, name: str, least: int, most: int) -> int:
    """A whole number in that range. Raises BadRequest."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadRequest(f"the field {name!r} must be a whole number from {least} to {most}")
    return value


def amount(value: object, name: str, most: float) -> float:
    """A number from 0 to `most`. Raises BadRequest."""
    # Not a number (JSON of Python's has NaN) is not in the range either.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
        raise BadRequest(f"the field {name!r} must be a number from 0 to {most:.0f}")
    return float(value)


def line(value: str, most: int) -> str:
    """Text for people in one line of up to `most` bytes: what a terminal would obey is a space, the rest is cut off."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    raw = plain.encode()
    if len(raw) <= most:
        return plain
    return raw[: most - len("…".encode())].decode(errors="ignore") + "…"


def query(request: Request, name: str) -> str | None:
    """A value of the query, or None."""
    value: str | None = request.args.get(name)
    return value


def number(request: Request, name: str, default: int, most: int) -> int:
    """A whole number of the query; `most` if it is greater. Raises BadRequest."""
    given = query(request, name)
    if given is None:
        return default
    if not (given.isascii() and given.isdecimal()) or len(given) > 9:
        raise BadRequest(f"{name} is {given[:40]!r}, not a whole number")
    return min(int(given), most)
