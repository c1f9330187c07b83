"""A gateway that answers as a script says, on a Unix socket or over TCP or TLS. It can answer what no gateway would.

The HTTP is written out here, because the wrong answers that commands must bear cannot be made with a library.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECRET = "r0123456789.1.0b5ec7e7"


@dataclass(frozen=True, slots=True)
class Request:
    """What a command sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Reply:
    """What it gets. `raw` instead of everything else; `cut` ends the connection after so many bytes of the answer."""

    status: int = 200
    body: bytes | dict[str, Any] = field(default_factory=lambda: {"ok": True})
    chunked: int = 0  # bytes of a chunk
    raw: bytes | None = None
    cut: int | None = None
    until: threading.Event | None = None  # answered only when this is set
    pieces: int = 0  # sent in pieces of so many bytes, with a pause between them
    hold: bool = False  # the connection stays open after the answer

    def render(self) -> bytes:
        if self.raw is not None:
            return self.raw
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        head = f"HTTP/1.1 {self.status} Whatever\r\nContent-Type: application/json\r\n"
        if not self.chunked:
            return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        parts = [body[at : at + self.chunked] for at in range(0, len(body), self.chunked)]
        chunks = b"".join(b"%x;x=y\r\n%b\r\n" % (len(part), part) for part in parts)
        return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\nTrailer: x\r\n\r\n"


Script = Callable[[Request], Reply]


class FakeGateway:
    """Use as a context manager, or begin() and end(). Every request is in `requests`, in the order of arrival."""

    def __init__(
        self, script: Script | Reply, *, folder: Path | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """On a Unix socket in `folder`, or else on a port of this machine."""
        self.script: Script = script if callable(script) else lambda _: script
        self.requests: list[Request] = []
        self._arrived = threading.Condition()
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self._accepting: threading.Thread | None = None
        self.path = folder / "gateway.sock" if folder else None
        self.listener = socket.socket(socket.AF_UNIX if folder else socket.AF_INET)
        self.listener.bind(str(self.path) if self.path else ("127.0.0.1", 0))
        self.listener.listen(256)

    @property
    def env(self) -> dict[str, str]:
        """What a run's environment says about this gateway."""
        scheme = "https" if self._tls else "http"
        where = {"AL_GATEWAY_SOCKET": str(self.path), "GATEWAY_URL": "http://gateway"}
        if not self.path:
            where = {"GATEWAY_URL": f"{scheme}://localhost:{self.listener.getsockname()[1]}"}
        return {**where, "SHUTDOWN_SECRET": SECRET}

    def __enter__(self) -> FakeGateway:  # noqa: PYI034  # typing.Self is not in Python 3.10
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self.listener.close()

    def begin(self) -> None:
        """Answer. Connections that waited meanwhile are served, as with a socket that systemd holds."""
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def end(self) -> None:
        """Stop answering and cut every connection, as a daemon that is killed. The socket itself stays."""
        thread, self._accepting = self._accepting, None
        if thread is not None:
            thread.join()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait_for(self, count: int, seconds: float = 20) -> None:
        """Until so many requests have come."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.requests) >= count, seconds), self.requests

    def _accept(self) -> None:
        self.listener.settimeout(0.02)
        while self._accepting is not None:
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        with contextlib.suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._connections.add(connection)
            with connection:
                request = _read(connection)
                with self._arrived:
                    self.requests.append(request)
                    self._arrived.notify_all()
                self._answer(connection, self.script(request))
        self._connections.discard(connection)

    @staticmethod
    def _answer(connection: socket.socket, reply: Reply) -> None:
        if reply.until is not None:
            reply.until.wait(60)
        data = reply.render()[: reply.cut]
        for piece in _pieces(data, reply.pieces):
            connection.sendall(piece)
        if reply.hold:
            connection.recv(1)


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    if not size:
        yield data
        return
    for at in range(0, len(data), size):
        yield data[at : at + size]
        time.sleep(0.001)  # so that the reader gets them one by one; nothing depends on it


def _read(connection: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or _gone()
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = bytearray(rest)
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(1 << 20) or _gone()
    return Request(method, target, headers, bytes(body))


def _gone() -> bytes:
    raise ConnectionError("the command went away")
