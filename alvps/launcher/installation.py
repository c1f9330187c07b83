"""Which installation is this? An id that is made once and marks every container as ours."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

ID = re.compile(r"[0-9a-f]{16}")


def identify(state: Path) -> str:
    """The id in `<state>/installation`, made on the first call. Raises OSError, ValueError for other content."""
    path = state / "installation"
    if not path.exists():
        fresh = path.with_name(f".installation-{secrets.token_hex(4)}")
        fresh.write_text(secrets.token_hex(8) + "\n")
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)  # fails if another process was faster; its id then counts
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    text = path.read_text().strip()
    if not ID.fullmatch(text):
        raise ValueError(f"{path} does not hold an installation id; without it no run can be told from a stranger's")
    return text
