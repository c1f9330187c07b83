"""Read the files that a user wrote, as data from a stranger: never out of the project, never endless, never hanging."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import tomli

from alvps.project.report import At, plain

MAX_TOML = 256 << 10  # the parser takes seconds for a hostile file of some MiB
MAX_TEXT = 1 << 20


def read_toml(root: Path, at: At) -> dict[str, Any] | None:
    """The table in the file `at.file` of the project; None and a problem when there is no sound one."""
    source = read_text(root, at, MAX_TOML)
    if source is None:
        return None
    try:
        return tomli.loads(source)
    except tomli.TOMLDecodeError as error:
        here = At(f"{at.file}:{error.lineno}", at.problems)
        here.say(f"not TOML: {plain(error.msg)[:200]} (column {error.colno})")
    except (RecursionError, ValueError) as error:
        # Not the parser's own error class: nested past its limit, or a number with more digits than Python converts.
        at.say(f"not usable TOML: {plain(str(error))[:200]}")
    return None


def read_text(root: Path, at: At, limit: int) -> str | None:
    """The text of the file `at.file` of the project; None and a problem when it is none."""
    data = read_bytes(root, at, limit)
    if data is None:
        return None
    try:
        return data.decode().removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        At(f"{at.file}:{line}", at.problems).say("not UTF-8 text")
        return None


def read_bytes(root: Path, at: At, limit: int) -> bytes | None:
    """The bytes of the file `at.file` of the project; None and a problem when they cannot be had."""
    path = root / at.file
    try:
        if path.is_symlink() and not inside(root, path):
            at.say("a link out of the project or to nothing; allowed: a file, or a link to one in the project")
            return None
        # Non-blocking, so that a fifo is refused below instead of waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                at.say("not a regular file")
                return None
            data = file.read(limit + 1)
    except OSError as error:
        at.say(f"cannot be read: {error.strerror}")
        return None
    if len(data) > limit:
        at.say(f"larger than {limit >> 10} KiB")
        return None
    return data


def inside(root: Path, path: Path) -> bool:
    """True when the path, all links followed, is something that exists in the project."""
    target = os.path.realpath(path)
    return os.path.exists(target) and target.startswith(os.path.realpath(root) + os.sep)  # noqa: PTH110 - it is a str
