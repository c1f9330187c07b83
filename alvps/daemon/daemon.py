"""The daemon's parts, put together, started in the right order and stopped again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import Any

from alvps.daemon import secrets
from alvps.daemon.boot import boot_id
from alvps.daemon.engine import Engine
from alvps.daemon.gateway_secrets import GatewaySecrets
from alvps.daemon.launcher import Launcher, LauncherGone, Refused
from alvps.daemon.link import Link
from alvps.daemon.operator import Operator
from alvps.daemon.options import Options
from alvps.daemon.plan import Clock
from alvps.daemon.release import load_current
from alvps.daemon.reload import Reload, install
from alvps.daemon.status import Status
from alvps.daemon.ticker import Ticker
from alvps.daemon.waiting import happens
from alvps.journal import get_logger
from alvps.notify import Notifier, watchdog_interval
from alvps.store import history, runs
from alvps.store.errors import StoreUnavailable
from alvps.store.ids import RunIds
from alvps.store.store import Store

FIRST_LIST = 5.0  # seconds that ticks wait at start for the launcher, so that runs which ended meanwhile do not count
Doors = Callable[[Options, Operator], AbstractAsyncContextManager[None]]  # who may ask the operator, while it is open
PRUNE_EACH = 3600.0  # seconds

log = get_logger()


class Daemon:
    """One daemon."""

    def __init__(self, options: Options, notifier: Notifier, doors: Doors, clock: Clock = time.time) -> None:
        self._options = options
        self._doors = doors
        self._notifier = notifier
        self._clock = clock

    async def run(self, stop: asyncio.Event, asked: Callable[[str], None] | None = None) -> int:
        """Work until `stop` is set (0) or a part of the daemon fails (1). Raises AlError when it cannot start.

        `asked`: sets `stop`, and is told who wants it; for whoever asks the operator to stop.
        """
        started_ms = int(self._clock() * 1000)
        # The release first: without one there is nothing to do, and nothing should be made on the disk.
        load = partial(load_current, self._options.root, GatewaySecrets(self._options.credentials).load)
        release = await asyncio.to_thread(load)
        store = await asyncio.to_thread(Store, self._options.database)
        async with AsyncExitStack() as at_the_end:  # what was begun last ends first
            at_the_end.push_async_callback(asyncio.to_thread, store.close)
            launcher = Launcher(self._options.launcher)
            ids = RunIds(await store.read(runs.newest_id))
            tokens = await asyncio.to_thread(secrets.load, self._options.run_key)
            boot = await asyncio.to_thread(boot_id)
            engine = Engine(store, launcher, ids, release, self._clock, tokens=tokens, boot=boot)
            at_the_end.push_async_callback(engine.close)
            ticker = Ticker(store, engine.ids, self._clock, engine.decided, engine.moved.set)
            link = Link(launcher, engine)
            await engine.restore()
            await install(engine, ticker, release)
            status = Status(engine, ticker, started_ms)
            reload = Reload(load, engine, ticker, launcher, self._tell_reload)
            operator = Operator(engine, link, status, reload, asked or (lambda _: stop.set()))
            await at_the_end.enter_async_context(self._doors(self._options, operator))
            at_the_end.callback(engine.waiters.close)  # who waits for a run is told how it stands
            log.info("daemon started", release=release.id, agents=len(release.agents), unfinished=engine.live.total)
            code = await self._work(stop, engine, ticker, link, status)
        log.info("daemon stopped")
        return code

    async def _work(self, stop: asyncio.Event, engine: Engine, ticker: Ticker, link: Link, status: Status) -> int:
        parts: dict[str, Coroutine[None, None, None]] = {
            "line to the launcher": link.run(),
            "ticks": _ticks(ticker, link),
            "history": _prune(engine),
            "status line": self._status_line(engine, status),
            "readiness": self._become_ready(engine, link, ticker),
            "watchdog": self._feed_watchdog(engine.store),
        }
        tasks: set[asyncio.Task[Any]] = {asyncio.create_task(part, name=name) for name, part in parts.items()}
        stopping = asyncio.create_task(stop.wait())
        code = 0
        try:
            while not stopping.done():
                done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                for task in done & tasks:
                    tasks.discard(task)
                    if not task.cancelled() and task.exception():
                        # Half a daemon is worse than one that is started anew.
                        log.error("part failed", part=task.get_name(), exc_info=task.exception())
                        code = 1
                        stop.set()
        finally:
            for task in tasks | {stopping}:
                task.cancel()
            await asyncio.wait(tasks | {stopping}, timeout=1)
        return code

    async def _become_ready(self, engine: Engine, link: Link, ticker: Ticker) -> None:
        while True:
            try:
                await engine.launcher.ready(engine.release.id)
                break
            except LauncherGone:
                await asyncio.sleep(0.2)
            except Refused as error:
                # It answered; that it cannot work now is shown in the status and by /ready.
                log.warning("launcher not ready", reason=error.message)
                break
        await link.heard.wait()
        await ticker.looked.wait()
        self._notifier.ready()
        log.info("daemon ready", release=engine.release.id)

    async def _status_line(self, engine: Engine, status: Status) -> None:
        shown = ""
        while True:
            engine.moved.clear()
            line = status.line()
            if line != shown:
                self._notifier.status(line)
                shown = line
            await engine.moved.wait()
            await asyncio.sleep(0.2)  # a thousand changes in a moment are one line

    async def _feed_watchdog(self, store: Store) -> None:
        interval = watchdog_interval()
        while interval is not None:
            # An empty transaction: the writer's thread must answer, and this loop must hear it. Writes nothing.
            try:
                await store.write(lambda _connection: None)
            except StoreUnavailable as error:
                if not store.alive:
                    raise
                log.warning("store does not take anything", reason=error.message)
            self._notifier.watchdog()
            await asyncio.sleep(interval)

    def _tell_reload(self, begins: bool) -> None:
        if begins:
            self._notifier.reloading()
        else:
            self._notifier.ready()


async def _ticks(ticker: Ticker, link: Link) -> None:
    await happens(link.heard, FIRST_LIST)
    await ticker.run()


async def _prune(engine: Engine) -> None:
    while True:
        before_ms = engine.now_ms() - engine.release.project.history_retention_days * 86_400_000
        try:
            # A thousand rows at a time: others write in between.
            while await engine.store.write(history.prune, before_ms):  # noqa: ASYNC110 - leaves the writer to others
                await asyncio.sleep(0.05)
        except StoreUnavailable as error:
            log.warning("history not pruned", reason=error.message)
        await asyncio.sleep(PRUNE_EACH)
