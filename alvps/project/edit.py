"""Changes of single settings in a TOML file that a person wrote: everything else stays as it is, comments included.

The text is changed by lines, and the change is believed only when the result parses to exactly what was wanted.
"""

from __future__ import annotations

import re
from typing import Any

import tomli

_HEADER = re.compile(r"\s*\[")
_TEXT = re.compile(r'"[^"\\]*"')


class CannotEdit(Exception):
    """The text is written in a way that these changes do not reach, or is no TOML; a person must change it."""


def with_key(text: str, key: str, value: str) -> str:
    """The text with a key of the top table set. Raises CannotEdit. `key` is a bare one; `value` is printable."""
    lines = text.splitlines(keepends=True)
    new = f'{key} = "{value}"'
    at = _line_of(lines, key)
    if at is None:
        end = next((number for number, line in enumerate(lines) if _HEADER.match(line)), len(lines))
        # Below what stands there already, above the blank lines and comments that introduce the first table.
        while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
            end -= 1
        if end and not lines[end - 1].endswith("\n"):
            lines[end - 1] += "\n"
        lines.insert(end, new + "\n")
    else:
        before, _, rest = lines[at].partition("=")
        lines[at] = f'{before.rstrip()} = "{value}"{_TEXT.sub("", rest.strip(), count=1)}'.rstrip() + _end(lines[at])
    return _checked("".join(lines), {**_parsed(text), key: value})


def without_key(text: str, key: str) -> str:
    """The text without a key of the top table. Raises CannotEdit."""
    lines = text.splitlines(keepends=True)
    at = _line_of(lines, key)
    if at is not None:
        del lines[at]
    return _checked("".join(lines), {name: value for name, value in _parsed(text).items() if name != key})


def without_table(text: str, name: str) -> str:
    """The text without a table of the top level and those below it. Raises CannotEdit."""
    ours = re.compile(rf"\s*\[\s*{re.escape(name)}\s*(\.[^\]]*)?\]")
    kept, inside = [], False
    for line in text.splitlines(keepends=True):
        if _HEADER.match(line):
            inside = ours.match(line) is not None
        if not inside:
            kept.append(line)
    return _checked("".join(kept), {key: value for key, value in _parsed(text).items() if key != name})


def _line_of(lines: list[str], key: str) -> int | None:
    """The line of a key of the top table, which ends at the first header."""
    pattern = re.compile(rf"\s*{re.escape(key)}\s*=")
    for number, line in enumerate(lines):
        if _HEADER.match(line):
            return None
        if pattern.match(line):
            return number
    return None


def _end(line: str) -> str:
    return "\n" if line.endswith("\n") else ""


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomli.loads(text)
    except (tomli.TOMLDecodeError, RecursionError, ValueError) as error:
        raise CannotEdit(f"it is not TOML: {error}") from error


def _checked(after: str, wanted: dict[str, Any]) -> str:
    try:
        right = _parsed(after) == wanted
    except CannotEdit:
        right = False
    if not right:
        raise CannotEdit("the setting is written in a way that al does not change")
    return after
