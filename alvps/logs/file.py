"""The log of a daemon on a machine of one's own: a file in the place of the journal, with the journal's own entries.

Each line is what `journalctl -o json` would print of an entry, so whatever reads the journal reads this. Several
processes write. At `most` bytes the file is renamed to <name>.1, and the oldest of `keep` such files goes.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from alvps.logs.entry import Entry, entry, parse
from alvps.logs.query import Query
from alvps.logs.since import host_time

MOST = 8 << 20  # bytes
KEEP = 4
POLL = 0.05  # seconds between two looks at the file while somebody follows it
COMPONENTS = frozenset({"agent", "daemon", "launcher"})
_READ = 1 << 16
_SOURCE = "0" * 32  # of the cursors; the journal has the ids of its files and of the boot there


class LogFile:
    """Appends entries. What cannot be written is counted, and the next entry says how many."""

    def __init__(self, path: Path, *, most: int = MOST, keep: int = KEEP) -> None:
        self._path, self._most, self._keep = path, most, keep
        self._file = -1
        self._guard = os.open(_guard_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()
        self._lost = self._number = 0

    def send(self, fields: Mapping[str, str | bytes]) -> None:
        """Write one entry."""
        with self._lock:
            lost = {"AL_LOST_BEFORE": str(self._lost)} if self._lost else {}
            try:
                with self._held(fcntl.LOCK_SH):
                    self._open_current()
                    os.write(self._file, self._line({**fields, **lost}))
                    full = os.fstat(self._file).st_size >= self._most
                self._lost = 0
                if full:
                    self._rotate()
            except OSError:
                self._lost += 1

    def close(self) -> None:
        """Give the files back."""
        for number in (self._file, self._guard):
            with suppress(OSError):
                os.close(number)

    @contextmanager
    def _held(self, how: int) -> Iterator[None]:
        """Nobody renames the file while somebody writes: a reader that has come to a renamed one's end has it all."""
        fcntl.flock(self._guard, how)
        try:
            yield
        finally:
            fcntl.flock(self._guard, fcntl.LOCK_UN)

    def _open_current(self) -> None:
        with suppress(OSError):
            here, mine = self._path.stat(), os.fstat(self._file)
            if (here.st_dev, here.st_ino) == (mine.st_dev, mine.st_ino):
                return
        with suppress(OSError):
            os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _rotate(self) -> None:
        with self._held(fcntl.LOCK_EX):
            if self._path.stat().st_size < self._most:
                return  # somebody else was faster
            for number in range(self._keep - 1, 0, -1):
                with suppress(FileNotFoundError):
                    _older(self._path, number).replace(_older(self._path, number + 1))
            self._path.replace(_older(self._path, 1))

    def _line(self, fields: Mapping[str, str | bytes]) -> bytes:
        self._number += 1
        micros = time.time_ns() // 1000
        cursor = (
            f"s={_SOURCE};i={self._number:x};b={_SOURCE};m={time.monotonic_ns() // 1000:x};t={micros:x}"
            f";x={secrets.token_hex(8)}"
        )
        found: dict[str, Any] = {"__CURSOR": cursor, "__REALTIME_TIMESTAMP": str(micros)}
        found |= {name: _value(value) for name, value in fields.items()}
        return json.dumps(found, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"


def files(path: Path) -> list[Path]:
    """The files that there are, the oldest first."""
    older = [(int(match[1]), one) for one in path.parent.glob(f"{path.name}.*") if (match := _NUMBER.search(one.name))]
    return [*(one for _, one in sorted(older, reverse=True)), *([path] if path.exists() else [])]


def lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Every line and its entry, the oldest first."""
    for line in _Follower(path).new():
        if (raw := _parsed(line)) is not None:
            yield line, raw


def stream(
    path: Path, query: Query, *, ended: Callable[[], bool] = lambda: False, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Entry]:
    """The entries of a query; with `follow` until `ended`. Nothing is lost or repeated when the file is renamed."""
    since = _since(query.since)
    wanted = matching(agent=query.agent, run=query.run)
    follower = _Follower(path)
    history: deque[bytes] = deque(maxlen=query.lines)
    for line in follower.new():
        raw = _parsed(line)
        if raw is not None and wanted(raw) and int(raw["__REALTIME_TIMESTAMP"]) >= since:
            history.append(line)
    yield from filter(None, map(_entry, history))
    while query.follow:
        over = ended()  # before the last look
        for line in follower.new():
            raw = _parsed(line)
            if raw is not None and wanted(raw) and (found := _entry(line)) is not None:
                yield found
        if over:
            return
        sleep(POLL)


def matching(
    *, agent: str | None = None, run: str | None = None, component: str | None = None
) -> Callable[[Mapping[str, Any]], bool]:
    """Whether an entry is of that agent, run and component."""
    components = {component} if component else COMPONENTS

    def wanted(raw: Mapping[str, Any]) -> bool:
        return (
            raw.get("AL_COMPONENT") in components
            and (agent is None or raw.get("AL_AGENT") == agent)
            and (run is None or raw.get("AL_RUN") == run)
        )

    return wanted


class _Follower:
    """Reads on from where it was, over renamed files. A file is known by its first line: inodes are used again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at: dict[bytes, int] = {}

    def new(self) -> Iterator[bytes]:
        """The whole lines that came since the last call."""
        seen: dict[bytes, int] = {}
        with ExitStack() as stack:
            for opened in [stack.enter_context(file) for file in _opened(self._path)]:
                first = opened.readline()
                if not first.endswith(b"\n"):
                    continue
                seen[first] = self._at.get(first, 0)
                opened.seek(seen[first])
                for line in opened:
                    if not line.endswith(b"\n"):
                        break  # the rest of it comes
                    seen[first] += len(line)
                    yield line
        self._at = seen


def _opened(path: Path) -> list[BinaryIO]:
    """All files, the oldest first, opened while nobody renames any."""
    with suppress(FileNotFoundError), _guard_of(path).open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_SH)
        return [file.open("rb") for file in files(path)]
    return []


def _guard_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


_NUMBER = re.compile(r"\.([1-9][0-9]{0,2})\Z")


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        raw = json.loads(line)
        int(raw["__REALTIME_TIMESTAMP"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return raw if isinstance(raw, dict) else None


def _entry(line: bytes) -> Entry | None:
    piece = parse(line)
    return None if piece is None else entry(piece)


def _value(value: str | bytes) -> str | list[int]:
    """As journalctl writes it: text, or the bytes' numbers."""
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return list(value)


def _since(said: str | None) -> int:
    """Microseconds since 1970."""
    if said is None:
        return 0
    text = host_time(said)
    if text.startswith("-"):
        return int((time.time() - float(text[1:-1])) * 1e6)
    moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=timezone.utc)
    return int(moment.timestamp() * 1e6)
