"""The small language in which the tables of this room's files are described.

A check takes a value from a parsed TOML file and the place it stands at, and gives the value back in the form the
model wants, or says there what is wrong and gives None (TOML has no null, so None is free to mean "not usable").
Checks never raise for bad input and never stop at the first problem.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from alvps.project.report import At, closest, shown

Check = Callable[[object, At], Any]
Values = dict[str, Any]

_SIZE = r"([0-9]{1,15})([kmgt])b?"
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
NAMED = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
NAMED_ALLOWED = "letters, digits, _ . and -, the first a letter or a digit, at most 64"
_MAX_DEPTH = 32
_CONTROLS = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]"  # and half characters, which no file can hold
_PLAIN = (str, int)  # JSON holds them as they are; a bool is an int
_ENOUGH = 20  # of one sort in one table: a file of nonsense must not become a wall of messages


def table(
    keys: Mapping[str, Check], *, required: Mapping[str, str] | None = None, refused: Mapping[str, str] | None = None
) -> Check:
    """A table with these keys and no others.

    `required`: keys that must be there, and what is allowed. `refused`: keys that exist somewhere, and why not here.
    """
    not_here = refused or {}
    needed = required or {}

    def check(value: object, at: At) -> Values | None:
        if not isinstance(value, dict):
            at.say(f"{shown(value)} is not allowed; allowed: a table")
            return None
        found = {}
        for key in (key for key in keys if key in value):
            parsed = keys[key](value[key], at.key(key))
            if parsed is not None:
                found[key] = parsed
        others = [key for key in value if key not in keys]
        for key in others[:_ENOUGH]:
            if key in not_here:
                at.key(key).say(not_here[key])
            else:
                at.key(key).say(f"unknown key; allowed: {', '.join(keys)}", closest(key, keys))
        if len(others) > _ENOUGH:
            at.say(f"and {len(others) - _ENOUGH} more unknown keys")
        for key in lacking(value, keys, needed) if needed else ():
            at.key(key).say(f"missing; allowed: {needed[key]}")
        return found

    return check


def lacking(written: Mapping[str, object], keys: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """The wanted keys that are not there, and that none of those that are there was meant to be."""
    absent = [key for key in wanted if key not in written]
    if not absent:
        return []
    known = list(keys)
    meant = {closest(key, known) for key in list(written)[:100] if key not in known}
    return [key for key in absent if key not in meant]


def named(check_one: Check, *, most: int) -> Check:
    """A table of tables, each under a name that the user chose."""

    def check(value: object, at: At) -> Values | None:
        if not isinstance(value, dict) or len(value) > most:
            found = f"a table of {len(value)}" if isinstance(value, dict) else shown(value)
            at.say(f"{found} is not allowed; allowed: up to {most} tables, each with a name of its own")
            return None
        found_ = {}
        for name, one in value.items():
            if not re.fullmatch(NAMED, name):
                at.key(name).say(f"{shown(name)} is not allowed as a name; allowed: {NAMED_ALLOWED}")
            elif (parsed := check_one(one, at.key(name))) is not None:
                found_[name] = parsed
        return found_

    return check


def text(*, pattern: str | None = None, allowed: str = "text", longest: int = 1000) -> Check:
    """Text that is not empty and has no control characters."""

    def check(value: object, at: At) -> str | None:
        if (
            isinstance(value, str)
            and 0 < len(value) <= longest
            and value.isprintable()
            # Compiled (and kept, by re) when a file has the key: not at every start of `al`.
            and (pattern is None or re.fullmatch(pattern, value))
        ):
            return value
        at.say(f"{shown(value)} is not allowed; allowed: {allowed}")
        return None

    return check


def prose(*, allowed: str = "text", longest: int = 64 << 10) -> Check:
    """Text that may have several lines: a shell command, a description. Not blank; tabs, but no other controls."""

    def check(value: object, at: At) -> str | None:
        if isinstance(value, str) and len(value) <= longest and value.strip() and not re.search(_CONTROLS, value):
            return value
        at.say(
            f"{shown(value)} is not allowed; allowed: {allowed}, at most {longest} characters, none a control character"
        )
        return None

    return check


def choice(*choices: str) -> Check:
    """One of a few words."""

    def check(value: object, at: At) -> str | None:
        if isinstance(value, str) and value in choices:
            return value
        words = ", ".join(f'"{word}"' for word in choices)
        at.say(f"{shown(value)} is not allowed; allowed: {words}", closest(str(value), choices))
        return None

    return check


def integer(low: int, high: int, unit: str = "") -> Check:
    """A whole number in a range."""
    allowed = f"a whole number from {low} to {high}" + (f" ({unit})" if unit else "")

    def check(value: object, at: At) -> int | None:
        # bool is an int in Python, and `scale = true` is not 1.
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        at.say(f"{shown(value)} is not allowed; allowed: {allowed}")
        return None

    return check


def number(low: float, high: float) -> Check:
    """A number in a range, whole or not."""

    def check(value: object, at: At) -> float | None:
        # A NaN is in no range, so the comparison refuses it too.
        if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        at.say(f"{shown(value)} is not allowed; allowed: a number from {low:g} to {high:g}")
        return None

    return check


def boolean(value: object, at: At) -> bool | None:
    """true or false."""
    if isinstance(value, bool):
        return value
    at.say(f"{shown(value)} is not allowed; allowed: true or false")
    return None


def size(low: str, high: str) -> Check:
    """A size such as "512m" or "4g", given back in bytes; units are powers of 1024."""
    least, most = _bytes(low), _bytes(high)
    assert least is not None
    assert most is not None

    def check(value: object, at: At) -> int | None:
        found = _bytes(value) if isinstance(value, str) else None
        if found is not None and least <= found <= most:
            return found
        at.say(
            f'{shown(value)} is not allowed; allowed: a size with its unit, from "{low}" to "{high}", such as "512m"'
        )
        return None

    return check


def items(check_item: Check, *, example: str, least: int = 0, most: int) -> Check:
    """A list; the good items are given back as a tuple, the bad ones are said."""
    allowed = f"a list of {least} to {most} items, such as {example}"

    def check(value: object, at: At) -> tuple[Any, ...] | None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            found = f"a list of {len(value)}" if isinstance(value, list) else shown(value)
            at.say(f"{found} is not allowed; allowed: {allowed}")
            return None
        parsed = [check_item(item, at.item(index)) for index, item in enumerate(value)]
        return tuple(item for item in parsed if item is not None)

    return check


def one_or_more(check_item: Check, *, example: str, most: int) -> Check:
    """One item, or a list of them; a tuple either way."""
    many = items(check_item, example=example, least=1, most=most)

    def check(value: object, at: At) -> tuple[Any, ...] | None:
        if isinstance(value, list):
            parsed: tuple[Any, ...] | None = many(value, at)
            return parsed
        item = check_item(value, at)
        return None if item is None else (item,)

    return check


def json_table(value: object, at: At) -> Values | None:
    """A table of anything that JSON can say: no dates and times, no infinite numbers, not too deep."""
    if not isinstance(value, dict):
        at.say(f"{shown(value)} is not allowed; allowed: a table")
        return None
    before = len(at.problems)
    waiting: list[tuple[object, At, int]] = [(value, at, 0)]
    while waiting and len(at.problems) < before + _ENOUGH:  # not by recursion: the depth is the user's
        part, here, depth = waiting.pop()
        if isinstance(part, (dict, list)) and depth >= _MAX_DEPTH:
            here.say(f"nested too deep; allowed: {_MAX_DEPTH} levels")
        elif isinstance(part, dict):
            waiting += [(inner, here.key(k), depth + 1) for k, inner in part.items() if not isinstance(inner, _PLAIN)]
        elif isinstance(part, list):
            waiting += [
                (inner, here.item(index), depth + 1)
                for index, inner in enumerate(part)
                if not isinstance(inner, _PLAIN)
            ]
        elif isinstance(part, float) and not math.isfinite(part):
            here.say(f"{shown(part)} is not allowed; allowed: a finite number")
        elif not isinstance(part, float):
            here.say(f'{shown(part)} is not allowed; allowed: what JSON can hold; write a date as text, "{part}"')
    return value if len(at.problems) == before else None


def _bytes(text_: str) -> int | None:
    match = re.fullmatch(_SIZE, text_, re.IGNORECASE)
    return int(match[1]) * _UNITS[match[2].lower()] if match else None
