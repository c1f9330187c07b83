"""The headers of a request as it came: a sequence of pairs, so that a header which is there twice is seen twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Headers: TypeAlias = Sequence[tuple[str, str]]  # (name, value) in the order of the request; names in lower case


def values(headers: Headers, name: str) -> list[str]:
    """Every value of the header, in the order of the request. `name` is in lower case."""
    # Lowered all the same: one caller that forgets must not make a second signature invisible.
    return [value for key, value in headers if key.lower() == name]


def single(headers: Headers, name: str) -> str | None:
    """The header's value; None when it is missing, or there more than once and so could mean either."""
    found = values(headers, name)
    return found[0] if len(found) == 1 else None
