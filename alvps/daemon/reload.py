"""From one release to the next, in one step and without losing what runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from alvps.daemon.engine import Engine
from alvps.daemon.launcher import Launcher, LauncherGone, Refused
from alvps.daemon.orders import NotNow
from alvps.daemon.release import Release
from alvps.daemon.ticker import Ticker
from alvps.daemon.timetable import Timetable
from alvps.errors import AlError
from alvps.journal import get_logger
from alvps.store import schedules

log = get_logger()


async def shortcomings(launcher: Launcher, release: str) -> list[str]:
    """Why runs of that release could not start now; empty when they could."""
    try:
        answer = await launcher.ready(release)
    except (LauncherGone, Refused) as error:
        return [error.message]
    found = []
    if answer.release != release:
        found.append(f"the launcher has the release {answer.release}")
    if not answer.docker:
        found.append("Docker does not answer")
    found += [f"the image {image} is missing" for image in answer.missing]
    found += [answer.credentials] if answer.credentials else []
    return found


async def install(engine: Engine, ticker: Ticker, release: Release) -> None:
    """Make `release` the one that is worked from: its schedules in the store, then everything in memory at once."""
    project = release.project
    lines = [(a.name, a.schedule, a.timezone) for a in project.agents if a.schedule is not None and a.scale > 0]
    now = engine.now_ms() // 1000
    positions = await engine.store.write(schedules.sync, lines, now)
    table = await asyncio.to_thread(Timetable, project.agents, positions)
    engine.release = release
    await ticker.replace(table)
    engine.dispatch()  # which also ends what waits for an agent that is gone


class Reload:
    """The order to go over to the release that `current` points to now."""

    def __init__(
        self,
        load: Callable[[], Release],
        engine: Engine,
        ticker: Ticker,
        launcher: Launcher,
        notify: Callable[[bool], None],
    ) -> None:
        self._load = load
        self._engine = engine
        self._ticker = ticker
        self._launcher = launcher
        self._notify = notify  # True: a reload begins; False: it is over
        self._lock = asyncio.Lock()

    async def to(self, wanted: str) -> None:
        """Answer when `wanted` is active. Raises NotNow and stays on the old release when it cannot be."""
        async with self._lock:
            self._notify(True)
            try:
                await self._switch(wanted)
            finally:
                self._notify(False)

    async def _switch(self, wanted: str) -> None:
        before = self._engine.release.id
        try:
            release = await asyncio.to_thread(self._load)
        except AlError as error:
            log.warning("release refused", release=wanted, reason=error.message)
            raise NotNow(
                f"the release {wanted} cannot be loaded, {before} goes on: {error.message}",
                hint=error.detail or error.hint,
            ) from error
        reasons = [] if release.id == wanted else [f"`current` points to {release.id}"]
        reasons += await shortcomings(self._launcher, wanted)
        reasons += [f"webhooks: {release.secrets.trouble}"] if release.secrets.trouble else []
        if reasons:
            log.warning("release refused", release=wanted, reason="; ".join(reasons))
            raise NotNow(f"the release {wanted} is not ready, {before} goes on: {'; '.join(reasons)}")
        await install(self._engine, self._ticker, release)
        await self._ticker.looked.wait()  # whoever asks next is told when the new schedules are due
        log.info("release active", release=release.id, before=before, agents=len(release.agents))
