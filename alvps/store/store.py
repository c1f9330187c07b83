"""The store: one writer, one reader, one lock."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from alvps.store import connect
from alvps.store.writer import Writer

T = TypeVar("T")
P = ParamSpec("P")


class Store:
    """An open database. Functions that are given to it get a connection and run in the store's own threads."""

    def __init__(self, path: Path) -> None:
        """Open (or create) it. Blocks. Raises StoreBusy, StoreDamaged, StoreTooNew, StoreUnavailable."""
        self.path = path
        self._lock = connect.lock(path)
        try:
            connection = connect.open_writer(path)
            try:
                self._reader = connect.open_reader(path)
            except BaseException:
                connection.close()
                raise
            self._writer = Writer(connection, path)
        except BaseException:
            os.close(self._lock)
            raise
        self._readers = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="store-reader")

    @property
    def failing(self) -> str | None:
        """Why nothing can be stored at present, or None."""
        return self._writer.failing

    @property
    def alive(self) -> bool:
        """Whether the writer's thread still runs."""
        return self._writer.alive()

    def submit(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        """Write, from any thread; done when the disk has it."""
        return self._writer.submit(function, *args, **kwargs)

    def write(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Write, from a coroutine; done when the disk has it. Fails with StoreUnavailable when it does not."""
        return self._writer.write(function, *args, **kwargs)

    async def read(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Read one consistent state of the database."""

        def look() -> T:
            self._reader.execute("BEGIN")
            try:
                return function(self._reader, *args, **kwargs)
            except sqlite3.Error as error:
                raise connect.translated(error, self.path) from error
            finally:
                if self._reader.in_transaction:
                    self._reader.execute("COMMIT")

        return await asyncio.get_running_loop().run_in_executor(self._readers, look)

    def close(self, timeout: float = 3.0) -> bool:
        """Store what waits and close. False if the disk did not take it in time. Blocks up to `timeout` seconds."""
        closed = self._writer.close(timeout)
        self._readers.shutdown(wait=closed, cancel_futures=True)
        if closed:
            self._reader.close()
            os.close(self._lock)
        return closed
