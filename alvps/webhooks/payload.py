"""From a stranger's bytes to values of known types: whatever they are, what comes out is one, or BadPayload is raised.

A signature says who sent the bytes, not that they mean well: an issue's text is anybody's. So JSON is read strictly
(UTF-8, no NaN, no number that another reader would turn into infinity), and every value is asked for by its type.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn
from urllib.parse import parse_qs

from alvps.errors import AlError

TEXT = 4000  # characters of a text that an agent is shown; what is longer is cut and ends with "..."
NAMES = 100  # of a list of labels; GitHub allows as many on an issue
DIGITS = 100  # of one number
FORM_FIELDS = 32  # of a form body; GitHub sends one

_SURROGATES = re.compile("[\ud800-\udfff]")
_LARGEST = 2**63 - 1  # what SQLite and most readers of JSON hold


class BadPayload(AlError):
    """The body is no payload of its provider at all: not UTF-8, not JSON, not an object."""


def load(body: bytes) -> object:
    """The JSON value in the body. Raises BadPayload for anything else; never another exception."""
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadPayload(f"the body is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise BadPayload(f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise BadPayload("the body's JSON is nested too deeply") from None


def form_field(body: bytes, name: str) -> bytes:
    """The one field of that name in an `application/x-www-form-urlencoded` body. Raises BadPayload without it."""
    try:
        fields = parse_qs(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS, separator="&"
        )
    except ValueError:  # bytes or escapes that are no UTF-8, too many fields
        raise BadPayload("the body is not a form of UTF-8 text") from None
    found = fields.get(name, [])
    if len(found) != 1:
        raise BadPayload(f"the form has {len(found)} fields {name!r}; it must have one")
    return found[0].encode()


def child(value: object, *path: str) -> object:
    """What lies at the path of object keys; None when anything on the way is missing or no object."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def text(value: object, limit: int = TEXT) -> str | None:
    """The text, cut to `limit` characters and "..." when it is longer; None for no text or an empty one.

    Half of a surrogate pair, which JSON can write and UTF-8 cannot, becomes U+FFFD: what comes out can be stored.
    """
    if not isinstance(value, str) or not value:
        return None
    cut = value[:limit] + "..." if len(value) > limit else value
    return _SURROGATES.sub("\ufffd", cut)


def first_text(*values: object) -> str | None:
    """The first of the values that is a text and not empty, cut."""
    return next((found for value in values if (found := text(value)) is not None), None)


def number(value: object) -> int | None:
    """The whole number from 0 up to what a database column holds; None for anything else, `true` and 1.0 included."""
    return value if type(value) is int and 0 <= value <= _LARGEST else None


def names(value: object) -> tuple[str, ...] | None:
    """The `name` of each object in a list (labels), at most NAMES of them; None when it is no list."""
    if not isinstance(value, list):
        return None
    found = (text(child(item, "name")) for item in value)
    return tuple(name for name in found if name is not None)[:NAMES]


def _integer(digits: str) -> int:
    # Without a bound, reading a number of a million digits takes Python minutes (or fails, by version).
    if len(digits) > DIGITS:
        raise BadPayload(f"the body's JSON has a number of {len(digits)} characters; allowed: up to {DIGITS}")
    return int(digits)


def _fraction(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise BadPayload("the body's JSON has a number that is out of range")
    return value


def _constant(name: str) -> NoReturn:
    raise BadPayload(f"the body is not JSON: {name} is no JSON value")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_fraction, parse_constant=_constant)
