"""Is the engine there, and what ends? One link to the engine that heals itself.

    connect -> open the event stream -> list the runs -> up -> … -> stream ends, or no sign of life -> down -> again

The stream is opened before the list is asked for, so an exit is in one of them, or in both. Exits that happened while
there was no link are in the list.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from alvps.journal import get_logger
from alvps.launcher import names, runs
from alvps.launcher.board import Board
from alvps.launcher.engine import PING, QUICK, Engine
from alvps.launcher.names import RunKey
from alvps.launcher.output import Output
from alvps.launcher.pool import Pool
from alvps.launcher.refusal import Refused, docker_down
from alvps.launcher.runs import Run
from alvps.launcher.spec import Abilities

HEARTBEAT = 10.0  # seconds between two signs of life; only a hung engine makes no event of its own
LIST_LIMIT = 12.0  # seconds; less than a caller waits
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds before each new attempt to connect; the last one repeats

log = get_logger()


class Link:
    """The link to the engine. `up` says whether it stands; the board hears of every change and of every exit."""

    def __init__(
        self,
        engine: Engine,
        pool: Pool,
        board: Board,
        installation: str,
        changed: Callable[[], None],
        *,
        output: Output | None = None,
    ) -> None:
        """`output`: where there is no journal, who copies what runs print."""
        self.abilities = Abilities()
        self.up = False
        self.reason = "not connected yet"
        self._engine = engine
        self._pool = pool
        self._pulse = Pool(1, "pulse")  # its own thread: a full pool is no sign of a dead engine
        self._board = board
        self._installation = installation
        self._changed = changed
        self._output = output
        self._doubt = asyncio.Event()
        self._held: dict[RunKey, list[Run]] = {}  # exits of runs whose start is still under way
        self._oom: set[str] = set()
        self._discarded: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep the link up for ever."""
        failures = 0
        while True:
            was_up = False
            try:
                await self._session()
            except Refused as refused:
                was_up = self.up
                self._down(refused.message)
            except Exception as error:
                was_up = self.up
                log.exception("engine link failed")
                self._down(f"the engine's answers are not understood: {error!r}")
            failures = 0 if was_up else failures + 1
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])

    def doubt(self) -> None:
        """A call has failed as if the engine were gone: look at once."""
        self._doubt.set()

    def started(self, container: str) -> None:
        """A run has been started."""
        if self._output:
            self._output.follow(container)

    def hold(self, key: RunKey) -> None:
        """A start begins: an exit of this run counts only if the start succeeds."""
        self._held.setdefault(key, [])

    def release(self, key: RunKey, *, started: bool) -> None:
        """The start is over."""
        for run in self._held.pop(key, []):
            if started:
                self._board.publish(run.exit_event())

    def discard(self, container: str) -> None:
        """A container whose start has failed is about to be removed: its exit is no run's exit. From any thread."""
        self._discarded.add(container)

    async def list_runs(self, *labels: str) -> list[Run]:
        """Every container of ours that also has these labels. Raises Refused."""
        return await self._pool.run(LIST_LIMIT, partial(self._list_runs, labels))

    def _list_runs(self, labels: tuple[str, ...]) -> list[Run]:
        wanted = [*names.ours(self._installation), *labels]
        found = (self._engine.inspect(container) for container in self._engine.find(wanted))
        read = (runs.of_inspect(each, self._installation) for each in found if each is not None)
        return sorted((run for run in read if run is not None), key=lambda run: run.key)

    async def _session(self) -> None:
        """One life of the link. Ends by raising Refused with the reason."""
        since = time.time()
        abilities = await self._pulse.run(3 * QUICK, self._engine.connect)
        stream = await self._pulse.run(3 * QUICK, lambda: self._engine.events(names.ours(self._installation), since))
        ended = asyncio.Event()
        self._read_in_thread(stream, ended)
        try:
            self._is_up(abilities, await self.list_runs())
            while True:
                await self._sign_of_trouble(ended)
                self._doubt.clear()
                if ended.is_set():
                    raise docker_down("the Docker engine closed the connection")
                await self._pulse.run(PING + 1, self._engine.ping)
        finally:
            with suppress(OSError, AttributeError):  # docker-py's close does not expect a connection that is gone
                stream.close()

    async def _sign_of_trouble(self, ended: asyncio.Event) -> None:
        """Until the stream ends, somebody doubts, or it is time to ask."""
        waiting = {asyncio.ensure_future(ended.wait()), asyncio.ensure_future(self._doubt.wait())}
        try:
            await asyncio.wait(waiting, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    def _read_in_thread(self, stream: Any, ended: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()

        def tell(callback: Callable[..., None], *args: object) -> None:
            with suppress(RuntimeError):  # the loop is closed: the process ends
                loop.call_soon_threadsafe(callback, *args)

        def read() -> None:
            try:
                for event in stream:
                    tell(self._event, event)
            except Exception as error:  # noqa: BLE001 - whatever breaks the stream, the link is lost and made anew
                tell(partial(log.warning, "engine events broke off", reason=repr(error)))
            tell(ended.set)

        threading.Thread(target=read, name="events", daemon=True).start()

    def _event(self, event: dict[str, Any]) -> None:
        actor = event.get("Actor") or {}
        container, attributes = str(actor.get("ID", "")), actor.get("Attributes") or {}
        if names.key_of(attributes, self._installation) is None:
            return
        if event.get("Action") == "oom":
            self._oom.add(container)
        elif event.get("Action") == "die":
            task = asyncio.create_task(self._exited(container, event))
            self._tasks.add(task)  # asyncio itself keeps no reference
            task.add_done_callback(self._tasks.discard)

    async def _exited(self, container: str, event: dict[str, Any]) -> None:
        """Tell of an exit: in the container's own words, or in the event's when it cannot be asked any more."""
        found: dict[str, Any] | None = None
        try:
            found = await self._pool.run(QUICK + 1, lambda: self._engine.inspect(container))
        except Refused as refused:
            self._doubt.set()
            log.warning("exit taken from its event", container=container[:12], reason=refused.message)
        run = runs.of_inspect(found, self._installation) if found else None
        if run is None or run.state != "exited":
            run = runs.of_event(event, self._installation)
        if run is None or container in self._discarded:
            self._discarded.discard(container)
            return
        if self._output:
            await self._output.drained(container)  # the last line is there before the exit is told
        run = run.with_oom(container in self._oom)
        self._oom.discard(container)
        log.info(
            "run exited",
            agent=run.agent,
            run=run.key.run,
            attempt=run.key.attempt,
            exit_code=run.exit_code,
            oom=run.oom,
        )
        held = self._held.get(run.key)
        if held is None:
            self._board.publish(run.exit_event())
        else:
            held.append(run)

    def _is_up(self, abilities: Abilities, found: list[Run]) -> None:
        self.up, self.reason, self.abilities = True, "", abilities
        self._oom.clear()
        self._discarded.clear()
        for run in found:
            self.started(run.container)
        log.info("engine up", runs=len(found), cannot_limit=",".join(abilities.missing()) or None)
        self._board.publish({"event": "docker", "up": True})
        self._board.publish({"event": "list", "runs": [run.wire() for run in found]})
        self._changed()

    def _down(self, reason: str) -> None:
        if self.up or self.reason != reason:
            log.error("engine down", reason=reason)
        if self.up:
            self._board.publish({"event": "docker", "up": False})
        self.up, self.reason = False, reason
        self._changed()
