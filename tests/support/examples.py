"""How far do tests that search go? Their number of examples, times ALVPS_EXAMPLES."""

from __future__ import annotations

import os

_SHARE = float(os.environ.get("ALVPS_EXAMPLES", "1"))
_FEWEST = 5


def examples(count: int) -> int:
    """So many, unless the environment asks for a multiple or a part of them."""
    return max(_FEWEST, round(count * _SHARE))
