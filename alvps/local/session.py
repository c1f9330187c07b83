"""Asking the daemon of this machine: what `alvps.push.session` is to a host's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alvps.errors import AlError
from alvps.host import control
from alvps.local.here import Here


class LocalSession:
    """One request at a time."""

    def __init__(self, here: Here) -> None:
        self._here = here

    @property
    def host(self) -> str:
        """What messages call it."""
        return self._here.name

    def control(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout: float = 65.0
    ) -> tuple[int, Any]:
        """One request to the daemon's control API: status and JSON. Raises AlError when it does not answer."""
        try:
            return control.request(str(self._here.control), method, path, body, timeout=timeout)
        except control.NoAnswer as error:
            raise AlError("the daemon on this machine does not answer", hint="al start starts it") from error
