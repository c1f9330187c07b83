"""One credential with its values; it never shows them by accident."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from alvps.credentials.refs import CredentialRef
from alvps.credentials.types import type_named


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An instance of a type. `fields`: field name to value; repr shows the names only."""

    type: str
    instance: str
    fields: dict[str, str] = field(repr=False)

    @property
    def ref(self) -> CredentialRef:
        """What names it."""
        return CredentialRef(self.type, self.instance)

    def __repr__(self) -> str:
        return f"Credential({str(self.ref)!r}, fields={sorted(self.fields)})"


def env_of(credential: Credential) -> dict[str, str]:
    """The environment variables that its type defines; none for a type that is not built in."""
    type_ = type_named(credential.type)
    if type_ is None:
        return {}
    found: dict[str, str] = {}
    for part in (part for form in type_.forms for part in form if part.name in credential.fields):
        for name in part.variables:
            found.setdefault(name, credential.fields[part.name])
    return found


def canonical(credentials: Iterable[Credential]) -> bytes:
    """The same credentials always as the same bytes, for digests and for the wire: a JSON list, sorted."""
    ordered = sorted(credentials, key=lambda credential: (credential.type, credential.instance))
    rows = [{"type": one.type, "instance": one.instance, "fields": one.fields} for one in ordered]
    return json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
