"""One HTTP request over a Unix socket: the daemon's control API.

Written by hand because importing http.client (email, ssl) costs 12 ms of every push. The server is our own daemon.
"""

from __future__ import annotations

import _socket  # the part in C: what `socket` adds, names for numbers, costs 8 ms of every push
import contextlib
import json
from typing import Any

_MAX_ANSWER = 8 << 20


class NoAnswer(OSError):
    """Nobody listens on the socket, or the answer was cut or is not HTTP."""


def request(path: str, method: str, target: str, body: Any = None, *, timeout: float) -> tuple[int, Any]:
    """Status code and JSON of the answer. `timeout` bounds each wait, in seconds. Raises NoAnswer, ValueError."""
    if not target.startswith("/") or any(c <= " " or c > "~" for c in target) or not method.isalpha():
        raise ValueError(f"{method!r} {target!r} is no request")
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {target} HTTP/1.1\r\nHost: al\r\nConnection: close\r\nAccept: application/json\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    with contextlib.closing(_socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(path)
            connection.sendall(head.encode() + b"\r\n" + content)
            answer = _read_answer(connection)
        except OSError as error:
            raise NoAnswer(f"no answer from {path}: {error}") from error
    return _parse(answer)


def _read_answer(connection: _socket.socket) -> bytes:
    data = b""
    while True:
        piece = connection.recv(65536)
        data += piece
        if len(data) > _MAX_ANSWER:
            raise NoAnswer("the answer is too long")
        head, found, rest = data.partition(b"\r\n\r\n")
        length = _length(head) if found else None
        if not piece or (length is not None and len(rest) >= length):
            return data


def _length(head: bytes) -> int | None:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return None


def _parse(answer: bytes) -> tuple[int, Any]:
    head, found, rest = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split(b" ")
    if not found or len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise NoAnswer("the answer is not HTTP")
    length = _length(head)
    if length is not None and len(rest) < length:
        raise NoAnswer("the answer was cut")
    text = rest if length is None else rest[:length]
    if b"transfer-encoding: chunked" in head.lower():
        text = _joined(rest)
    if not text:
        return int(words[1]), None
    try:
        return int(words[1]), json.loads(text)
    except ValueError:
        return int(words[1]), {"error": text.decode(errors="replace")[:2000]}


def _joined(rest: bytes) -> bytes:
    parts: list[bytes] = []
    while rest:
        size, found, rest = rest.partition(b"\r\n")
        try:
            count = int(size.split(b";")[0], 16)
        except ValueError as error:
            raise NoAnswer("a chunked answer is broken") from error
        if count == 0:
            return b"".join(parts)
        if not found or len(rest) < count:
            raise NoAnswer("the answer was cut")
        parts.append(rest[:count])
        rest = rest[count + 2 :]
    raise NoAnswer("the answer was cut")
