"""Power cuts: what SQLite writes and syncs is recorded, and the disk that a cut would have left is made from that.

The recorder sits inside the SQLite that the daemon itself uses: its file functions for writing, cutting, syncing and
deleting are wrapped, everything else stays as it is. A disk keeps what was synced; of what was written since then it
may keep any part, in any order, each sector of 512 bytes by itself.
"""

from __future__ import annotations

import _sqlite3
import contextlib
import ctypes
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECTOR = 512
# Names are passed on as the pointers that they came as: SQLite keeps more behind them.
OPEN = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3, ctypes.c_int, ctypes.c_void_p)
DELETE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
WRITE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
SYNC = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


class Vfs(ctypes.Structure):
    """sqlite3_vfs, as far as it is looked at here."""

    _fields_ = (
        *(("version", ctypes.c_int), ("size_of_file", ctypes.c_int), ("longest_path", ctypes.c_int)),
        *(("next", ctypes.c_void_p), ("name", ctypes.c_char_p), ("data", ctypes.c_void_p)),
        *(("open", OPEN), ("delete", DELETE), ("rest", ctypes.c_void_p * 14)),
    )


class Methods(ctypes.Structure):
    """sqlite3_io_methods, the same."""

    _fields_ = (
        *(("version", ctypes.c_int), ("close", ctypes.c_void_p), ("read", ctypes.c_void_p)),
        *(("write", WRITE), ("truncate", TRUNCATE), ("sync", SYNC), ("rest", ctypes.c_void_p * 13)),
    )


class File(ctypes.Structure):
    """sqlite3_file."""

    _fields_ = (("methods", ctypes.POINTER(Methods)),)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a file, or that the outside was told."""

    what: str  # "write", "truncate", "sync", "delete", "told"
    file: str = ""
    offset: int = 0
    data: Any = b""


class Recorder:
    """Every event, in its order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def told(self, what: Any) -> None:
        """The outside relies on this from now on."""
        self.events.append(Event("told", data=what))


@contextlib.contextmanager
def recording() -> Iterator[Recorder]:
    """Record all that SQLite does to files in this process that are opened meanwhile."""
    recorder = Recorder()
    note = recorder.events.append
    library = ctypes.CDLL(_sqlite3.__file__)  # its SQLite, wherever that is
    library.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
    real = library.sqlite3_vfs_find(None).contents
    ours = Vfs.from_buffer_copy(real)
    names: dict[int, str] = {}
    wrapped: dict[int, tuple[Methods, Any]] = {}  # by the address of the real ones

    def methods_for(address: int, methods: Methods) -> Methods:
        if address not in wrapped:
            copy = Methods.from_buffer_copy(methods)
            # Written first: whatever comes of it, it may be on the disk. Synced last: only then it surely is.
            real_write, real_truncate, real_sync = methods.write, methods.truncate, methods.sync

            def write(file: int, data: int, size: int, offset: int) -> int:
                note(Event("write", names[file], offset, ctypes.string_at(data, size)))
                return real_write(file, data, size, offset)

            def truncate(file: int, size: int) -> int:
                note(Event("truncate", names[file], size))
                return real_truncate(file, size)

            def sync(file: int, flags: int) -> int:
                code = real_sync(file, flags)
                if code == 0:
                    note(Event("sync", names[file]))
                return code

            copy.write, copy.truncate, copy.sync = WRITE(write), TRUNCATE(truncate), SYNC(sync)
            wrapped[address] = (copy, methods)
        return wrapped[address][0]

    def open_(_vfs: int, name: int | None, file: int, flags: int, flags_out: int) -> int:
        code = real.open(ctypes.addressof(real), name, file, flags, flags_out)
        found = File.from_address(file)
        if code == 0 and name and found.methods:
            names[file] = _name(name)
            address = ctypes.addressof(found.methods.contents)
            found.methods = ctypes.pointer(methods_for(address, found.methods.contents))
        return code

    def delete(_vfs: int, name: int, sync: int) -> int:
        note(Event("delete", _name(name)))
        return real.delete(ctypes.addressof(real), name, sync)

    ours.name, ours.open, ours.delete = b"recording", OPEN(open_), DELETE(delete)
    assert library.sqlite3_vfs_register(ctypes.byref(ours), 1) == 0
    try:
        yield recorder
    finally:
        library.sqlite3_vfs_unregister(ctypes.byref(ours))
        library.sqlite3_vfs_register(ctypes.byref(real), 1)


@dataclass
class Disk:
    """The files as they surely are, and what has been written since."""

    files: dict[str, bytearray] = field(default_factory=dict)
    waiting: dict[str, list[Event]] = field(default_factory=dict)

    def happens(self, event: Event) -> None:
        """Go on by one event."""
        if event.what == "sync":
            file = self.files.setdefault(event.file, bytearray())
            for earlier in self.waiting.pop(event.file, ()):
                _apply(file, earlier)
        elif event.what == "delete":
            self.files.pop(event.file, None)
            self.waiting.pop(event.file, None)
        elif event.what != "told":
            self.waiting.setdefault(event.file, []).append(event)

    def cut(self, chance: random.Random, folder: Path) -> None:
        """Write the files into the folder as a cut at this moment may leave them."""
        kept = chance.choice((0.0, 0.5, 0.9, 1.0))
        for name in self.files.keys() | self.waiting.keys():
            file = bytearray(self.files.get(name, b""))
            for event in self.waiting.get(name, ()):
                if event.what == "truncate":
                    if chance.random() < kept:
                        _apply(file, event)
                    continue
                for at in range(0, len(event.data), SECTOR):
                    if chance.random() < kept:
                        _apply(file, Event("write", name, event.offset + at, event.data[at : at + SECTOR]))
            (folder / name).write_bytes(file)


def _name(pointer: int) -> str:
    return Path(ctypes.string_at(pointer).decode()).name


def _apply(file: bytearray, event: Event) -> None:
    if event.what == "truncate":
        del file[event.offset :]
        return
    file.extend(bytes(max(0, event.offset - len(file))))
    file[event.offset : event.offset + len(event.data)] = event.data
