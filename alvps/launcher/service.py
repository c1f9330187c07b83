"""What does each verb do? One method per verb; the blocking part of each runs in the pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from alvps.frames import Message
from alvps.journal import get_logger
from alvps.launcher import names
from alvps.launcher.board import Board
from alvps.launcher.engine import QUICK, SLOW, Engine
from alvps.launcher.link import LIST_LIMIT, Link
from alvps.launcher.locks import RunLocks
from alvps.launcher.output import Output
from alvps.launcher.pool import Pool
from alvps.launcher.preparing import Preparer
from alvps.launcher.refusal import Refused, docker_down
from alvps.launcher.request import Remove, Start, Stop
from alvps.launcher.runs import Run
from alvps.launcher.starting import Started

START_LIMIT = 130.0  # seconds; less than a caller waits
_T = TypeVar("_T")


class Service:
    """The verbs."""

    def __init__(
        self,
        engine: Engine,
        preparer: Preparer,
        installation: str,
        changed: Callable[[], None],
        *,
        output: Output | None = None,
    ) -> None:
        self._engine = engine
        self._preparer = preparer
        self._locks = RunLocks()
        self._log = get_logger()
        self.pool = Pool()
        self.board = Board()
        self.link = Link(engine, self.pool, self.board, installation, changed, output=output)

    async def start(self, request: Start) -> Message:
        """Start a run, or find it started."""
        async with self._locks.alone(request.key):
            self.link.hold(request.key)
            started: Started | None = None
            try:
                call = partial(self._preparer.start, request, self.link.abilities, self.link.discard)
                started = await self._docker(START_LIMIT, call)
            finally:
                self.link.release(request.key, started=started is not None)
        self.link.started(started.container)
        key = request.key
        self._log.info("run started", agent=request.agent, run=key.run, attempt=key.attempt, trigger=request.trigger)
        return {"container": started.container, "state": started.state}

    async def stop(self, request: Stop) -> Message:
        """End a run: SIGTERM, after `grace` seconds SIGKILL. Answers when nothing of it runs any more."""
        for key in self._locks.of_run(request.run):
            async with self._locks.alone(key):  # a start under way first gets to its end
                pass
        news = self.board.subscribe()
        try:
            mine = await self.runs(f"{names.RUN}={request.run}")
            if not mine:
                raise Refused("not-found", f"there is no run {request.run}")
            live = {run.container: run for run in mine if run.state == "running"}
            await self._signal(live, "SIGTERM")
            await _ended(news, live, request.grace)
            await self._signal(live, "SIGKILL")
            await _ended(news, live, QUICK)
        finally:
            self.board.unsubscribe(news)
        if live:
            raise docker_down(f"the run {request.run} did not end within {QUICK:.0f} s of SIGKILL")
        return {"stopped": [run.key.attempt for run in mine]}

    async def remove(self, request: Remove) -> Message:
        """Remove the container of a run that has ended; one that is gone is no error."""
        async with self._locks.alone(request.key):
            key = request.key
            found = await self.runs(f"{names.RUN}={key.run}", f"{names.ATTEMPT}={key.attempt}")
            if any(run.state == "running" for run in found):
                raise Refused("conflict", f"the run {key.run} is still running")
            gone = [await self._docker(SLOW, partial(self._engine.remove, run.container)) for run in found]
        return {"removed": any(gone)}

    async def list_runs(self) -> Message:
        """Every run there is a container of."""
        return {"runs": [run.wire() for run in await self.runs()]}

    async def ready(self) -> Message:
        """Which release is live here, and could its runs start? Answers also while the engine is down.

        `credentials`: why they cannot be read, or None.
        """
        release = await self.pool.run(LIST_LIMIT, self._preparer.releases.live)
        missing = await self._docker(LIST_LIMIT, self._preparer.missing_images) if self.link.up else []
        trouble = await self.pool.run(LIST_LIMIT, self._preparer.credentials.trouble)
        return {"release": release.id, "docker": self.link.up, "missing": missing, "credentials": trouble}

    async def runs(self, *labels: str) -> list[Run]:
        """Every run there is a container of, with these labels. Raises Refused."""
        self._need_engine()
        try:
            return await self.link.list_runs(*labels)
        except Refused as refused:
            self._look(refused)
            raise

    async def _signal(self, live: dict[str, Run], name: str) -> None:
        """Signal every container; those that do not run any more leave `live`."""
        for container, run in list(live.items()):
            self._log.info("run signalled", agent=run.agent, run=run.key.run, attempt=run.key.attempt, signal=name)
            if not await self._docker(QUICK + 1, partial(self._engine.kill, container, name)):
                del live[container]

    async def _docker(self, limit: float, call: Callable[[], _T]) -> _T:
        self._need_engine()
        try:
            return await self.pool.run(limit, call)
        except Refused as refused:
            self._look(refused)
            raise

    def _need_engine(self) -> None:
        if not self.link.up:  # at once, instead of filling the pool with calls that wait for their time-outs
            raise docker_down(self.link.reason)

    def _look(self, refused: Refused) -> None:
        if refused.code == "docker-down":
            self.link.doubt()


async def _ended(news: asyncio.Queue[Message | None], live: dict[str, Run], seconds: float) -> None:
    """Wait for the exits of everything in `live`, taking out what has ended. Raises Refused on loss of the engine."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while live:
        try:
            message = await asyncio.wait_for(news.get(), end - loop.time())
        except asyncio.TimeoutError:
            return
        if message is None or message == {"event": "docker", "up": False}:
            raise docker_down("the Docker engine went away while the run was being stopped")
        if message["event"] == "exit":
            live.pop(message["container"], None)
