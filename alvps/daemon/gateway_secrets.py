"""The secrets that webhooks are checked with: `<folder>/current/<type>/<instance>/secret`, written by a push.

A file holds the value and one newline, as everywhere in the product's stores. What is missing is no error: the daemon
works, and the source whose secret it is refuses what it cannot check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alvps.credentials import CredentialRef
from alvps.project import Project

FOLDER = Path("/var/lib/action-llama-gateway/credentials")  # on an installed host
FIELD = "secret"


@dataclass(frozen=True, slots=True)
class Secrets:
    """By the name of a source: its secrets, never shown, and the credentials that are missing."""

    values: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def warnings(self) -> list[str]:
        """What is wrong, for the status."""
        return [
            f"the webhook source {source!r} refuses what it cannot check: the credential {name} is not on this host"
            for source, names in self.missing.items()
            for name in names
        ]


def load(folder: Path, project: Project) -> Secrets:
    """The secrets of all sources of the project. Blocks; raises nothing."""
    try:
        # Resolved once: a push that goes on meanwhile does not mix two sets.
        place = (folder / "current").resolve(strict=True)
    except OSError:
        place = folder / "current"
    values: dict[str, tuple[bytes, ...]] = {}
    missing: dict[str, tuple[str, ...]] = {}
    for source in project.webhooks:
        found = {ref: _read(place, ref) for ref in source.secrets}
        values[source.name] = tuple(value for value in found.values() if value)
        absent = tuple(str(ref) for ref, value in found.items() if not value)
        if absent:
            missing[source.name] = absent
    return Secrets(values, missing)


def _read(place: Path, ref: CredentialRef) -> bytes | None:
    try:
        return (place / ref.type / ref.instance / FIELD).read_bytes().removesuffix(b"\n")
    except OSError:
        return None
