"""Tell the gateway what the run has used and why it fails: POST /report.

The gateway listens on the Unix socket AL_GATEWAY_SOCKET, or at GATEWAY_URL; without either there is none. A report is
sent in the background and may fail: it carries totals, so the next one makes good for it. Only the last is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping

PATIENCE = 3.0  # seconds for one report; the last is waited for so long


class Reporter:
    """Sends the newest report there is; reports that come while one is on its way replace each other."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._socket = environ.get("AL_GATEWAY_SOCKET") or None
        self._url = environ.get("GATEWAY_URL") or None
        self._secret = environ.get("SHUTDOWN_SECRET") or ""
        self._next: dict[str, object] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def present(self) -> bool:
        """Whether there is a gateway."""
        return bool(self._socket or self._url)

    def send(self, report: dict[str, object]) -> None:
        """Send it in the background."""
        if not self.present:
            return
        self._next = {**(self._next or {}), **report}
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def close(self) -> None:
        """Wait for the last report, at most PATIENCE seconds."""
        last, self._next = self._next, None
        if self._task is not None:
            if last is None:
                await asyncio.wait((self._task,), timeout=PATIENCE)
            self._task.cancel()  # a gateway that hangs over an older report takes nothing of the last one's time
        if last is not None:
            await self._try(last)

    async def _drain(self) -> None:
        while self._next is not None:
            report, self._next = self._next, None
            await self._try(report)

    async def _try(self, report: dict[str, object]) -> None:
        with contextlib.suppress(OSError, asyncio.TimeoutError, ValueError, EOFError):
            await asyncio.wait_for(self._post(report), PATIENCE)

    async def _post(self, report: dict[str, object]) -> None:
        body = json.dumps(report).encode()
        host = "gateway"
        if self._socket:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        else:
            host, port, tls = _address(self._url or "")
            reader, writer = await asyncio.open_connection(host, port, ssl=tls or None)
        try:
            head = (
                f"POST /report HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self._secret}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + body)
            await writer.drain()
            await reader.readline()  # the status: read so that the request is not cut, and nothing depends on it
        finally:
            writer.close()


def _address(url: str) -> tuple[str, int, bool]:
    """Host, port and whether it is TLS. Raises ValueError for what is no such address."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"GATEWAY_URL is not an HTTP address: {url!r}")
    tls = parts.scheme == "https"
    return parts.hostname, parts.port or (443 if tls else 80), tls
