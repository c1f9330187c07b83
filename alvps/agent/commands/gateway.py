"""The gateway of this run: where it is, how to connect, one request and its answer.

AL_GATEWAY_SOCKET is a Unix socket; else GATEWAY_URL is an http or https address; with neither there is no gateway.
SHUTDOWN_SECRET is the run's token. It travels in a header: addresses land in logs, arguments in the list of processes.
"""

from __future__ import annotations

import _socket
import os
import time

from alvps.agent.commands.answer import Answer, Cut
from alvps.agent.commands.failure import FORBIDDEN, TIMED_OUT, UNAVAILABLE, UNREACHABLE, Failure, Lost, Unreachable
from alvps.agent.commands.tiny_json import to_bytes

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
PIECE = 1 << 16
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~")


class Gateway:
    """Where requests go. Every request has a connection of its own."""

    __slots__ = ("_path", "_token", "_url")

    def __init__(self, path: str, url: str, token: str) -> None:
        """`path` of a Unix socket, or "" and the `url`. Raises Failure for a token that cannot be in a header."""
        if not (token.isascii() and token.isprintable()):
            reason = "SHUTDOWN_SECRET is not a token"
            raise Failure(FORBIDDEN, reason, f"{reason}: leave it as the run's environment has it; nothing was sent")
        self._path = path
        self._url = url
        self._token = token

    def open(self, seconds: float) -> _socket.socket:
        """A connection, made within this time. Raises Unreachable."""
        if not self._path:
            from alvps.agent.commands import address

            return address.connect(address.parse(self._url), seconds)
        try:
            connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        except OSError as error:
            raise Unreachable(str(error)) from None
        try:
            connection.settimeout(seconds)
            connection.connect(self._path)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            connection.close()
            raise Unreachable(f"{self._path}: {error}") from None
        return connection

    def request(self, method: str, path: str, body: str | None = None) -> bytes:
        """The bytes of a request; `body` is a JSON document. Raises Unreachable when GATEWAY_URL is no address."""
        host = "gateway"
        if not self._path:
            from alvps.agent.commands import address

            where = address.parse(self._url)
            host, path = where.host_header, where.prefix + path
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Accept: application/json", "Connection: close"]
        if self._token:
            lines.append(f"Authorization: Bearer {self._token}")
        content = b""
        if body is not None:
            content = to_bytes(body)
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + content

    def ask(self, method: str, path: str, body: str | None = None) -> Answer:
        """One request, never repeated: it may have done something. Raises Unreachable, Lost or NotUnderstood."""
        request = self.request(method, path, body)
        connection = self.open(CONNECT_SECONDS)
        end = time.monotonic() + TOTAL_SECONDS
        unknown = ": it is unknown whether the request arrived" if method != "GET" else ""
        try:
            _send(connection, request)
            answer = Answer()
            while not answer.whole:
                connection.settimeout(max(end - time.monotonic(), 0.001))
                answer.feed(connection.recv(PIECE))
        except TimeoutError:
            reason = f"no answer from the gateway within {TOTAL_SECONDS:.0f} s{unknown}"
            raise Lost(TIMED_OUT, reason, reason) from None
        except (OSError, Cut):
            reason = f"the gateway ended the connection without an answer{unknown}"
            raise Lost(UNREACHABLE, reason, reason) from None
        finally:
            connection.close()
        return answer


def _send(connection: _socket.socket, request: bytes) -> None:
    connection.settimeout(TOTAL_SECONDS)
    try:
        connection.sendall(request)
    except TimeoutError:
        raise
    except OSError:
        return  # the gateway reads no further, but may have answered: that the request is too long, for instance


def find() -> Gateway | None:
    """The gateway that the environment names, if it names one."""
    path, url = os.environ.get("AL_GATEWAY_SOCKET", ""), os.environ.get("GATEWAY_URL", "")
    return Gateway(path, url, os.environ.get("SHUTDOWN_SECRET", "")) if path or url else None


def required(otherwise: str) -> Gateway:
    """The gateway. Raises Failure that says what could not be done without one."""
    found = find()
    if found is None:
        reason = f"no gateway: {otherwise}"
        raise Failure(UNAVAILABLE, reason, f"{reason}; neither AL_GATEWAY_SOCKET nor GATEWAY_URL is set")
    return found


def segment(text: str) -> str:
    """A part of a path, in which nothing has a meaning of its own."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode("utf-8"))
