"""The line to the launcher: watched all the time, and what the store says compared with what runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from alvps.daemon import launcher as protocol
from alvps.daemon.backoff import Backoff
from alvps.daemon.drive import exit_of
from alvps.daemon.engine import Engine
from alvps.daemon.launcher import Container, Launcher, LauncherGone, Refused, checked
from alvps.frames import Message
from alvps.journal import get_logger
from alvps.store import runs

RETRY_FIRST, RETRY_MOST = 0.1, 2.0  # seconds

log = get_logger()


class Link:
    """Keeps a watch on the launcher and tells the engine what it hears."""

    def __init__(self, launcher: Launcher, engine: Engine) -> None:
        self._launcher = launcher
        self._engine = engine
        self.compared = asyncio.Event()  # a list of containers has been compared with the store
        self.heard = asyncio.Event()  # that, or the launcher said that there is no Docker to list from
        self.gone: str | None = "it has not answered yet"  # why there is no line, or None

    async def run(self) -> None:
        """Run until cancelled."""
        backoff = Backoff(first=RETRY_FIRST, most=RETRY_MOST)
        while True:
            try:
                async with aclosing(self._launcher.watch()) as events:
                    async for event in events:
                        self._hear(event)
                        backoff.reset()
            except LauncherGone as error:
                self._lost(error.message)
            except Refused as error:
                if error.code == "docker-down":
                    self._docker_lost(f"Docker does not answer: {error.message}")
                else:
                    self._lost(error.message)
            await asyncio.sleep(backoff.next())

    def _lost(self, reason: str) -> None:
        if self.gone != reason:
            log.warning("launcher lost", reason=reason)
        self.gone = reason
        self._engine.hold(reason)

    def _docker_lost(self, reason: str) -> None:
        if self._engine.held != reason:
            log.warning("docker lost", reason=reason)
        self.gone = None
        self._engine.hold(reason)
        self.heard.set()

    def _hear(self, event: Message) -> None:
        kind = event.get("event")
        if kind is None:
            answer = checked(event)
            self.gone = None
            self._compare(protocol.containers(answer))
        elif kind == "exit":
            self._exited(protocol.container(event))
        elif kind == "docker" and not event.get("up"):
            self._docker_lost("Docker does not answer")
        elif kind == "list":
            self._compare(protocol.containers(event))

    def _exited(self, container: Container) -> None:
        row = self._engine.live.get(container.run)
        if row and row.state != "queued" and row.attempt == container.attempt:
            self._engine.adopt(row.run).deliver(container.attempt, exit_of(container))
        else:
            self._engine.spawn(self._clear(container))

    def _compare(self, containers: Sequence[Container]) -> None:
        """Decide on every run that an earlier daemon, or we before the line was cut, left with the launcher."""
        found = {(c.run, c.attempt): c for c in containers}
        adopted = 0
        for row in self._engine.live:
            if row.state == "queued":
                continue
            drive = self._engine.adopt(row.run)
            container = found.pop((row.run, row.attempt), None)
            if container is None or container.state == "created":
                # Starting: its drive asks for the start again. Running: gone, unless the list is older than the start.
                self._engine.spawn(drive.confirm_vanished())
            elif container.state == "exited":
                drive.deliver(row.attempt, exit_of(container))
            else:
                adopted += 1
                drive.found_running(row.attempt, container.started or self._engine.now_ms())
        for stray in found.values():
            self._engine.spawn(self._clear(stray))
        if adopted:
            log.info("runs found running", count=adopted)
        self.compared.set()
        self.heard.set()
        self._engine.hold(None)

    async def _clear(self, container: Container) -> None:
        """Remove a container whose run is finished, of an attempt that was given up, or that nobody here started."""
        row = await self._engine.store.read(runs.get, container.run)
        unfinished = row is not None and row.finished is None
        if row is None or container.state == "running":
            log.warning(
                "container not wanted",
                run=container.run,
                agent=container.agent,
                attempt=container.attempt,
                container_state=container.state,
                known_as=row.state if row else None,
            )
        try:
            if container.state == "running" and unfinished:
                return  # `stop` goes by the run, and would end the attempt that counts
            if container.state == "running":
                await self._launcher.stop(container.run)
            await self._launcher.remove(container.run, container.attempt)
        except (Refused, LauncherGone) as error:
            log.warning("container not removed", run=container.run, attempt=container.attempt, reason=error.message)
