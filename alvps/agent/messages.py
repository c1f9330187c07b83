"""The entry's own words: single lines of JSON on standard output, between the command's own lines."""

from __future__ import annotations

import json
import os


def say(level: str, msg: str, **fields: object) -> None:
    """Write one line, in one write so that it does not mix with the command's. A reader that is gone is no error."""
    line = json.dumps({"_log": True, "level": level, "msg": msg, **fields}, separators=(",", ":"))
    try:  # noqa: SIM105 - contextlib is not imported here, for start-up time
        os.write(1, line.encode() + b"\n")
    except OSError:
        pass  # nobody reads any more; the run's result does not depend on it
