"""What a field of a request may be: rules as data, from which its check and its line in the document both follow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from alvps.gateway.answers import BadRequest, TooLarge

Schema = dict[str, Any]  # of JSON Schema
DIGITS = 9  # of a number in a query


class Rule(Protocol):
    """What one field may be."""

    def check(self, value: Any, name: str) -> Any:
        """The field's value, which is not null. Raises BadRequest or TooLarge, with words for whoever got it wrong."""

    @property
    def schema(self) -> Schema:
        """The same for the document."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string of up to `most` bytes of UTF-8."""

    most: int

    def check(self, value: Any, name: str) -> str:
        """See Rule."""
        if not isinstance(value, str):
            raise BadRequest(f"the field {name!r} must be a string")
        try:
            size = len(value.encode())
        except UnicodeEncodeError as error:
            raise BadRequest(f"the field {name!r} is not text: half a surrogate pair") from error
        if size > self.most:
            raise TooLarge(f"the field {name!r} has {size} bytes, allowed are {self.most}")
        return value

    @property
    def schema(self) -> Schema:
        """See Rule. What JSON Schema counts are characters."""
        return {"type": "string", "maxLength": self.most, "description": f"Up to {self.most} bytes of UTF-8."}


@dataclass(frozen=True, slots=True)
class Key:
    """A name of the sender's own choice: 1 to `most` bytes, none of them NUL."""

    most: int

    def check(self, value: Any, name: str) -> str:
        """See Rule."""
        try:
            key = Text(self.most).check(value, name)
        except TooLarge as error:  # for a name that is simply wrong
            raise BadRequest(error.message) from error
        if not key or "\0" in key:
            raise BadRequest(f"the field {name!r} must have 1 to {self.most} bytes, none of them NUL")
        return key

    @property
    def schema(self) -> Schema:
        """See Rule."""
        return Text(self.most).schema | {"minLength": 1, "pattern": "^[^\\u0000]*$"}


@dataclass(frozen=True, slots=True)
class Like:
    """A string of ASCII like this regular expression, which means the same in ECMA-262."""

    pattern: str

    def check(self, value: Any, name: str) -> str:
        """See Rule."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise BadRequest(f"{name} is {str(value)[:80]!r}, which it cannot be", hint=f"it is like {self.pattern}")
        return value

    @property
    def schema(self) -> Schema:
        """See Rule."""
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in a range."""

    least: int
    most: int

    def check(self, value: Any, name: str) -> int:
        """See Rule. To JSON, 60.0 is a whole number too."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            raise BadRequest(f"the field {name!r} must be a whole number from {self.least} to {self.most}")
        return value

    @property
    def schema(self) -> Schema:
        """See Rule."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Amount:
    """A number from 0 to `most`."""

    most: float

    def check(self, value: Any, name: str) -> float:
        """See Rule."""
        # Not a number (JSON of Python's has NaN) is not in the range either.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= self.most:
            raise BadRequest(f"the field {name!r} must be a number from 0 to {self.most:.0f}")
        return float(value)

    @property
    def schema(self) -> Schema:
        """See Rule."""
        return {"type": "number", "minimum": 0, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    def check(self, value: Any, name: str) -> str:
        """See Rule."""
        if value not in self.words:
            raise BadRequest(f"{name} is {str(value)[:40]!r}", hint=f"allowed: {', '.join(self.words)}")
        return str(value)

    @property
    def schema(self) -> Schema:
        """See Rule."""
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number in a query. `default` if it is not there; what is over `most` counts as `most`."""

    default: int
    most: int

    def check(self, value: Any, name: str) -> int:
        """See Rule."""
        if not (value.isascii() and value.isdecimal()) or len(value) > DIGITS:
            raise BadRequest(f"{name} is {value[:40]!r}, not a whole number")
        return min(int(value), self.most)

    @property
    def schema(self) -> Schema:
        """See Rule."""
        words = f"More than {self.most} counts as {self.most}."
        return Whole(0, 10**DIGITS - 1).schema | {"default": self.default, "description": words}


@dataclass(frozen=True, slots=True)
class Field:
    """A field with its rule. Null is as good as not there, and gives `default` if it need not be there."""

    name: str
    rule: Rule
    needed: bool
    default: Any = None

    def read(self, given: Mapping[str, Any]) -> Any:
        """Its value. Raises BadRequest, TooLarge."""
        value = given.get(self.name)
        if value is not None:
            return self.rule.check(value, self.name)
        if self.needed:
            raise BadRequest(f"the field {self.name!r} is missing")
        return self.default

    @property
    def schema(self) -> Schema:
        """What may be in a body."""
        return self.rule.schema if self.needed else or_null(self.rule.schema)


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with these fields and no others."""

    fields: tuple[Field, ...]

    def check(self, value: Any, name: str) -> dict[str, Any]:
        """See Rule."""
        if not isinstance(value, dict):
            raise BadRequest(f"the field {name!r} must be an object")
        return self.read(value)

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All of its fields. Raises BadRequest, TooLarge."""
        allowed = [field.name for field in self.fields]
        unknown = sorted(set(given) - set(allowed))
        if unknown:
            raise BadRequest(f"unknown field {unknown[0][:80]!r}", hint=f"allowed: {', '.join(allowed) or 'none'}")
        return {field.name: field.read(given) for field in self.fields}

    @property
    def needed(self) -> bool:
        """Whether something must be there."""
        return any(field.needed for field in self.fields)

    @property
    def schema(self) -> Schema:
        """See Rule."""
        properties = {field.name: field.schema for field in self.fields}
        needed = [field.name for field in self.fields if field.needed]
        whole: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        return whole | {"required": needed} if needed else whole


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def line(value: str, most: int) -> str:
    """Text for people in one line of up to `most` bytes: what a terminal would obey is a space, the rest is cut off."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    raw = plain.encode()
    if len(raw) <= most:
        return plain
    return raw[: most - len("…".encode())].decode(errors="ignore") + "…"
