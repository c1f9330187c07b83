"""Follows the journal on the host with less delay than `journalctl --follow`. Sent as text to the host's python3.

journald tells waiting readers of new entries 250 ms late (it gathers what comes in the meantime), though they can be
read at once. This program looks every few milliseconds, through libsystemd, and prints what `journalctl --output=json
--all` would. It runs only while somebody watches. Standard library only, Python 3.8 or later; where libsystemd cannot
be loaded it becomes journalctl.

Its one argument is JSON: {"cursor": …|null, "matches": […], "fields": […], "poll": seconds, "otherwise": […]}. It ends
when standard input does.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import sys
from typing import Any

LOCAL_ONLY = 1  # SD_JOURNAL_LOCAL_ONLY: the journal of this machine, as journalctl has it
BATCH = 1 << 16  # bytes that are gathered before they are written


def load() -> Any:
    """libsystemd with the types of what is used (sd-journal(3)); None where there is none."""
    try:
        lib = ctypes.CDLL("libsystemd.so.0")
    except OSError:
        return None
    journal, number, text, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t
    lib.sd_journal_open.argtypes = [ctypes.POINTER(journal), number]
    lib.sd_journal_add_match.argtypes = [journal, text, size]
    lib.sd_journal_get_cursor.argtypes = [journal, ctypes.POINTER(ctypes.c_void_p)]
    lib.sd_journal_get_realtime_usec.argtypes = [journal, ctypes.POINTER(ctypes.c_uint64)]
    lib.sd_journal_set_data_threshold.argtypes = [journal, size]
    lib.sd_journal_enumerate_data.argtypes = [journal, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(size)]
    lib.sd_journal_seek_cursor.argtypes = [journal, text]
    for name in ("add_disjunction", "seek_head", "next", "get_fd", "process", "restart_data"):
        getattr(lib, "sd_journal_" + name).argtypes = [journal]
    return lib


def check(code: int) -> int:
    """libsystemd returns errors as negative numbers."""
    if code < 0:
        raise OSError(-code, os.strerror(-code))
    return code


def value(data: bytes) -> str | list[int]:
    """As journalctl writes it: a string, or the bytes' numbers."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return list(data)


def read(lib: Any, journal: ctypes.c_void_p, wanted: frozenset[str], libc: Any) -> bytes:
    """The current entry as one line of JSON."""
    cursor, usec = ctypes.c_void_p(), ctypes.c_uint64()
    check(lib.sd_journal_get_cursor(journal, ctypes.byref(cursor)))
    try:
        found: dict[str, Any] = {"__CURSOR": ctypes.string_at(cursor.value or 0).decode()}
    finally:
        libc.free(cursor)
    check(lib.sd_journal_get_realtime_usec(journal, ctypes.byref(usec)))
    found["__REALTIME_TIMESTAMP"] = str(usec.value)
    data, length = ctypes.c_void_p(), ctypes.c_size_t()
    lib.sd_journal_restart_data(journal)
    while check(lib.sd_journal_enumerate_data(journal, ctypes.byref(data), ctypes.byref(length))):
        name, _, raw = ctypes.string_at(data.value or 0, length.value).partition(b"=")
        if name.decode() in wanted:
            found.setdefault(name.decode(), value(raw))
    return json.dumps(found).encode() + b"\n"


def follow(lib: Any, ask: dict[str, Any]) -> None:
    """Print entries from the cursor on, for ever."""
    libc = ctypes.CDLL(None)
    libc.free.argtypes = [ctypes.c_void_p]
    journal = ctypes.c_void_p()
    check(lib.sd_journal_open(ctypes.byref(journal), LOCAL_ONLY))
    check(lib.sd_journal_set_data_threshold(journal, 0))
    for word in ask["matches"]:
        if word == "+":
            check(lib.sd_journal_add_disjunction(journal))
        else:
            check(lib.sd_journal_add_match(journal, word.encode(), len(word.encode())))
    if ask["cursor"] is None:
        check(lib.sd_journal_seek_head(journal))
    else:
        check(lib.sd_journal_seek_cursor(journal, ask["cursor"].encode()))
    news = check(lib.sd_journal_get_fd(journal))
    events = select.poll()
    events.register(news, select.POLLIN)
    events.register(0, select.POLLIN | select.POLLHUP)
    wanted = frozenset(ask["fields"])
    while True:
        lines, size = [], 0
        while size < BATCH and check(lib.sd_journal_next(journal)):
            lines.append(read(lib, journal, wanted, libc))
            size += len(lines[-1])
        if lines:
            out = memoryview(b"".join(lines))
            while out:
                out = out[os.write(1, out) :]
        ready = dict(events.poll(0 if size >= BATCH else ask["poll"] * 1000))
        if 0 in ready and not os.read(0, 4096):
            return
        if news in ready:
            check(lib.sd_journal_process(journal))  # also opens files that journald began meanwhile


def main() -> None:
    ask = json.loads(sys.argv[1])
    lib = load()
    if lib is None:
        os.execvp(ask["otherwise"][0], ask["otherwise"])  # noqa: S606  # no shell is the point
    try:
        follow(lib, ask)
    except BrokenPipeError:
        os._exit(0)
    except (OSError, KeyboardInterrupt) as error:
        print(f"the journal cannot be followed: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
