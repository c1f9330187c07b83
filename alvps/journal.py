"""Log lines of the daemon and the launcher: native journald fields, or readable lines where there is no journal.

    journal.configure("daemon")
    log = structlog.get_logger()
    log.info("run finished", agent="dev", run="01k…", trigger="schedule", exit_code=0)

The event is a constant text, the rest are fields. A journal entry carries MESSAGE (the event and its fields, for
people), AL_COMPONENT, AL_EVENT, one AL_<NAME> per field (so `journalctl AL_AGENT=dev` finds it), PRIORITY, and a
MESSAGE_ID that is the same for every entry with that event. The wire format is systemd's documented native journal
protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).

The package logging-journald was read for this and not taken: its MESSAGE_ID hashes the whole text, so it differs from
entry to entry, and its fields are named EXTRA_….
"""

from __future__ import annotations

import array
import errno
import fcntl
import logging
import os
import socket
import struct
import sys
import time
import uuid
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Protocol, TextIO

import structlog

SOCKET = "/run/systemd/journal/socket"
NAMESPACE = uuid.UUID("6d1c3d4e-3f0e-5c7a-9a43-51a1c0de0a11")  # any fixed one; changing it changes every MESSAGE_ID
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}
# fcntl(2). The module fcntl has these names only where Python was built against headers that do.
F_ADD_SEALS = 1033
ALL_SEALS = 0x1 | 0x2 | 0x4 | 0x8  # seal, shrink, grow, write
SEND_TIMEOUT = 0.1  # seconds that a stuck journald may hold the caller
MAX_VALUE = 64 << 10  # characters of one field; a traceback fits, a caller's mistake does not fill the disk


def message_id(event: str) -> str:
    """The MESSAGE_ID of every entry with this event: 32 hexadecimal digits."""
    return uuid.uuid5(NAMESPACE, event).hex


def encode(fields: Mapping[str, str]) -> bytes:
    """One entry in the journal's native protocol: `NAME=value`, or length-prefixed when the value has a newline."""
    parts: list[bytes] = []
    for name, value in fields.items():
        raw = value.encode("utf-8", "backslashreplace")
        if b"\n" in raw:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(raw)) + raw + b"\n")
        else:
            parts.append(name.encode() + b"=" + raw + b"\n")
    return b"".join(parts)


def entry(component: str, level: str, event: Mapping[str, Any]) -> dict[str, str]:
    """The journal fields of one structlog event."""
    name = str(event.get("event", ""))
    fields = {
        "MESSAGE": _clip(as_text(event)),
        "PRIORITY": str(PRIORITIES.get(level, 6)),
        "SYSLOG_IDENTIFIER": f"action-llama-{component}",
        "MESSAGE_ID": message_id(name),
        "AL_COMPONENT": component,
        "AL_EVENT": _clip(name),
    }
    for key, value in event.items():
        if key not in ("event", "exception") and value is not None:
            fields["AL_" + _field_name(key)] = _clip(str(value))
    return fields


def as_text(event: Mapping[str, Any]) -> str:
    """The line that people read: the event, then `name=value` in the order given; a traceback follows on its own."""
    words = [str(event.get("event", ""))]
    words += [f"{k}={_quoted(v)}" for k, v in event.items() if k not in ("event", "exception") and v is not None]
    text = " ".join(words)
    return f"{text}\n{event['exception']}" if event.get("exception") else text


class JournalSink:
    """Sends entries to journald. An entry that cannot be sent is counted, and the next one says how many."""

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        # Addressed on each send, not connected: journald may be restarted and its socket be another one then.
        self._socket.settimeout(SEND_TIMEOUT)
        self._lost = 0

    def send(self, fields: dict[str, str]) -> None:
        """Send one entry; large ones travel in a sealed memory file, as the protocol asks."""
        if self._lost:
            fields["AL_LOST_BEFORE"] = str(self._lost)
        data = encode(fields)
        try:
            try:
                self._socket.sendto(data, self._path)
            except OSError as error:
                if isinstance(error, TimeoutError) or not _is_too_large(error):
                    raise
                self._send_file(data)
        except OSError:
            self._lost += 1
            self._socket.settimeout(0)  # waited once; the next ones are not held up as well
        else:
            self._lost = 0
            self._socket.settimeout(SEND_TIMEOUT)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def _send_file(self, data: bytes) -> None:
        file = os.memfd_create("al-journal", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(file), "wb") as stream:
                stream.write(data)
            fcntl.fcntl(file, F_ADD_SEALS, ALL_SEALS)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file]))]
            self._socket.sendmsg([b""], rights, 0, self._path)
        finally:
            os.close(file)


class Sink(Protocol):
    """What takes entries."""

    def send(self, fields: dict[str, str], /) -> None:
        """Take one."""


def configure(
    component: str,
    *,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
    sink: Sink | None = None,
) -> None:
    """Set up structlog and the standard library's logging (Sanic, docker) for this process.

    `component` is "daemon" or "launcher". Entries go to `sink`, if there is one; to journald when systemd connected
    this process's standard error to it; else as lines to `stream` (default: standard error).
    """
    output = stream or sys.stderr
    if sink is None and stream is None and journal_is_behind(output, environ):
        sink = JournalSink()

    def emit(level: str, event: MutableMapping[str, Any]) -> None:
        if sink:
            sink.send(entry(component, level, event))
            return
        # gmtime without an argument asks a clock that lags by milliseconds: a tick would seem to come early.
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time()))
        output.write(f"{stamp} {component} {level}: {as_text(event)}\n")
        output.flush()

    def render(_logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        emit(method, event)
        raise structlog.DropEvent

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.format_exc_info, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    logging.root.handlers[:] = [_Bridge(emit)]
    logging.root.setLevel(logging.WARNING)


def journal_is_behind(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `stream` is the journal: systemd says so in `$JOURNAL_STREAM` as device:inode (systemd.exec(5))."""
    try:
        device, inode = (int(part) for part in environ.get("JOURNAL_STREAM", "").split(":", 1))
        status = os.fstat(stream.fileno())
    except (ValueError, OSError):
        return False
    return (status.st_dev, status.st_ino) == (device, inode) and Path(SOCKET).is_socket()


class _Bridge(logging.Handler):
    """Records of libraries that use the standard library's logging."""

    def __init__(self, emit: Any) -> None:
        super().__init__()
        self._emit = emit

    def emit(self, record: logging.LogRecord) -> None:
        event: dict[str, Any] = {"event": "library message", "logger": record.name, "text": record.getMessage()}
        if record.exc_info:
            event["exception"] = logging.Formatter().formatException(record.exc_info)
        self._emit(record.levelname.lower(), event)


def _is_too_large(error: OSError) -> bool:
    return error.errno in (errno.EMSGSIZE, errno.ENOBUFS)


def _field_name(key: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in key).upper()[:60]


def _clip(text: str) -> str:
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…"


def _quoted(value: object) -> str:
    text = _clip(str(value))
    if text and all(c.isprintable() and not c.isspace() and c not in "'\"=" for c in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """A logger for a module; it may be made before `configure` is called."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
