"""Bytes as somebody's standard input, without anybody who would have to wait for the reader."""

from __future__ import annotations

import _thread
import os


def again(data: bytes) -> int:
    """A file in memory: it can be read late, and more than once."""
    descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)
    _write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def once(data: bytes) -> int:
    """A pipe: what has been read is gone. For secrets, as a file could be read again by way of /proc."""
    reader, writer = os.pipe()
    _thread.start_new_thread(_feed, (writer, data))
    return reader


def _feed(descriptor: int, data: bytes) -> None:
    try:
        _write(descriptor, data)
    except BrokenPipeError:
        pass  # the reader has ended
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
