"""An HTTP service on this machine that says what a test tells it to say, and remembers what it was asked."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Raw = Callable[["Asked"], "bytes | Iterable[bytes]"]  # a whole answer, or what stands for one, at once or in pieces


@dataclass(frozen=True)
class Asked:
    """One request. Names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeService:
    """`answer` makes the bytes that go back; one that is to come late waits for `over`, which is set at the end."""

    address: str
    answer: Raw
    asked: list[Asked] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def says(self, status: int, body: object = "", **headers: str) -> None:
        """Answer with this from now on: JSON, or text as it is."""
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.answer = lambda _: "\r\n".join([*lines, "", ""]).encode() + data

    def says_raw(self, answer: Raw) -> None:
        """Answer with these bytes from now on."""
        self.answer = answer


@contextmanager
def fake_service(tls: ssl.SSLContext | None = None) -> Iterator[FakeService]:
    """A running service; it is gone afterwards, with every connection. With `tls` it speaks that."""
    service = FakeService(address="", answer=lambda _: b"")

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # whoever asked does not wait for ever, or does not trust the certificate
                self.one()

        def one(self) -> None:
            first = self.rfile.readline().decode("latin-1").split()
            if len(first) != 3 or not first[2].startswith("HTTP/"):
                return  # no HTTP: the beginning of TLS, say
            headers = {}
            while line := self.rfile.readline().strip().decode("latin-1"):
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", 0)))
            asked = Asked(first[0], first[1], headers, body)
            service.asked.append(asked)
            answer = service.answer(asked)
            for piece in [answer] if isinstance(answer, bytes) else answer:
                self.wfile.write(piece)

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls:
            # The handshake is left to the handler's thread.
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        service.address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            service.over.set()
            server.shutdown()
            thread.join()
