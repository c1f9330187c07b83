"""How hard the tests of tests/faults try, and how they say what they counted."""

from __future__ import annotations

import os
from collections.abc import Callable

Figures = Callable[[str], None]  # says a line of figures
FULL = bool(os.environ.get("AL_FAULTS_FULL"))  # script/faults --full


def often(short: int, full: int) -> int:
    """So many times: the first number in every run of all tests, the second for the figures that are published."""
    return full if FULL else short
