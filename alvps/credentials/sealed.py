"""A host's credentials where they lie on its disk encrypted: systemd decrypts them for whoever may ask.

Each connection to the listener (systemd/action-llama-credentials.socket) is answered with the set that `current` points
to as JSON, {"set": name, "values": {"type/instance": {field: value}}}, or closed without a word if that cannot be done.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import NamedTuple

from alvps.errors import AlError

_SEALED = "sealed-"
_TRIES = 3  # a push may exchange the set while it is asked for, and a busy system may fail once


class CannotUnseal(AlError):
    """The credentials are on the disk, and nobody can read them."""


class Unsealed(NamedTuple):
    """A set: its name, and by "type/instance" the fields."""

    name: str
    values: dict[str, dict[str, str]]


class Kept:
    """The live set, asked for once and then kept: it never changes under its name. For any number of threads.

    `seconds`: how long somebody who asks may be kept waiting.
    """

    def __init__(self, folder: Path, listener: Path, seconds: float) -> None:
        self._folder = folder
        self._listener = listener
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: Unsealed | None = None

    def get(self) -> Unsealed | None:
        """The live set; None if that is not encrypted. Blocks. Raises CannotUnseal."""
        name = live(self._folder)
        if name is None:
            return None
        with self._lock:
            if self._kept is None or self._kept.name != name:
                self._kept = None
                self._kept = unseal(self._folder, self._listener, self._seconds)
            return self._kept


def live(folder: Path) -> str | None:
    """The name of the set that `current` in this folder points to, if that is encrypted."""
    try:
        name = (folder / "current").readlink().name
    except OSError:
        return None
    return name if name.startswith(_SEALED) else None


def unseal(folder: Path, listener: Path, seconds: float) -> Unsealed:
    """The live set. Blocks for up to that long: a TPM takes its time, and so does a busy host. Raises CannotUnseal."""
    end = time.monotonic() + seconds
    trouble = CannotUnseal(f"the set of credentials in {folder} is exchanged again and again")
    for _ in range(_TRIES):
        try:
            found = _ask(listener, max(0.1, end - time.monotonic()))
        except CannotUnseal as error:  # noqa: PERF203 - three rounds at most
            trouble = error
        else:
            if found.name == live(folder):
                return found
    raise trouble


def _ask(listener: Path, seconds: float) -> Unsealed:
    received = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect(str(listener))
            while piece := connection.recv(65536):
                received += piece
    except OSError as error:
        raise CannotUnseal(f"the credentials cannot be asked for at {listener}: {error.strerror or error}") from error
    try:
        document = json.loads(received)
        return Unsealed(document["set"], document["values"])
    except (ValueError, KeyError, TypeError):
        unit = f"{listener.stem}@*"
        raise CannotUnseal(
            "the credentials on this host's disk cannot be decrypted, perhaps as it was another machine's:"
            f" `al push` sends them anew (the reason: journalctl -u '{unit}')"
        ) from None
