"""As much JSON as the commands need, by the two C functions that `json` is built on.

Importing `json` itself takes as long as starting Python, because of `re`.
"""

from __future__ import annotations

from _json import encode_basestring, make_scanner

_SPACE = " \t\n\r"


class _Rules:
    """What `json.JSONDecoder` hands to its scanner."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name: str) -> object:
        raise ValueError(f"{name} is not JSON")


_scan = make_scanner(_Rules)  # type: ignore[arg-type]  # it reads these attributes of whatever it is given


def encode(value: object) -> str:
    """One line of JSON. Knows objects with text as keys, text, whole numbers and booleans."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_basestring(key)}:{encode(item)}" for key, item in value.items()) + "}"
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def to_bytes(document: str) -> bytes:
    """UTF-8. Half of a surrogate pair, which has no UTF-8, becomes the escape that JSON has for it."""
    return document.encode("utf-8", "backslashreplace")


def decode(data: bytes) -> dict[str, object]:
    """The object that is the whole of `data`. Raises ValueError for anything else."""
    text = data.decode("utf-8")
    start = len(text) - len(text.lstrip(_SPACE))
    try:
        value, end = _scan(text, start)
    # SystemError: the scanner fetches its own exception from json.decoder, and ends without one where nobody has loaded
    # that. RecursionError: an answer may be nested as deep as it is long.
    except (StopIteration, SystemError, RecursionError):
        raise ValueError("no JSON") from None
    if text[end:].strip(_SPACE):
        raise ValueError("more than one value")
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - what is wrong is the text, not a type in this program
    return value
