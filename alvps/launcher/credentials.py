"""The live set of credentials: files, or encrypted and given by systemd. It is the same to whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from alvps.credentials import Credential, CredentialRef, FileStore, complete, sealed
from alvps.credentials.sealed import CannotUnseal, Unsealed

PATIENCE = 8.0  # seconds; less than those wait who ask whether all is ready
LISTENER = Path("/run/action-llama-credentials.sock")  # of systemd/action-llama-credentials.socket


class LiveCredentials:
    """Used in the pool's threads. An encrypted set is asked for once and then kept: it never changes under its name."""

    def __init__(self, folder: Path, listener: Path) -> None:
        self._folder = folder
        self._listener = listener
        self._lock = threading.Lock()
        self._kept: Unsealed | None = None

    def get(self, refs: Sequence[CredentialRef]) -> dict[CredentialRef, Credential | None]:
        """All of these out of one set; None for those that are not there whole. Raises AlError, CannotUnseal."""
        if not refs:
            return {}  # who needs none is not kept waiting by a set that cannot be decrypted
        name = sealed.live(self._folder)
        if name is None:
            # Resolved first: a push exchanges the whole set.
            store = FileStore((self._folder / "current").resolve())
            return {ref: store.get(ref) for ref in refs}
        values = self._unsealed(name).values
        return {ref: complete(ref, values.get(f"{ref.type}/{ref.instance}")) for ref in refs}

    def trouble(self) -> str | None:
        """Why no run could be given a credential now."""
        name = sealed.live(self._folder)
        try:
            if name is not None:
                self._unsealed(name)
        except CannotUnseal as error:
            return error.message
        return None

    def _unsealed(self, name: str) -> Unsealed:
        with self._lock:
            if self._kept is None or self._kept.name != name:
                self._kept = None
                self._kept = sealed.unseal(self._folder, self._listener, PATIENCE)
            return self._kept
