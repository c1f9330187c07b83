"""The launcher as a process: arguments, the one instance, readiness, watchdog, the end."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from alvps.journal import configure, get_logger
from alvps.launcher.engine import SOCKET, Engine
from alvps.launcher.filed import Filed
from alvps.launcher.installation import identify
from alvps.launcher.logbook import Journal
from alvps.launcher.output import Output
from alvps.launcher.preparing import GATEWAY, Preparer, Settings
from alvps.launcher.server import Peers, Server, listen
from alvps.launcher.service import Service
from alvps.logs.file import LogFile
from alvps.notify import Notifier, watchdog_interval

BUSY = 75  # EX_TEMPFAIL: another launcher has the runtime folder
BROKEN = 78  # EX_CONFIG: the state folder cannot be used


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT; the exit code."""
    options = _parse(arguments)
    configure("launcher", sink=LogFile(options.log) if options.log else None)
    log = get_logger()
    try:
        options.run.mkdir(parents=True, exist_ok=True)
        lock = os.open(options.run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        installation = identify(options.state)
    except (OSError, ValueError) as error:
        log.critical("cannot start", reason=str(error))
        return BROKEN
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        log.critical("cannot start", reason=f"another launcher has {options.run}")
        return BUSY
    asyncio.run(_serve(options, installation))
    return 0


async def _serve(options: argparse.Namespace, installation: str) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    notifier = Notifier()
    engine = Engine(options.docker)
    settings = Settings(
        root=options.root,
        state=options.state,
        gateway=options.gateway,
        log_driver=options.log_driver,
        network=options.network,
    )
    preparer = Preparer(settings, installation, engine)

    def changed() -> None:
        notifier.status(
            f"installation {installation}, Docker is up"
            if service.link.up
            else f"Docker is down: {service.link.reason}"
        )

    output = Output(engine, options.log) if options.log else None
    service = Service(engine, preparer, installation, changed, output=output)
    server = Server(service, Peers(options.peer_user), Filed(options.log) if options.log else Journal())
    path = options.socket or options.run / "launcher.sock"
    serving = await server.serve(listen(path, options.peer_user))
    linking = asyncio.create_task(service.link.run())
    beating = asyncio.create_task(_beat(service, notifier))
    changed()
    notifier.ready()
    get_logger().info("listening", socket=str(path), installation=installation)
    gc.collect()
    gc.freeze()  # what is loaded by now stays for good; leave it out of every later collection
    await stop.wait()
    notifier.stopping()
    serving.close()
    beating.cancel()
    linking.cancel()
    await server.close()
    await asyncio.gather(linking, beating, return_exceptions=True)
    service.pool.close()
    path.unlink(missing_ok=True)


async def _beat(service: Service, notifier: Notifier) -> None:
    """Tell systemd that this process lives, as often as the event loop and the thread pool both prove it."""
    interval = watchdog_interval()
    while interval is not None:
        if await service.pool.alive():
            notifier.watchdog()
        await asyncio.sleep(interval)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m alvps.launcher", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("/opt/action-llama"), help="where the releases are")
    parser.add_argument(
        "--state", type=Path, default=Path("/var/lib/action-llama-launcher"), help="credentials, installation id"
    )
    parser.add_argument("--run", type=Path, default=Path("/run/action-llama-launcher"), help="the runtime folder")
    parser.add_argument("--socket", type=Path, help="default: launcher.sock in the runtime folder")
    parser.add_argument("--gateway", type=Path, default=GATEWAY, help="the folder with the gateway's socket for runs")
    parser.add_argument("--peer-user", default="action-llama", help="who may connect, beside root")
    parser.add_argument("--docker", default=SOCKET, help="the engine's address")
    parser.add_argument("--log-driver", default="journald", help="where the runs' output goes")
    parser.add_argument("--network", help="the name of the runs' network (default: al-<project>)")
    parser.add_argument("--log", type=Path, help="a file for all of the log, where there is no journal")
    return parser.parse_args(arguments)
