"""How long did a step take? Said on the event that ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alvps.provision.provider import Event, Progress


@contextmanager
def timed(progress: Progress, step: str, text: str, *, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Reports `text` with its seconds when the block ends well; nothing when it raises."""
    began = clock()
    yield
    progress(Event(step=step, text=text, seconds=clock() - began))
