"""How an answer is read from a terminal."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys


def read_line(prompt: str = "") -> str:
    """As `input`, but on a terminal Ctrl-C is always heard. Raises KeyboardInterrupt, EOFError.

    Python looks for signals between its own instructions: one that comes after `input` has looked and before it waits
    is heard with the next key only. Here a signal also ends the waiting (signal.set_wakeup_fd).
    """
    if not sys.stdin.isatty():
        return input(prompt)
    with contextlib.ExitStack() as stack:
        woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        stack.callback(os.close, woken)
        stack.callback(os.close, wake)
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(wake))
        print(prompt, end="", flush=True)
        ready: list[object] = []
        while sys.stdin not in ready:  # a terminal has something to read when a whole line is there
            ready, _, _ = select.select([sys.stdin, woken], [], [])
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 1024)
        line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")
