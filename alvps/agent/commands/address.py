"""The gateway at GATEWAY_URL: its parts, and a connection over TCP or TLS. Loaded only when there is no Unix socket."""

from __future__ import annotations

import _socket
import _thread
import time

from alvps.agent.commands.failure import Unreachable

_PORTS = {"http": 80, "https": 443}


class Address:
    """The parts of an address. `prefix` is a path without a slash at its end."""

    __slots__ = ("host", "host_header", "port", "prefix", "secure")

    def __init__(self, *, secure: bool, host: str, port: int, host_header: str, prefix: str) -> None:
        self.secure = secure
        self.host = host
        self.port = port
        self.host_header = host_header
        self.prefix = prefix


def parse(url: str) -> Address:
    """Raises Unreachable for anything but http(s)://HOST[:PORT][/PATH]."""
    wrong = Unreachable("GATEWAY_URL is not an address like http://HOST:PORT")  # not shown: it may hold a password
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    scheme = scheme.lower()
    plain = url.isascii() and url.isprintable() and not {" ", "@", "?", "#", "\\"} & set(url)
    if not (mark and plain and scheme in _PORTS):
        raise wrong
    if authority.startswith("["):
        host, bracket, port = authority[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise wrong
        port = port[1:]
    else:
        host, _, port = authority.partition(":")
    if not host or (port and not (port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536)):
        raise wrong
    return Address(
        secure=scheme == "https",
        host=host,
        port=int(port) if port else _PORTS[scheme],
        host_header=authority,
        prefix=(slash + path).rstrip("/"),
    )


def connect(address: Address, seconds: float) -> _socket.socket:
    """A connection to the first of the host's addresses that answers. Raises Unreachable."""
    end = time.monotonic() + seconds
    where = f"{address.host}:{address.port}"
    why = "no such host"
    for family, kind, protocol, _, peer in _resolve(address.host, address.port, seconds):
        connection = _socket.socket(family, kind, protocol)
        try:
            connection.settimeout(max(end - time.monotonic(), 0.001))
            connection.connect(peer)
            return _encrypted(connection, address.host) if address.secure else connection
        except OSError as error:
            connection.close()
            why = str(error)
    raise Unreachable(f"{where}: {why}")


def _resolve(host: str, port: int, seconds: float) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    """getaddrinfo in a thread, because it has no time-out and may take half a minute."""
    found: list[tuple[int, int, int, str, tuple[object, ...]]] = []
    why = ["no answer in time"]
    done = _thread.allocate_lock()
    done.acquire()

    def look_up() -> None:
        try:
            # As bytes: for text, the codec of international names is imported, and no such name gets here.
            found.extend(_socket.getaddrinfo(host.encode("ascii"), port, 0, _socket.SOCK_STREAM))
        except OSError as error:
            why[0] = str(error)
        done.release()

    _thread.start_new_thread(look_up, ())
    if not done.acquire(timeout=seconds) or not found:
        raise Unreachable(f"{host}: {why[0]}")
    return found


def _encrypted(connection: _socket.socket, host: str) -> _socket.socket:
    """TLS over the connection, with the certificates that this machine trusts. Raises OSError."""
    import socket
    import ssl

    context = ssl.create_default_context()
    return context.wrap_socket(socket.socket(fileno=connection.detach()), server_hostname=host)
