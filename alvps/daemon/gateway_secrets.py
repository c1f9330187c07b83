"""The secrets that webhooks are checked with: `<folder>/current/<type>/<instance>/secret`, written by a push.

A file holds the value and one newline, as everywhere in the product's stores; where the host can, the whole set is
encrypted instead and given by systemd. What is missing is no error: the daemon works, and the source whose secret it is
refuses what it cannot check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alvps.credentials import CredentialRef, sealed
from alvps.project import Project

FOLDER = Path("/var/lib/action-llama-gateway/credentials")  # on an installed host
PATIENCE = 30.0  # seconds; a daemon that starts with the host has nobody to read them again later
LISTENER = Path("/run/action-llama-webhook-secrets.sock")  # of systemd/action-llama-webhook-secrets.socket
FIELD = "secret"


@dataclass(frozen=True, slots=True)
class Secrets:
    """By the name of a source: its secrets, never shown, and the credentials that are missing."""

    values: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    trouble: str | None = None  # why none could be read

    def warnings(self) -> list[str]:
        """What is wrong, for the status."""
        return (
            [f"webhooks: {self.trouble}"]
            if self.trouble
            else [
                f"the webhook source {source!r} refuses what it cannot check: the credential {name} is not on this host"
                for source, names in self.missing.items()
                for name in names
            ]
        )


class GatewaySecrets:
    """Reads them for one daemon. `folder`: where a push leaves them, by default that of an installed host."""

    def __init__(self, folder: Path | None = None, listener: Path = LISTENER) -> None:
        self._folder = folder or FOLDER
        self._encrypted = sealed.Kept(self._folder, listener, PATIENCE)

    def load(self, project: Project) -> Secrets:
        """The secrets of all sources of the project. Blocks; raises nothing."""
        if not project.webhooks:
            return Secrets()  # and nobody waits for systemd
        trouble = None
        try:
            read = self._reader()
        except sealed.CannotUnseal as error:
            read, trouble = _nothing, error.message
        values: dict[str, tuple[bytes, ...]] = {}
        missing: dict[str, tuple[str, ...]] = {}
        for source in project.webhooks:
            found = {ref: read(ref) for ref in source.secrets}
            values[source.name] = tuple(value for value in found.values() if value)
            absent = tuple(str(ref) for ref, value in found.items() if not value)
            if absent:
                missing[source.name] = absent
        return Secrets(values, missing, trouble if missing else None)

    def _reader(self) -> Callable[[CredentialRef], bytes | None]:
        """What finds a secret, in one set, whatever a push does meanwhile. Raises CannotUnseal."""
        encrypted = self._encrypted.get()
        if encrypted is not None:
            values = encrypted.values
            return lambda ref: values.get(f"{ref.type}/{ref.instance}", {}).get(FIELD, "").encode()
        try:
            place = (self._folder / "current").resolve(strict=True)
        except OSError:
            return _nothing
        return lambda ref: _read(place, ref)


def _nothing(_: CredentialRef) -> None:
    return None


def _read(place: Path, ref: CredentialRef) -> bytes | None:
    try:
        return (place / ref.type / ref.instance / FIELD).read_bytes().removesuffix(b"\n")
    except OSError:
        return None
