"""Sanic inside our own loop: two applications, one process, no signal handlers, no access log.

Sanic is started by `create_server`, not by `run`: that would fork a manager and worker processes, and take over the
signals. What `run` would do for an application is done here by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from typing import Any

from sanic import Sanic
from sanic.exceptions import SanicException
from sanic.http.constants import Stage
from sanic.server import AsyncioServer
from sanic.server.protocols.http_protocol import HttpProtocol

from alvps.gateway.sockets import BACKLOG

Application = Sanic[Any, Any]
DRAIN = 2.0  # seconds for requests that are being answered when the daemon stops
QUIET = 1.0  # seconds since anything came or went on a connection, after which nothing is on its way to us
ACCEPTING = 5  # turns of the loop until a connection that was accepted is known to its server; two are needed


def application(name: str, *, max_body: int, answer_within: float) -> Application:
    """A Sanic application with nothing of Sanic's own that a host does not need."""
    app: Application = Sanic(name, configure_logging=False)
    app.config.update(
        ACCESS_LOG=False,
        MOTD=False,
        # Rewriting Sanic's own methods: it does so on classes, which two applications share.
        TOUCHUP=False,
        FALLBACK_ERROR_FORMAT="json",
        REQUEST_MAX_SIZE=max_body,
        REQUEST_TIMEOUT=15,
        RESPONSE_TIMEOUT=answer_within,
        KEEP_ALIVE_TIMEOUT=60,
    )
    return app


class Servers:
    """The running servers."""

    def __init__(self) -> None:
        self._servers: list[AsyncioServer] = []

    async def start(self, app: Application, listeners: Iterable[socket.socket]) -> None:
        """Answer on these sockets."""
        for number, listener in enumerate(listeners):
            # Not before the application is whole: a connection may already wait in a listener from systemd.
            kwargs = {"start_serving": False}
            # With Sanic's own default the queue of a listener from systemd would shrink to 100 from here on.
            server = await app.create_server(
                sock=listener, backlog=BACKLOG, return_asyncio_server=True, asyncio_server_kwargs=kwargs
            )
            assert server is not None
            if number == 0:
                await server.startup()  # type: ignore[no-untyped-call]  # Sanic's  # Sanic's, as all of these
                await server.before_start()  # type: ignore[no-untyped-call]  # Sanic's
            await server.start_serving()  # type: ignore[no-untyped-call]  # Sanic's
            if number == 0:
                await server.after_start()  # type: ignore[no-untyped-call]  # Sanic's
            self._servers.append(server)

    async def stop(self) -> None:
        """Take no more connections, answer what comes on those that are there, then close.

        Whoever has connected is answered, also when the request is still on its way; each answer says that it is the
        last on its connection. What waits in the listeners of systemd is left to the next daemon.
        """
        loop = asyncio.get_running_loop()
        for server in self._servers:
            server.app.config.KEEP_ALIVE = False
            for listener in _listeners(server):
                loop.remove_reader(listener)
        self._let_end(loop.time())  # before an answer that is nearly made can say otherwise
        for _ in range(ACCEPTING):
            await asyncio.sleep(0)
        for server in self._servers:
            server.close()  # type: ignore[no-untyped-call]  # Sanic's
        deadline = loop.time() + DRAIN
        while loop.time() < deadline and self._let_end(loop.time()):  # noqa: ASYNC110 - Sanic has no event for it
            await asyncio.sleep(0.02)
        for server in self._servers:
            for connection in list(server.connections):
                connection.abort()
            with contextlib.suppress(SanicException):  # one application may have had several listeners
                Sanic.unregister_app(server.app)

    def _let_end(self, now: float) -> bool:
        """Let each connection end; False when there is none any more."""
        open_ = [connection for server in self._servers for connection in server.connections]
        for connection in open_:
            _let_end(connection, now)
        return bool(open_)


def _listeners(server: AsyncioServer) -> list[int]:
    return [listener.fileno() for listener in server.server.sockets] if server.server else []


def _let_end(connection: HttpProtocol, now: float) -> None:
    """Close it if it is quiet; else have the answer that is being made be its last."""
    http = connection.http
    if http is None:  # it is just beginning, or ending
        return
    if http.stage is not Stage.IDLE:
        http.keep_alive = False
    elif now - connection._time > QUIET:  # noqa: SLF001 - Sanic's own time-outs go by it
        connection.close()
