"""Is somebody still waiting for this? Ends child processes when the laptop is gone, until the point of no return."""

from __future__ import annotations

import contextlib
import os
import signal
import threading


class Gone(Exception):
    """The laptop is gone, or told us to stop, before the switch: undo and leave."""


class Life:
    """One receiver's reason to go on. `end` may be called from any thread or signal handler, more than once."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may interrupt its own thread inside
        self._children: set[int] = set()
        self._immune = False
        self.reason: str | None = None

    def end(self, reason: str) -> None:
        """Note that the laptop is gone and kill the children, unless the switch has begun."""
        with self._lock:
            if self.reason is None:
                self.reason = reason
            if not self._immune:
                for child in self._children:
                    _kill_group(child)

    def stop_children(self) -> None:
        """Kill what runs, because something beside it failed; the laptop is still there."""
        with self._lock:
            for child in self._children:
                _kill_group(child)

    def pass_point_of_no_return(self) -> None:
        """From now on nobody's leaving stops us. Raises Gone if somebody already left."""
        with self._lock:
            if self.reason is not None:
                raise Gone(self.reason)
            self._immune = True

    def check(self) -> None:
        """Raise Gone if the laptop is gone and the switch has not begun."""
        if self.reason is not None and not self._immune:
            raise Gone(self.reason)

    def adopt(self, child: int) -> None:
        """Kill this process group when the laptop leaves."""
        with self._lock:
            self._children.add(child)
            if self.reason is not None and not self._immune:
                _kill_group(child)

    def dismiss(self, child: int) -> None:
        """The child has ended. To be called before it is reaped, while its number cannot be another's."""
        with self._lock:
            self._children.discard(child)


def _kill_group(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
