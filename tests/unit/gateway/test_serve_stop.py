"""A server ends and the next one takes over its listener, as systemd hands it on: nobody who connects notices."""

from __future__ import annotations

import asyncio
import random
import socket
import sys
from collections import Counter

import pytest
from sanic import Request
from sanic.response import HTTPResponse, text

from alvps.gateway import serve
from alvps.gateway.serve import Servers, application
from alvps.gateway.sockets import BACKLOG, tcp_listener
from tests.support.daemon_rig import until

REQUEST = b"POST / HTTP/1.1\r\nHost: al\r\nContent-Length: 4\r\n\r\nbody"


class Desk:
    """Where requests are worked on: `begun` when one is, and each waits for `goes_on`."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.goes_on = asyncio.Event()


async def started(listener: socket.socket, seconds: float = 0.0, desk: Desk | None = None) -> Servers:
    """A server that takes so long to answer, or until its desk goes on."""
    app = application("stop-test", max_body=1000, answer_within=60)

    @app.post("/")
    async def answer(_request: Request) -> HTTPResponse:
        if desk is not None:
            desk.begun.set()
            await desk.goes_on.wait()
        await asyncio.sleep(seconds)
        return text("fine")

    servers = Servers()
    await servers.start(app, [listener.dup()])
    return servers


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self) -> bool:
        """Send a request, which must be answered; gives whether the connection may be used again."""
        self.writer.write(REQUEST)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200 "), head
        assert await self.reader.readexactly(4) == b"fine"
        return "connection: keep-alive" in head


async def connected(listener: socket.socket) -> Client:
    return Client(*await asyncio.open_connection(*listener.getsockname()))


def listening() -> socket.socket:
    return tcp_listener("127.0.0.1", 0)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is, nobody is given up here."""
    monkeypatch.setattr(serve, "QUIET", 60.0)
    monkeypatch.setattr(serve, "DRAIN", 60.0)


def test_who_has_connected_is_answered_and_told_that_it_is_the_last() -> None:
    async def scenario() -> None:
        with listening() as listener:
            desk = Desk()
            desk.goes_on.set()
            servers = await started(listener, desk=desk)
            fresh, used, busy = [await connected(listener) for _ in range(3)]
            assert await used.ask()
            desk.begun.clear()
            desk.goes_on.clear()
            answered = asyncio.create_task(busy.ask())
            await desk.begun.wait()
            stop = asyncio.create_task(servers.stop())
            await asyncio.sleep(0)  # the stop has begun
            desk.goes_on.set()
            assert [await fresh.ask(), await used.ask(), await answered] == [False] * 3
            await stop
            for client in (fresh, used, busy):
                assert await client.reader.read() == b""
                client.writer.close()

    asyncio.run(scenario())


def test_who_is_quiet_does_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "QUIET", 0.1)

    async def scenario() -> None:
        with listening() as listener:
            servers = await started(listener)
            client = await connected(listener)
            assert await client.ask()
            begun = asyncio.get_running_loop().time()
            await servers.stop()
            assert asyncio.get_running_loop().time() - begun < serve.DRAIN / 2
            assert await client.reader.read() == b""
            client.writer.close()

    asyncio.run(scenario())


def test_nobody_notices_that_servers_come_and_go() -> None:
    counts: Counter[str] = Counter()
    over = asyncio.Event()

    async def each_anew(listener: socket.socket) -> None:
        while not over.is_set():
            client = await connected(listener)
            await asyncio.sleep(random.choice((0, 0, 0.001, 0.01)))
            await client.ask()
            client.writer.close()
            counts["anew"] += 1

    async def as_long_as_it_may(listener: socket.socket) -> None:
        client = await connected(listener)
        while not over.is_set():
            counts["kept"] += 1
            if not await client.ask():
                client.writer.close()
                client = await connected(listener)
            await asyncio.sleep(random.choice((0, 0, 0.001, 0.01)))
        client.writer.close()

    async def scenario() -> None:
        with listening() as listener:
            tasks = [asyncio.create_task(each_anew(listener)) for _ in range(8)]
            tasks += [asyncio.create_task(as_long_as_it_may(listener)) for _ in range(4)]
            for _ in range(15):
                servers = await started(listener)
                enough = counts.total() + random.randrange(20, 60)
                await until(lambda enough=enough: counts.total() >= enough or any(task.done() for task in tasks))
                await servers.stop()
            over.set()
            servers = await started(listener)  # for those that wait in the listener
            await asyncio.gather(*tasks)
            await servers.stop()

    asyncio.run(scenario())
    assert min(counts.values()) > 50


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="the queue's length is asked of Linux")
def test_the_queue_of_a_listener_stays_as_long_as_it_was() -> None:
    """While the daemon restarts, what connects waits in it."""

    def longest(listener: socket.socket) -> int:
        # tcpi_sacked of struct tcp_info: for a listener the length of its queue (tcp(7), linux/tcp.h)
        return int.from_bytes(listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[28:32], sys.byteorder)

    async def scenario() -> None:
        with listening() as listener:
            before = longest(listener)
            assert before >= min(BACKLOG, 1024)
            servers = await started(listener)
            assert longest(listener) == before
            await servers.stop()

    asyncio.run(scenario())
