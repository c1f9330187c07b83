"""The values of a credential when nobody types them: from standard input and files, never from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alvps.credentials import CredentialRef, CredentialType
from alvps.credentials.instance import FIELD_NAME, MAX_VALUE
from alvps.credentials.schema import absent, described
from alvps.errors import UsageError


@dataclass(frozen=True, slots=True)
class Expected:
    """The fields that `ref` may have: its type's, or those that --field names for a type of the user's own."""

    ref: CredentialRef
    type_: CredentialType | None
    own: tuple[str, ...] = ()

    def knows(self, name: str) -> bool:
        """Whether there is such a field; without a type or names any will do."""
        if self.type_ is not None:
            return self.type_.field(name) is not None
        return name in self.own if self.own else bool(FIELD_NAME.fullmatch(name))

    @property
    def fields(self) -> str:
        """The fields in words."""
        if self.type_ is not None:
            return described(self.type_)
        return ", ".join(self.own) or "any names of a-z, 0-9 and _"

    @property
    def lone(self) -> str | None:
        """The field that a value without a name can only belong to."""
        needed = [field.name for field in self.type_.fields if not field.optional] if self.type_ else self.own
        return needed[0] if len(needed) == 1 else None

    def lacks(self, given: Iterable[str]) -> bool:
        """Whether something is still needed besides these fields."""
        there = set(given)
        if self.type_ is not None:
            return bool(absent(self.type_.form_of(there), there))
        return not there or not there.issuperset(self.own)


def of_files(options: Sequence[str], expected: Expected) -> dict[str, str]:
    """The fields that `--file NAME=PATH` names. Raises UsageError."""
    values: dict[str, str] = {}
    for option in options:
        name, equals, path = option.partition("=")
        if not equals or not path or not expected.knows(name):
            raise UsageError(
                f"--file {option[:80]!r} does not name a field and a file",
                hint=f"NAME=PATH, NAME being one of: {expected.fields}",
            )
        if name in values:
            raise UsageError(f"--file names the field {name} twice")
        values[name] = read_file(path)
    return values


def read_file(path: str) -> str:
    """A value from a file. Raises UsageError."""
    place = Path(path).expanduser()
    try:
        with place.open("rb") as file:
            data = file.read(MAX_VALUE + 2)
        text = data.decode()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text; a key file in a binary form must be converted first") from None
    if len(data) > MAX_VALUE + 1:
        raise UsageError(f"{path} is over {MAX_VALUE} bytes: that is no credential")
    return text


def of_text(text: str, expected: Expected) -> dict[str, str]:
    """The fields that standard input has: a JSON object, lines NAME=VALUE, or the only value there is to say.

    Raises UsageError, whose words hold nothing of the text.
    """
    if not text.strip():
        raise _unusable("standard input is empty", expected)
    if text.lstrip().startswith("{"):
        return _of_json(text, expected)
    if expected.knows(text.lstrip().partition("=")[0].strip()) and "=" in text.lstrip().partition("\n")[0]:
        return _of_lines(text, expected)
    if expected.lone is not None:
        return {expected.lone: text.removesuffix("\n")}
    raise _unusable("standard input is neither a JSON object nor lines NAME=VALUE", expected)


def _of_json(text: str, expected: Expected) -> dict[str, str]:
    try:
        values = json.loads(text, object_pairs_hook=_without_repeats)
    except ValueError as error:  # says where, not what
        raise _unusable(f"standard input is not a JSON object: {error}", expected) from None
    lone = expected.lone
    field = expected.type_.field(lone) if expected.type_ and lone else None
    if field and field.form == "service-account" and field.name not in values:
        return {field.name: text}  # the key file itself
    if not values or not all(isinstance(value, str) for value in values.values()):
        raise _unusable("standard input must be a JSON object of strings", expected)
    unknown = sorted(name for name in values if not expected.knows(name))
    if unknown:
        raise _unusable(f"{', '.join(map(repr, unknown))[:200]}: no such field", expected)
    return {name: str(value) for name, value in values.items()}


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name comes twice")
    return values


def _of_lines(text: str, expected: Expected) -> dict[str, str]:
    values: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        if not equals or not expected.knows(name.strip()):
            raise _unusable(f"line {number} of standard input is not NAME=VALUE with a field's name", expected)
        if name.strip() in values:
            raise _unusable(f"line {number} of standard input names its field again", expected)
        values[name.strip()] = value.removesuffix("\r")
    return values


def _unusable(what: str, expected: Expected) -> UsageError:
    name = expected.lone or "NAME"
    return UsageError(
        what,
        hint=f"the fields of {expected.ref}: {expected.fields}; for example:"
        f' printf %s \'{{"{name}": "…"}}\' | al creds add {expected.ref}',
    )
