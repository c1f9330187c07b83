"""The process: options, logging, the loop, the doors of the gateway, and an end that comes in time."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from alvps import journal
from alvps.daemon.daemon import Daemon
from alvps.daemon.deliveries import Deliveries
from alvps.daemon.inside import Inside
from alvps.daemon.intake import Intake
from alvps.daemon.operator import Operator
from alvps.daemon.options import Options, parse
from alvps.errors import AlError
from alvps.gateway import documents
from alvps.gateway.container import container_app
from alvps.gateway.control import control_app
from alvps.gateway.dashboard import dashboard_app
from alvps.gateway.kept import Kept
from alvps.gateway.public import public_app
from alvps.gateway.public_name import PublicName
from alvps.gateway.serve import Servers
from alvps.gateway.sessions import Sessions
from alvps.gateway.sockets import handed_over, tcp_listener, unix_listener
from alvps.gateway.webhooks import add_webhooks
from alvps.logs.file import LogFile
from alvps.notify import Notifier

STOP_WITHIN = 5.0  # seconds; everything that was promised is in the store, so there is nothing to wait longer for

log = journal.get_logger()


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT. The exit code: 0, or that of the error that kept the daemon from its work."""
    options = parse(arguments)
    journal.configure("daemon", sink=LogFile(options.log) if options.log else None)
    notifier = Notifier()
    try:
        return asyncio.run(_run(Daemon(options, notifier, doors), notifier))
    except AlError as error:
        log.critical("daemon ends", reason=error.message, hint=error.hint, detail=error.detail)
        notifier.status(f"failed: {error.message}")
        return error.exit_code


@asynccontextmanager
async def doors(options: Options, operator: Operator) -> AsyncIterator[None]:
    """The control API for the host's owner, the dashboard, the containers' API, the public listener.

    Raises AlError when one cannot be opened.
    """
    servers = Servers()
    kept = Kept(options.sessions, operator.engine.moment().boot)
    sessions = Sessions(kept=kept)
    try:
        intake = Intake(operator.engine)
        public = public_app(operator, partial(add_webhooks, intake=intake))
        await servers.start(public, handed_over("public") or [tcp_listener(*options.listen)])
        inside = Inside(operator.engine)
        await servers.start(container_app(inside), handed_over("runs") or [unix_listener(options.runs, mode=0o666)])
        deliveries = Deliveries(operator.engine, intake)
        if listeners := _dashboard(options):
            public_name, more = PublicName(options.web), (documents.FOR_DASHBOARD,)
            await servers.start(dashboard_app(operator, deliveries, sessions, public_name, more=more), listeners)
        # The last: where it is, all are open.
        control = control_app(operator, deliveries, sessions, more=(documents.FOR_CONTROL,))
        await servers.start(control, [unix_listener(options.control)])
        yield
    finally:
        sessions.close()  # who watches the dashboard is told; else the end would wait for them
        await servers.stop()


def _dashboard(options: Options) -> list[socket.socket]:
    return handed_over("dashboard") or ([tcp_listener(*options.dashboard)] if options.dashboard else [])


async def _run(daemon: Daemon, notifier: Notifier) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def asked(by: str) -> None:
        log.info("stop asked", by=by)
        notifier.stopping()
        _leave_in_time()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number.name)
    return await daemon.run(stop, asked)


def _leave_in_time() -> None:
    # A thread that waits for a dead disk cannot be interrupted, and Python would wait for it at the end.
    timer = threading.Timer(STOP_WITHIN, os._exit, (0,))
    timer.daemon = True
    timer.start()
