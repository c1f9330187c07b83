"""A program on a terminal, and a person at it: reads what is on the screen, types."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

DOWN, ENTER, CTRL_C = "\x1b[B", "\r", "\x03"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>78]")
_POSITION = b"\x1b[6n"  # "where is the cursor?", which a terminal answers (ECMA-48, DSR)


class Terminal:
    """Runs argv on a terminal of 120 columns and 40 lines; it has a process group of its own, as under a shell."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str) -> None:
        self._handle, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *argv],  # ^C is a signal only on one's own terminal
            env={**env, "TERM": "xterm-256color"},
            cwd=cwd,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self._raw = b""
        self._seen = 0

    def __enter__(self) -> Terminal:  # noqa: PYI034 - Self is in typing only from Python 3.11 on
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._handle)

    @property
    def text(self) -> str:
        """Everything that was printed, without the control sequences."""
        return _CONTROL.sub("", self._raw.decode(errors="replace"))

    def expect(self, words: str, timeout: float = 60.0) -> None:
        """Until the words were printed since the last time. Raises TimeoutError with all that was."""
        end = time.monotonic() + timeout
        while words not in self.text[self._seen :]:
            if time.monotonic() > end or not self._read(0.1):
                raise TimeoutError(f"{words!r} was not printed:\n{self.text}")
        self._seen = self.text.index(words, self._seen) + len(words)

    def type(self, keys: str) -> None:
        os.write(self._handle, keys.encode())

    def wait(self, timeout: float = 60.0) -> int:
        """Until it has ended; its exit code."""
        end = time.monotonic() + timeout
        while self._read(0.1):
            if time.monotonic() > end:
                raise TimeoutError(f"it goes on:\n{self.text}")
        return self._process.wait(timeout=timeout)

    def _read(self, seconds: float) -> bool:
        """What there is by then; False when nothing will come any more."""
        if not select.select([self._handle], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self._handle, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # Linux: the other side was closed
                raise
            return False
        if _POSITION in piece:
            self.type("\x1b[1;1R")
        self._raw += piece
        return bool(piece)
