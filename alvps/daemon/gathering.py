"""Small writes of one kind, gathered: what comes while the disk is busy goes into the store as one job.

The store's group commit spares the disk; this spares the processor. A job has the writer's thread and the loop hand
each other Python's lock at every statement, and that costs more than the statements.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from alvps.store.errors import StoreUnavailable
from alvps.store.store import Store

T = TypeVar("T")
R = TypeVar("R")
Place = tuple[T, "asyncio.Future[R]"]


class Gathering(Generic[T, R]):
    """Hands items to `function`, several at a time, and gives each its own result.

    `settled` is told of all items of a commit at once, in the loop, before those who wait for them go on.
    """

    def __init__(
        self,
        store: Store,
        function: Callable[[sqlite3.Connection, Sequence[T]], list[R]],
        settled: Callable[[list[tuple[T, R]]], None],
    ) -> None:
        self._store = store
        self._function = function
        self._settled = settled
        self._waiting: deque[Place[T, R]] = deque()
        self._asked = False  # a job is on its way that has not taken yet what waits

    def put(self, item: T) -> asyncio.Future[R]:
        """Store it; done when the disk has it. Fails with StoreUnavailable, or what the function raised.

        Who does not wait any more must not cancel this future (asyncio.shield): others look at it too.
        """
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if not self._asked:
            self._asked = True
            self._submit([])
        return future

    def _submit(self, batch: list[Place[T, R]]) -> None:
        """Have the writer do the batch; an empty one is filled with what waits when its turn comes."""
        job = self._store.write(partial(self._perform, batch=batch, fill=not batch))
        job.add_done_callback(partial(self._done, batch))

    def _perform(self, connection: sqlite3.Connection, *, batch: list[Place[T, R]], fill: bool) -> list[R]:
        """In the writer's thread."""
        if fill:
            # First this, then the taking: what is put in between is taken here, or asks for a job of its own.
            self._asked = False
            while self._waiting:
                batch.append(self._waiting.popleft())
        return self._function(connection, [item for item, _ in batch]) if batch else []

    def _done(self, batch: list[Place[T, R]], job: asyncio.Future[list[R]]) -> None:
        error = None if job.cancelled() else job.exception()
        if error is None and not job.cancelled():
            results = job.result()
            self._settled([(item, result) for (item, _), result in zip(batch, results, strict=True)])
            for (_, future), result in zip(batch, results, strict=True):
                future.set_result(result)
        elif len(batch) > 1 and not isinstance(error, StoreUnavailable):
            for place in batch:  # the one that cannot be stored fails alone
                self._submit([place])
        else:
            self._fail(batch, error or StoreUnavailable("the store is closed"))

    def _fail(self, batch: list[Place[T, R]], error: BaseException) -> None:
        if not batch:  # the writer has never seen the job: the store is closed
            self._asked = False
            batch = list(self._waiting)
            self._waiting.clear()
        for _, future in batch:
            if isinstance(error, StoreUnavailable):
                # One error object each: a traceback grows on an exception that several tasks raise.
                future.set_exception(StoreUnavailable(error.message, hint=error.hint))
            else:
                future.set_exception(error)
