"""Standard input, output and error as plain descriptors: bytes, whole, whatever state they were inherited in."""

from __future__ import annotations

import os
import select

_PIECE = 1 << 16
_program = "al"


def begin(program: str) -> None:
    """Make descriptors 0 to 2 safe to use. Closed ones become /dev/null: a socket must not become standard output."""
    global _program  # noqa: PLW0603 - set once, before anything else runs; every message begins with it
    _program = program
    for descriptor in range(3):
        if not _is_open(descriptor):
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


def say(message: str) -> None:
    """A line on standard error. A reader that is gone is no failure."""
    try:
        _write(2, f"{_program}: {message}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        return


def answer(line: bytes) -> bool:
    """The one line on standard output. False, and said so, when it could not be written whole."""
    try:
        _write(1, line + b"\n")
    except BrokenPipeError:
        return True  # the reader wanted no more
    except OSError as error:
        say(f"the answer could not be written to standard output: {error.strerror}; it is: {line.decode()}")
        return False
    return True


def read(most: int) -> bytes:
    """Standard input up to its end, or `most` bytes."""
    data = bytearray()
    while len(data) < most:
        try:
            piece = os.read(0, min(_PIECE, most - len(data)))
        except BlockingIOError:  # inherited from a program that set it so for itself
            _until(0, select.POLLIN)
            continue
        if not piece:
            break
        data += piece
    return bytes(data)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # noqa: PERF203  # without it there is no going on where the writing stopped
            _until(descriptor, select.POLLOUT)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _until(descriptor: int, event: int) -> None:
    poller = select.poll()
    poller.register(descriptor, event)
    poller.poll()
