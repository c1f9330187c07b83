"""One request over a Unix socket, and everything that can come back."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alvps.host.control import NoAnswer, request


@contextmanager
def server(*pieces: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A socket that answers one request with these pieces and closes."""
    seen: list[bytes] = []
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = str(Path(folder) / "s")
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                seen.append(connection.recv(65536))
                for piece in pieces:
                    connection.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        yield path, seen
        thread.join(5)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",), (200, {})),
        ((b"HTTP/1.1 2", b"00 OK\r\ncontent-length:7\r\n\r", b"\n[1, ", b"2]\n"), (200, [1, 2])),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), (204, None)),
        ((b"HTTP/1.0 409 Conflict\r\n\r\n", b'{"error":"no"}'), (409, {"error": "no"})),
        ((b"HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\noops",), (500, {"error": "oops"})),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2;x\r\n2]\r\n0\r\n\r\n",), (200, [1, 2])),
    ],
)
def test_answers(pieces: tuple[bytes, ...], expected: object) -> None:
    with server(*pieces) as (path, seen):
        assert request(path, "POST", "/runs", {"agent": "ü"}, timeout=5) == expected
    assert seen[0].startswith(b"POST /runs HTTP/1.1\r\n")
    assert seen[0].endswith(b'{"agent": "\\u00fc"}')


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"SSH-2.0-OpenSSH\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",),
    ],
)
def test_no_answers(pieces: tuple[bytes, ...]) -> None:
    with server(*pieces) as (path, _), pytest.raises(NoAnswer):
        request(path, "GET", "/status", timeout=5)


def test_nobody_listens() -> None:
    with pytest.raises(NoAnswer, match="no-such-socket"):
        request("/no-such-socket", "GET", "/", timeout=1)


@pytest.mark.parametrize("target", ["status", "/a b", "/a\r\nX: 1", "/\u00e9", ""])
def test_a_target_cannot_be_more_than_one(target: str) -> None:
    with pytest.raises(ValueError, match="is no request"):
        request("/no-such-socket", "GET", target, timeout=1)
