"""The entry's own words: single lines of JSON on standard output, between the children's own lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable


def _plain(line: bytes) -> None:
    try:  # noqa: SIM105 - contextlib is not imported here, for start-up time
        os.write(1, line)
    except OSError:
        pass  # nobody reads any more; the run's result does not depend on it


_write: Callable[[bytes], None] = _plain


def redirect(write: Callable[[bytes], None]) -> None:
    """Whole lines go there from now on."""
    global _write  # noqa: PLW0603 - there is one standard output
    _write = write


def say(level: str, msg: str, **fields: object) -> None:
    """Write one line, in one write so that it does not mix with others. A reader that is gone is no error."""
    _write(line(level, msg, **fields))


def line(level: str, msg: str, **fields: object) -> bytes:
    """The line that `say` writes."""
    text = json.dumps({"_log": True, "level": level, "msg": msg, **fields}, separators=(",", ":"))
    return text.encode() + b"\n"
