"""The live set of credentials: files, or encrypted and given by systemd. It is the same to whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alvps.credentials import Credential, CredentialRef, FileStore, complete, sealed
from alvps.credentials.sealed import CannotUnseal

PATIENCE = 8.0  # seconds; less than those wait who ask whether all is ready
LISTENER = Path("/run/action-llama-credentials.sock")  # of systemd/action-llama-credentials.socket


class LiveCredentials:
    """What runs are given, out of one set whatever a push does meanwhile. For the pool's threads."""

    def __init__(self, folder: Path, listener: Path) -> None:
        self._folder = folder
        self._encrypted = sealed.Kept(folder, listener, PATIENCE)

    def get(self, refs: Sequence[CredentialRef]) -> dict[CredentialRef, Credential | None]:
        """All of these out of one set; None for those that are not there whole. Raises AlError, CannotUnseal."""
        if not refs:
            return {}  # who needs none is not kept waiting by a set that cannot be decrypted
        found = self._encrypted.get()
        if found is None:
            # Resolved first: a push exchanges the whole set.
            store = FileStore((self._folder / "current").resolve())
            return {ref: store.get(ref) for ref in refs}
        return {ref: complete(ref, found.values.get(f"{ref.type}/{ref.instance}")) for ref in refs}

    def trouble(self) -> str | None:
        """Why no run could be given a credential now."""
        try:
            self._encrypted.get()
        except CannotUnseal as error:
            return error.message
        return None
