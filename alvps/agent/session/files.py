"""The tools for files: read, write, edit. Each returns what the model is told, or raises Refused or OSError."""

# ruff: noqa: PTH103, PTH110, PTH116, PTH120 - pathlib costs start-up time, and descriptors are needed here

from __future__ import annotations

import os
import stat
from typing import BinaryIO, cast

from alvps.agent.session.shown import LIMIT, as_text, is_binary

LINES = 2000  # of one read, unless the model asks for fewer or more
LINE = 2000  # bytes of one line; the rest of a longer one is left out
EDITABLE = 10 << 20  # bytes; a larger file is edited with the shell


class Refused(Exception):
    """The call cannot be done; the message says to the model why, and what to do instead."""


def read_file(path: str, offset: int = 1, limit: int = LINES) -> str:
    """`limit` lines from line `offset` (the first is 1), each as it is in the file, at most LIMIT bytes of them."""
    if offset < 1 or limit < 1:
        raise Refused("offset and limit count lines from 1")
    _regular(path)
    shown: list[str] = []
    used = number = 0
    ending = ""
    with _opened(path, os.O_RDONLY, "rb") as file:
        if is_binary(file.read(4096)):
            raise Refused(
                f"{path} is a binary file of {os.fstat(file.fileno()).st_size} bytes; use od, file or strings"
            )
        file.seek(0)
        while line := file.readline(LINE):
            whole = line
            while not whole.endswith(b"\n") and (rest := file.readline(1 << 16)):
                whole = rest  # only its end matters: is the line over?
            number += 1
            if number < offset:
                continue
            if number >= offset + limit or used + len(line) > LIMIT:
                ending = f"[there is more: continue with offset {number}]"
                break
            used += len(line)
            cut = "" if whole is line else " [the rest of this line is left out]\n"
            shown.append(as_text(line) + cut)
    if not shown:
        if number == 0:
            return f"[{path} is empty]"
        raise Refused(f"{path} has only {number} lines")
    text = "".join(shown)
    return text if not ending else text + ("" if text.endswith("\n") else "\n") + ending


def write_file(path: str, content: str) -> str:
    """Write the whole file; missing folders are made. Raises OSError too."""
    data = _encoded(content)
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)
    if os.path.exists(path):
        _regular(path)
    with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, "wb") as file:
        file.write(data)
    return f"wrote {len(data)} bytes to {path}"


def edit_file(path: str, old: str, new: str, *, replace_all: bool = False) -> str:
    """Replace `old` by `new`; it must be in the file exactly once, unless `replace_all`. Raises OSError too."""
    if not old:
        raise Refused("old is empty; use write_file to make a file")
    if old == new:
        raise Refused("old and new are the same")
    if _regular(path) > EDITABLE:
        raise Refused(f"{path} is larger than {EDITABLE} bytes; use sed in the shell")
    with _opened(path, os.O_RDWR, "r+b") as file:
        before = file.read()
        wanted = _encoded(old)
        count = before.count(wanted)
        if count == 0:
            hint = " (its line endings are CRLF)" if b"\r\n" in before and "\r\n" not in old else ""
            raise Refused(f"old is not in {path}{hint}; read the file and give the text exactly as it is there")
        if count > 1 and not replace_all:
            raise Refused(f"old is {count} times in {path}; give more of the text around it, or set replace_all")
        after = before.replace(wanted, _encoded(new))
        file.seek(0)
        file.write(after)
        file.truncate()
    return f"replaced {count} {'place' if count == 1 else 'places'} in {path}"


def _regular(path: str) -> int:
    """The file's size. Raises Refused for what is no regular file: a device or pipe could block for ever."""
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise Refused(f"{path} is a directory; list it with ls")
    if not stat.S_ISREG(found.st_mode):
        raise Refused(f"{path} is not a regular file")
    return found.st_size


def _opened(path: str, flags: int, mode: str) -> BinaryIO:
    """Without waiting: should the path have become a pipe since it was looked at, opening it must not hang."""
    return cast("BinaryIO", os.fdopen(os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o666), mode))


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Refused("the text has half of a surrogate pair, which no UTF-8 file can hold") from None
