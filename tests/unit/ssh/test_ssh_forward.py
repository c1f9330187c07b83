"""A forwarded port over a real sshd: many at once, halves closed, cuts, and a far side that is not there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

from alvps.errors import AlError, HostKeyRefused, HostUnreachable
from alvps.ssh import Connection, connect
from alvps.ssh.forward import GIVE_UP, _carry, forward, listen
from tests.support.ports import free_port
from tests.support.sshd import Proxy, Sshd


class Digester:
    """A server that reads to the end of what it is sent and answers with its SHA-256 and as many bytes again."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address: tuple[str, int] = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            data = everything(client)
            client.sendall(hashlib.sha256(data).hexdigest().encode() + data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def everything(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def send(port: int, data: bytes) -> bytes:
    """What comes back; b"" from a connection that is closed at once."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return everything(sock)
        return b""


@pytest.fixture
def far() -> Iterator[Digester]:
    made = Digester()
    yield made
    made.close()


class Ended(Exception):
    """The test is over."""


class Forwarding:
    """`forward` in a thread. It ends when its connection is closed, and then asks for another."""

    def __init__(self, sshd: Sshd, proxy: Proxy | None, address: tuple[str, int]) -> None:
        self._target = sshd.target() if proxy is None else sshd.target(port=proxy.port, known_hosts=sshd.known_anywhere)
        self.listener = listen(0)
        self.port: int = self.listener.getsockname()[1]
        self.over = False
        self.told: list[str] = []
        self.back = threading.Event()
        self.connection = connect(self._target)
        self._thread = threading.Thread(target=self._run, args=(address,))
        self._thread.start()

    def _connect(self) -> Connection:
        if self.over:
            raise Ended
        self.connection = connect(self._target)
        return self.connection

    def _run(self, address: tuple[str, int]) -> None:
        with contextlib.suppress(Ended):
            forward(
                self.connection,
                self.listener,
                address,
                self._connect,
                on_lost=self.told.append,
                on_back=self.back.set,
            )

    def close(self) -> None:
        self.over = True
        self.connection.close()
        self._thread.join(20)
        assert not self._thread.is_alive()
        self.listener.close()


def test_everything_arrives_both_ways_from_many_at_once(sshd: Sshd, far: Digester) -> None:
    way = Forwarding(sshd, None, far.address)
    try:
        for size in (0, 1, 100_000, 8 << 20):
            data = os.urandom(size)
            assert send(way.port, data) == hashlib.sha256(data).hexdigest().encode() + data
        blobs = [os.urandom(200_000) for _ in range(12)]
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda blob: send(way.port, blob), blobs))
        assert answers == [hashlib.sha256(blob).hexdigest().encode() + blob for blob in blobs]
    finally:
        way.close()


def test_where_nobody_listens_the_next_one_is_not_the_worse_for_it(sshd: Sshd) -> None:
    port = free_port()
    way = Forwarding(sshd, None, ("127.0.0.1", port))
    try:
        assert send(way.port, b"hello") == b""
        assert send(way.port, b"hello") == b""
        assert way.told == []
    finally:
        way.close()


def test_a_cut_is_told_and_made_good(sshd: Sshd, proxy: Proxy, far: Digester) -> None:
    way = Forwarding(sshd, proxy, far.address)
    try:
        for _ in range(2):
            assert send(way.port, b"before")
            way.back.clear()
            proxy.cut()
            assert way.back.wait(20)
            assert send(way.port, b"after").endswith(b"after")
        assert len(way.told) == 2
        assert "cut" in way.told[0]
    finally:
        way.close()


def test_what_comes_while_there_is_no_connection_waits(sshd: Sshd, proxy: Proxy, far: Digester) -> None:
    way = Forwarding(sshd, proxy, far.address)
    try:
        proxy.cut()
        assert send(way.port, b"patient").endswith(b"patient")
    finally:
        way.close()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_it_is_given_up_after_a_quarter_of_an_hour(sshd: Sshd) -> None:
    clock, tried = Clock(), 0

    def unreachable() -> Connection:
        nonlocal tried
        tried += 1
        raise HostUnreachable("no way")

    connection = connect(sshd.target())
    connection.close()
    with listen(0) as listener, pytest.raises(HostUnreachable, match="no way"):
        forward(connection, listener, ("127.0.0.1", 1), unreachable, sleep=clock.sleep, now=lambda: clock.now)
    assert clock.now > GIVE_UP
    assert tried > 80


def test_a_changed_host_key_is_not_tried_again(sshd: Sshd) -> None:
    def changed() -> Connection:
        raise HostKeyRefused("another key")

    connection = connect(sshd.target())
    connection.close()
    with listen(0) as listener, pytest.raises(HostKeyRefused):
        forward(connection, listener, ("127.0.0.1", 1), changed)


def test_a_host_that_lets_nobody_through_says_so(tmp_path: Path) -> None:
    server = Sshd(tmp_path / "sshd", extra="AllowTcpForwarding no\n")
    try:
        with connect(server.target()) as connection, pytest.raises(AlError, match="cannot connect to") as e:
            connection.dial(("127.0.0.1", 80))
        assert not isinstance(e.value, HostUnreachable)
    finally:
        server.stop()


def test_a_taken_port(sshd: Sshd) -> None:
    with listen(0) as listener, pytest.raises(AlError, match="cannot listen"):
        listen(listener.getsockname()[1])


def test_who_comes_as_the_connection_ends_is_kept_for_the_next(sshd: Sshd, far: Digester) -> None:
    waiting: SimpleQueue[socket.socket] = SimpleQueue()
    ended = connect(sshd.target())
    ended.close()
    here, there = socket.socketpair()
    _carry(there, ended, far.address, waiting)
    here.sendall(b"patient")
    here.shutdown(socket.SHUT_WR)
    with connect(sshd.target()) as connection, here:
        _carry(waiting.get_nowait(), connection, far.address, waiting)
        assert everything(here).endswith(b"patient")
