"""Journal entries as journald gets them, and lines for people where there is no journal."""

from __future__ import annotations

import array
import ast
import io
import logging
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from alvps import journal

PACKAGE = Path(journal.__file__).parent


def decode(data: bytes) -> dict[str, str]:
    """The native protocol, read as its documentation says."""
    found: dict[str, str] = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
        found[name.decode()] = value.decode()
        data = rest
    return found


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[socket.socket]:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(str(tmp_path / "socket"))
    server.settimeout(5)
    yield server
    server.close()


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True), st.text(), max_size=8))
def test_what_is_encoded_is_read_back(fields: dict[str, str]) -> None:
    valid = {name: value.encode("utf-8", "backslashreplace").decode() for name, value in fields.items()}
    assert decode(journal.encode(fields)) == valid


def test_fields() -> None:
    event = {
        "event": "run finished",
        "agent": "dev",
        "run": "01",
        "trigger": "schedule",
        "exit_code": 1,
        "reason": None,
    }
    found = journal.entry("daemon", "warning", event)
    assert found == {
        "MESSAGE": "run finished agent=dev run=01 trigger=schedule exit_code=1",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "action-llama-daemon",
        "MESSAGE_ID": journal.message_id("run finished"),
        "AL_COMPONENT": "daemon",
        "AL_EVENT": "run finished",
        "AL_AGENT": "dev",
        "AL_RUN": "01",
        "AL_TRIGGER": "schedule",
        "AL_EXIT_CODE": "1",
    }


def test_message_ids_are_stable() -> None:
    # Documented for people's own journalctl filters: a change here breaks them.
    assert journal.message_id("run finished") == "3d5577c801bf5a0791a860bbd00a7803"
    assert journal.message_id("run finished") != journal.message_id("run started")


def test_values_cannot_forge_fields() -> None:
    found = decode(
        journal.encode(journal.entry("daemon", "info", {"event": "x", "reason": "a\nMESSAGE=forged\nPRIORITY=0"}))
    )
    assert found["PRIORITY"] == "6"
    assert found["MESSAGE"] == 'x reason="a\\nMESSAGE=forged\\nPRIORITY=0"'
    assert found["AL_REASON"] == "a\nMESSAGE=forged\nPRIORITY=0"


def test_sent_and_received(journald: socket.socket) -> None:
    with closing(journal.JournalSink(journald.getsockname())) as sink:
        sink.send({"MESSAGE": "small"})
    assert decode(journald.recv(1 << 16)) == {"MESSAGE": "small"}


def test_a_large_entry_travels_in_a_sealed_file(journald: socket.socket) -> None:
    text = "line\n" * 200_000
    with closing(journal.JournalSink(journald.getsockname())) as sink:
        sink.send({"MESSAGE": text})
    size = array.array("i", [0]).itemsize
    data, ancillary, _, _ = journald.recvmsg(10, socket.CMSG_SPACE(size))
    assert data == b""
    (number,) = array.array("i", ancillary[0][2][:size])
    with os.fdopen(number, "rb") as file:
        file.seek(0)
        assert decode(file.read()) == {"MESSAGE": text}
        with pytest.raises(PermissionError):
            os.write(os.open(f"/proc/self/fd/{number}", os.O_RDWR), b"x")


def test_what_is_lost_is_counted(tmp_path: Path) -> None:
    sink = journal.JournalSink(str(tmp_path / "socket"))
    for _ in range(3):
        sink.send({"MESSAGE": "nobody listens"})
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(str(tmp_path / "socket"))
    sink.send({"MESSAGE": "back"})
    sink.send({"MESSAGE": "again"})
    assert decode(server.recv(1 << 16)) == {"MESSAGE": "back", "AL_LOST_BEFORE": "3"}
    assert decode(server.recv(1 << 16)) == {"MESSAGE": "again"}
    server.close()
    sink.close()


def test_a_journald_that_does_not_read_holds_nobody_up(journald: socket.socket) -> None:
    sink = journal.JournalSink(journald.getsockname())
    begin = time.monotonic()
    for _ in range(2000):
        sink.send({"MESSAGE": "x" * 1000})
    assert sink._lost > 1000
    assert time.monotonic() - begin < 10
    sink.close()


def test_lines_for_people() -> None:
    stream = io.StringIO()
    journal.configure("daemon", stream=stream)
    log = journal.get_logger()
    log.info("run finished", agent="dev", reason='two words, "quoted"', rerun=None)
    log.debug("not shown")
    try:
        {}["x"]
    except KeyError:
        log.exception("it broke")
    logging.getLogger("sanic.error").error("from a %s", "library")
    logging.getLogger("sanic.root").info("chatter")
    lines = stream.getvalue().splitlines()
    assert lines[0].split(" ", 1)[1] == 'daemon info: run finished agent=dev reason="two words, \\"quoted\\""'
    assert lines[1].endswith("daemon error: it broke")
    assert lines[2] == "Traceback (most recent call last):"
    assert lines[-2] == "KeyError: 'x'"
    assert lines[-1].endswith('daemon error: library message logger=sanic.error text="from a library"')


def test_only_where_systemd_says_so(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w") as stream:
        status = os.fstat(stream.fileno())
        right = f"{status.st_dev}:{status.st_ino}"
        assert journal.journal_is_behind(stream, {"JOURNAL_STREAM": right}) is Path(journal.SOCKET).is_socket()
        for wrong in ("", "nonsense", "1:2", "::", f"{right}:0"):
            assert not journal.journal_is_behind(stream, {"JOURNAL_STREAM": wrong})
    assert not journal.journal_is_behind(io.StringIO(), {"JOURNAL_STREAM": "1:1"})


@pytest.mark.parametrize("room", ["daemon", "gateway", "store", "launcher"])
def test_events_are_constants(room: str) -> None:
    """A MESSAGE_ID stands for one kind of event: what differs belongs into fields."""
    wrong = []
    for path in (PACKAGE / room).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if not isinstance(called, ast.Attribute) or called.attr == "bind":  # which is no event
                continue
            if isinstance(called.value, ast.Name) and called.value.id == "log":
                first = node.args[0] if node.args else None
                if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
                    wrong.append(f"{path.name}:{node.lineno}")
    assert not wrong
