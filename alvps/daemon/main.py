"""The process: options, logging, the loop, the doors of the gateway, and an end that comes in time."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from alvps import journal
from alvps.daemon.daemon import Daemon
from alvps.daemon.operator import Operator
from alvps.daemon.options import Options, parse
from alvps.errors import AlError
from alvps.gateway.control import control_app
from alvps.gateway.public import public_app
from alvps.gateway.serve import Servers
from alvps.gateway.sockets import handed_over, tcp_listener, unix_listener
from alvps.notify import Notifier

STOP_WITHIN = 5.0  # seconds; everything that was promised is in the store, so there is nothing to wait longer for

log = journal.get_logger()


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT. The exit code: 0, or that of the error that kept the daemon from its work."""
    options = parse(arguments)
    journal.configure("daemon")
    notifier = Notifier()
    try:
        return asyncio.run(_run(Daemon(options, notifier, doors), notifier))
    except AlError as error:
        log.critical("daemon ends", reason=error.message, hint=error.hint, detail=error.detail)
        notifier.status(f"failed: {error.message}")
        return error.exit_code


@asynccontextmanager
async def doors(options: Options, operator: Operator) -> AsyncIterator[None]:
    """The control API for the host's owner, and the public listener. Raises AlError when one cannot be opened."""
    servers = Servers()
    try:
        await servers.start(control_app(operator), [unix_listener(options.control)])
        await servers.start(public_app(operator), handed_over("public") or [tcp_listener(*options.listen)])
        yield
    finally:
        await servers.stop()


async def _run(daemon: Daemon, notifier: Notifier) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def asked(name: str) -> None:
        log.info("stop asked", signal=name)
        notifier.stopping()
        _leave_in_time()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number.name)
    return await daemon.run(stop)


def _leave_in_time() -> None:
    # A thread that waits for a dead disk cannot be interrupted, and Python would wait for it at the end.
    timer = threading.Timer(STOP_WITHIN, os._exit, (0,))
    timer.daemon = True
    timer.start()
