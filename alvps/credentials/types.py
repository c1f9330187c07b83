"""The types by name, and what can be said of a value by the type and the field that it belongs to."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from alvps.credentials.builtin import BUILTIN
from alvps.credentials.schema import CredentialType, Field

__all__ = ["TYPES", "CredentialType", "Field", "closest_type", "secret_names", "type_named"]

TYPES = {type_.id: type_ for type_ in BUILTIN}


def type_named(id_: str) -> CredentialType | None:
    """The built-in type, or None for one that the user made up."""
    return TYPES.get(id_)


def closest_type(id_: str) -> str | None:
    """The built-in type that a misspelt name most likely means."""
    close = difflib.get_close_matches(id_, TYPES, n=1, cutoff=0.75)
    return close[0] if close else None


def secret_names(id_: str, names: Iterable[str]) -> tuple[str, ...]:
    """Which of an instance's fields are secret, in the order given: all that the table does not call harmless."""
    type_ = type_named(id_)

    def harmless(name: str) -> bool:
        field = type_.field(name) if type_ else None
        return field is not None and not field.secret

    return tuple(name for name in names if not harmless(name))
