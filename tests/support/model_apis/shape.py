"""Says where a JSON value differs from a description. A description is a function from (value, where) to problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Shape = Callable[[Any, str], Iterator[str]]


def is_a(*types: type) -> Shape:
    """A value of one of the types; a bool is no number."""

    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            yield f"{where} is {value!r:.60}, not {' or '.join(one.__name__ for one in types)}"

    return check


text = is_a(str)
flag = is_a(bool)
number = is_a(int, float)
anything: Shape = lambda value, where: iter(())  # noqa: E731 - a shape like the others
absent = is_a(type(None))


def filled(value: Any, where: str) -> Iterator[str]:
    """Text that is not empty."""
    yield from text(value, where)
    if value == "":
        yield f"{where} is empty"


def whole(low: int, high: int = 1 << 60) -> Shape:
    """A whole number from `low` to `high`."""

    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            yield f"{where} is {value!r:.60}, not a whole number from {low} to {high}"

    return check


def one_of(*values: Any) -> Shape:
    """Exactly one of these."""

    def check(value: Any, where: str) -> Iterator[str]:
        if value not in values:
            yield f"{where} is {value!r:.60}, not one of {values}"

    return check


def list_of(shape: Shape, least: int = 0) -> Shape:
    """A list of such values."""

    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{where} is {value!r:.60}, not a list"
            return
        if len(value) < least:
            yield f"{where} has {len(value)} items, {least} at least are needed"
        for index, item in enumerate(value):
            yield from shape(item, f"{where}[{index}]")

    return check


def table(required: dict[str, Shape], optional: dict[str, Shape] | None = None) -> Shape:
    """An object with these fields and no others."""
    known = {**required, **(optional or {})}

    def check(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where} is {value!r:.60}, not an object"
            return
        for key in required:
            if key not in value:
                yield f"{where}.{key} is missing"
        for key, item in value.items():
            if key in known:
                yield from known[key](item, f"{where}.{key}")
            else:
                yield f"{where}.{key} is not a field of the API"

    return check


def either(**shapes: Shape) -> Shape:
    """A tagged object: its field `type` says which of the shapes it must have."""

    def check(value: Any, where: str) -> Iterator[str]:
        tag = value.get("type") if isinstance(value, dict) else None
        if tag not in shapes:
            yield f"{where} has the type {tag!r}, not one of {tuple(shapes)}"
            return
        yield from shapes[tag](value, where)

    return check


def any_of(*shapes: Shape) -> Shape:
    """At least one of the shapes; the problems of the last one are told."""

    def check(value: Any, where: str) -> Iterator[str]:
        found: list[str] = []
        for shape in shapes:
            found = list(shape(value, where))
            if not found:
                return
        yield from found

    return check


def json_schema(value: Any, where: str) -> Iterator[str]:
    """The schema of a tool's arguments."""
    properties = table({"type": one_of("string", "integer", "number", "boolean"), "description": filled})
    shape = table(
        {"type": one_of("object"), "properties": anything, "required": list_of(text)},
        {"additionalProperties": one_of(False)},
    )
    yield from shape(value, where)
    for name, item in value.get("properties", {}).items() if isinstance(value, dict) else ():
        yield from properties(item, f"{where}.properties.{name}")


def header(headers: dict[str, str], name: str, wanted: Callable[[str], bool], description: str) -> Iterator[str]:
    """A header that must be there and fit."""
    value = headers.get(name)
    if value is None:
        yield f"the header {name} is missing"
    elif not wanted(value):
        yield f"the header {name} is not {description}"


def paired(turns: list[tuple[set[str], set[str]]], where: str) -> Iterator[str]:
    """(ids called, ids answered) for each message: whatever a message calls, the next one answers, all of it."""
    waiting: set[str] = set()
    for index, (called, answered) in enumerate(turns):
        if answered != waiting:
            yield f"{where}[{index}] answers the calls {sorted(answered)}, those before it are {sorted(waiting)}"
        waiting = called
    if waiting:
        yield f"{where}: the calls {sorted(waiting)} are not answered"
