"""Everything that a run prints goes through here: from the children's one pipe, masked, to standard output.

Standard output and standard error of the children are the same pipe, so their order is kept. A thread reads it while
the main thread waits for signals; whoever holds the lock may read, mask and write. Before the entry says something
itself, it passes on what is in the pipe: a line of its own stands behind everything that was printed before it.

When nobody takes the output (Docker's log driver hangs), the children are the ones that wait. The entry itself waits no
longer than `patience`: how a run ends does not depend on who reads.
"""

from __future__ import annotations

import _thread
import os
import select
import time
from collections.abc import Callable, Iterable

from alvps.agent import messages

CHUNK = 1 << 16  # bytes; a pipe holds as many
LEFT_OVER = 1 << 20  # bytes; more than any pipe of an agent's can hold (fs.pipe-max-size)
PATIENCE = 30.0  # seconds
_SURE = 4096  # bytes that a pipe takes without blocking once it says that it takes something (PIPE_BUF)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from alvps.agent.mask import Masker


class Output:
    """The way out. `secrets` is asked when something is printed for the first time: a silent run does not need them."""

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        self._pipe, self.descriptor = os.pipe()  # the second one is for the children; close-on-exec, both
        os.set_blocking(self._pipe, False)
        self._secrets = secrets
        self._masker: Masker | None = None
        self._lock = _thread.allocate_lock()
        self._open_line = False  # what came last did not end its line
        self._gone = False  # nobody reads any more
        self.patience = PATIENCE

    def begin(self) -> None:
        """Pass on what the children print, from now on; and what the entry says, behind it."""
        messages.redirect(self.say)
        _thread.start_new_thread(self._pass_on_for_ever, ())

    def say(self, line: bytes) -> None:
        """A line of the entry's own, in which nobody else's words stand."""
        self._behind_all(lambda: self._masked(line) if self._masker else line)

    def without_secrets(self, text: bytes) -> bytes:
        """The text, masked. For somebody else's words."""
        masker = self._new_masker()
        return masker.feed(text) + masker.flush()

    def finish(self) -> None:
        """Pass on what is left. For the end: the children are dead, or their output does not count any more."""
        self._behind_all(lambda: self._masker.flush() if self._masker else b"", line=False)

    def _behind_all(self, more: Callable[[], bytes], *, line: bool = True) -> None:
        """Pass on what is in the pipe, then more. `line`: on a line of its own."""
        end = time.monotonic() + self.patience
        if not self._lock.acquire(timeout=self.patience):
            self.patience = 0.0  # the thread waits for somebody to take the output; once is enough
            return
        try:
            self._drain(end)
            if line and self._open_line:
                self._write(self._masked(b"\n"), end)
            self._write(more(), end)
        finally:
            self._lock.release()

    def _pass_on_for_ever(self) -> None:
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        while True:
            poll.poll()  # not under the lock
            with self._lock:
                data = self._read()
                if data:
                    self._write(self._masked(data))

    def _drain(self, end: float) -> None:
        """What is in the pipe now. Somebody who writes on and on is not waited for."""
        left = LEFT_OVER
        while left > 0 and (data := self._read()):
            left -= len(data)
            self._write(self._masked(data), end)

    def _read(self) -> bytes:
        try:
            return os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return b""

    def _masked(self, data: bytes) -> bytes:
        if self._masker is None:
            self._masker = self._new_masker()
        self._open_line = not data.endswith(b"\n")
        try:
            return self._masker.feed(data)
        except Exception as error:  # noqa: BLE001 - a bug in there must not let secrets out, nor block the children
            self._masker, self._open_line = None, False
            return messages.line("error", f"output withheld, it could not be masked: {type(error).__name__}")

    def _new_masker(self) -> Masker:
        from alvps.agent.mask import Masker
        from alvps.agent.needles import forms

        return Masker(forms(self._secrets()))

    def _write(self, data: bytes, end: float | None = None) -> None:
        """All of it; `end`: until then at most, for the main thread."""
        left = memoryview(data)
        poll = None
        while left and not self._gone:
            try:
                if end is None:
                    left = left[os.write(1, left) :]
                    continue
                if poll is None:
                    poll = select.poll()
                    poll.register(1, select.POLLOUT)
                if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
                    self.patience = 0.0
                    return
                left = left[os.write(1, left[:_SURE]) :]
            except OSError:
                self._gone = True  # the children must not wait for a reader that is gone
