"""What a type of credential is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

# What a value must look like; `alvps.credentials.formats` has the rule for each.
Form: TypeAlias = Literal[
    "text", "token", "email", "number", "ed25519-hex", "private-key", "public-key", "service-account"
]


@dataclass(frozen=True, slots=True)
class Field:
    """One file of a credential. `env`: the variable that carries its value, if any; `aliases`: others that do too."""

    name: str
    secret: bool = True
    env: str | None = None
    aliases: tuple[str, ...] = ()
    optional: bool = False  # may be left out; then there is no file
    form: Form = "text"
    prefix: str | None = None  # that every value of it begins with
    least: int = 1  # characters

    @property
    def variables(self) -> tuple[str, ...]:
        """Every variable that carries the value."""
        return ((self.env,) if self.env else ()) + self.aliases


@dataclass(frozen=True, slots=True)
class CredentialType:
    """A kind of credential. `context`: what the prompt says about it, or None when an agent has no use for it.

    `older`: the fields that it had in an earlier version, if other ones; what was stored then is as good as ever.
    """

    id: str
    label: str
    fields: tuple[Field, ...]
    context: str | None = None
    older: tuple[Field, ...] = ()

    @property
    def forms(self) -> tuple[tuple[Field, ...], ...]:
        """The sets of fields that an instance may consist of, the preferred one first."""
        return (self.fields, self.older) if self.older else (self.fields,)

    @property
    def env(self) -> tuple[str, ...]:
        """Every variable that an instance of this type may set, in the order of its fields."""
        return tuple(dict.fromkeys(name for form in self.forms for field in form for name in field.variables))

    def field(self, name: str) -> Field | None:
        """The field of that name, in any of the forms."""
        return next((field for form in self.forms for field in form if field.name == name), None)

    def form_of(self, names: Iterable[str]) -> tuple[Field, ...]:
        """The form that these names of fields come closest to: fewest missing, then fewest that are not in it."""
        there = set(names)
        return min(self.forms, key=lambda form: (len(absent(form, there)), len(there - {field.name for field in form})))


def absent(form: tuple[Field, ...], names: Iterable[str]) -> tuple[str, ...]:
    """The fields of a form that must be there and are not among these names."""
    there = set(names)
    return tuple(field.name for field in form if not field.optional and field.name not in there)


def described(type_: CredentialType) -> str:
    """The fields of a type in words, those that may be left out in brackets: "[id_rsa], username, email"."""
    return " or ".join(
        ", ".join(f"[{field.name}]" if field.optional else field.name for field in form) for form in type_.forms
    )
