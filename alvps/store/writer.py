"""The one thread that writes, and how many small writes share one sync of the disk.

Everything that was submitted while the last commit was on its way to the disk goes into the next one. Each function
has its own savepoint, so one that raises undoes only its own work. A future is resolved after COMMIT returned.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from alvps.store.connect import translated
from alvps.store.errors import StoreUnavailable

T = TypeVar("T")
P = ParamSpec("P")
Function = Callable[[sqlite3.Connection], T]
MAX_BATCH = 1000


class Job(Generic[T]):
    """One submitted function and what became of it."""

    def __init__(self, function: Function[T], future: concurrent.futures.Future[T] | asyncio.Future[T]) -> None:
        self.function = function
        self.future = future
        self.result: T | None = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        """Tell the one who waits; called in the future's own loop, or anywhere for a thread's future."""
        if self.future.done():
            return  # the waiter was cancelled; its write stands
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]  # no error: the function returned its T


class Writer:
    """Owns the connection; everything else talks to it by `submit` and `write`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._gate = threading.Lock()  # nothing may enter the queue behind the closing mark
        self._closed = False
        self.failing: str | None = None  # why the last commit failed; None again after one that worked
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        """Queue a write from any thread. The future fails with StoreUnavailable or what the function raised."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._put(Job(_bound(function, *args, **kwargs), future))
        return future

    def write(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Queue a write from a coroutine."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put(Job(_bound(function, *args, **kwargs), future))
        return future

    def close(self, timeout: float) -> bool:
        """Commit what waits, then end the thread and close the connection. False if it did not end in time."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def _put(self, job: Job[Any]) -> None:
        with self._gate:
            if self._closed:
                job.error = StoreUnavailable("the store is closed")
                job.resolve()
                return
            self._jobs.put(job)

    def _run(self) -> None:
        batch: list[Job[Any]] = []
        try:
            while True:
                batch, last = self._next_batch()
                if batch:
                    self._commit(batch)
                    _resolve(batch)
                    batch = []
                if last:
                    return
        finally:
            # Normally nothing is left. After an error of our own, nobody may wait for ever.
            with self._gate:
                self._closed = True
            while not self._jobs.empty():
                job = self._jobs.get()
                if job is not None:
                    batch.append(job)
            for job in batch:
                job.error = job.error or StoreUnavailable("the store's writer has ended")
            _resolve(batch)
            self._connection.close()

    def _next_batch(self) -> tuple[list[Job[Any]], bool]:
        batch: list[Job[Any]] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) >= MAX_BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[Job[Any]]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._perform(job)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            reason = translated(error, self._path)
            self.failing = reason.message
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for job in batch:
                # One error object each: a traceback grows on an exception that several tasks raise.
                job.error = StoreUnavailable(reason.message, hint=reason.hint)
        else:
            self.failing = None

    def _perform(self, job: Job[Any]) -> None:
        connection = self._connection
        connection.execute("SAVEPOINT job")
        try:
            job.result = job.function(connection)
        except Exception as error:  # it belongs to whoever submitted the function
            if not connection.in_transaction:
                raise  # a full disk ends the whole transaction: nothing of this batch is stored
            job.error = error
            connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")


def _bound(function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> Function[T]:
    def call(connection: sqlite3.Connection) -> T:
        return function(connection, *args, **kwargs)

    return call


def _resolve(batch: list[Job[Any]]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
    for job in batch:
        if isinstance(job.future, asyncio.Future):
            loops.setdefault(job.future.get_loop(), []).append(job)
        else:
            job.resolve()
    for loop, jobs in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve_here, jobs)  # one wake-up for all of a commit


def _resolve_here(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        job.resolve()
