"""Reading the journal: within bounds of time, of size and of number, whatever the program does."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from alvps.launcher import request
from alvps.launcher.logbook import Journal, Lines
from alvps.launcher.refusal import Refused
from alvps.logs.page import Ask
from tests.support.fake_journal import FakeJournal


def program(folder: Path, text: str) -> str:
    """A program in journalctl's place."""
    path = folder / "program"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return str(path)


def shell(folder: Path, text: str) -> str:
    """The same, which starts more quickly."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\ncd {folder}\n{text}\n")
    path.chmod(0o755)
    return str(path)


def read(journal: Journal, ask: Ask) -> Lines:
    return asyncio.run(journal.read(ask))


def texts(lines: Lines) -> list[str]:
    return [json.loads(line)["MESSAGE"] for line in lines.text.splitlines()]


def test_the_last_lines_and_those_from_a_cursor_on(tmp_path: Path) -> None:
    journal = FakeJournal(tmp_path)
    cursors = [journal.add(f"line {number}") for number in range(10)]
    reader = Journal(str(tmp_path / "journalctl"))
    found = read(reader, Ask(limit=3))
    assert (texts(found), found.more) == (["line 7", "line 8", "line 9"], False)
    found = read(reader, Ask(cursor=cursors[2], limit=3))
    assert (texts(found), found.more) == (["line 2", "line 3", "line 4", "line 5"], True)
    found = read(reader, Ask(cursor=cursors[6], limit=3))
    assert (texts(found), found.more) == (["line 6", "line 7", "line 8", "line 9"], False)
    assert read(reader, Ask(agent="other", limit=3)) == Lines(b"", more=False)


def test_a_cursor_that_journalctl_does_not_like(tmp_path: Path) -> None:
    said = "import sys; sys.exit('Failed to seek to cursor: Invalid argument')"
    with pytest.raises(Refused, match="Failed to seek") as refused:
        read(Journal(program(tmp_path, said)), Ask(limit=1))
    assert refused.value.code == "bad-cursor"


@pytest.mark.parametrize("said", ["sys.exit('No journal files were opened')", "sys.exit(3)"])
def test_a_journal_that_cannot_be_read(tmp_path: Path, said: str) -> None:
    with pytest.raises(Refused, match=r"No journal files|status 3") as refused:
        read(Journal(program(tmp_path, f"import sys; {said}")), Ask(limit=1))
    assert (refused.value.code, refused.value.retry) == ("journal", True)


def test_no_program_at_all() -> None:
    with pytest.raises(Refused, match="cannot be run") as refused:
        read(Journal("/nonexistent/journalctl"), Ask(limit=1))
    assert refused.value.code == "journal"


def test_output_without_end_is_cut_off(tmp_path: Path) -> None:
    endless = "import os\nwhile True: os.write(1, b'{}\\n' * 1000)"
    found = read(Journal(program(tmp_path, endless)), Ask(limit=5))
    assert found == Lines(b"{}\n" * 5, more=True)


def test_so_is_output_of_too_many_bytes_after_a_whole_line(tmp_path: Path) -> None:
    long = "import os\nfor _ in range(100): os.write(1, b'x' * 999 + b'\\n')"
    found = read(Journal(program(tmp_path, long), most=10_000), Ask(limit=1000))
    assert found.more
    assert set(found.text.splitlines()) == {b"x" * 999}
    assert 9_000 <= len(found.text) <= 10_000 + (1 << 16)


def test_a_line_that_alone_is_too_long_does_not_block_the_way(tmp_path: Path) -> None:
    journal = FakeJournal(tmp_path)
    cursor = journal.add("before")
    journal.add("x" * 100_000)
    journal.add("after")
    found = read(Journal(str(tmp_path / "journalctl"), most=400), Ask(cursor=cursor, limit=1))
    assert texts(found)[:1] == ["before"]
    journal.clear()
    journal.add("x" * 100_000)
    journal.add("after")
    assert texts(read(Journal(str(tmp_path / "journalctl"), most=400), Ask(limit=2))) == [None, "after"]


def test_a_program_that_hangs_is_ended_in_time(tmp_path: Path) -> None:
    hangs = shell(tmp_path, "echo $$ >pid; exec sleep 1000")
    with pytest.raises(Refused, match="no line within") as refused:
        read(Journal(hangs, within=2.0), Ask(limit=1))
    assert (refused.value.code, refused.value.retry) == ("journal", True)
    assert not Path(f"/proc/{int((tmp_path / 'pid').read_text())}").exists()


def test_what_came_before_the_time_was_over_is_given(tmp_path: Path) -> None:
    slow = shell(tmp_path, "printf '{}\\n{'; exec sleep 1000")
    assert read(Journal(slow, within=2.0), Ask(limit=9)) == Lines(b"{}\n", more=True)


def test_the_loop_goes_on_while_a_journal_is_read(tmp_path: Path) -> None:
    async def scenario() -> Lines:
        waits = shell(tmp_path, "until [ -e go ]; do sleep 0.02; done; echo '{}'")
        reading = asyncio.ensure_future(Journal(waits, within=60.0).read(Ask(limit=1)))
        await asyncio.sleep(0)  # it begins; were it to hold up the loop, the next line would come too late
        (tmp_path / "go").touch()
        return await reading

    assert asyncio.run(scenario()) == Lines(b"{}\n", more=False)


CURSOR = f"s={'0' * 32};i=1;b={'0' * 32};m=0;t=0;x=0"


def test_the_request() -> None:
    assert request.parse({"verb": "logs", "limit": 5}, b"") == Ask(limit=5)
    whole = {"agent": "dev", "run": "r0123456789", "component": "daemon", "cursor": CURSOR, "limit": 1000}
    assert request.parse({"verb": "logs", **whole}, b"") == Ask(**whole)  # type: ignore[arg-type]  # of several types


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"limit": 0}, "bad-request"),
        ({"limit": 1001}, "bad-request"),
        ({"limit": True}, "bad-request"),
        ({"limit": None}, "bad-request"),
        ({"agent": "Dev"}, "bad-request"),
        ({"agent": "dev _UID=0"}, "bad-request"),
        ({"agent": ["dev"]}, "bad-request"),
        ({"component": "kernel"}, "bad-request"),
        ({"component": ["agent"]}, "bad-request"),
        ({"run": "--follow"}, "bad-request"),
        ({"cursor": "--output=export"}, "bad-cursor"),
        ({"cursor": CURSOR + "\n"}, "bad-cursor"),
        ({"cursor": 1}, "bad-cursor"),
        ({"unit": "ssh.service"}, "bad-request"),
        ({"since": "yesterday"}, "bad-request"),
    ],
)
def test_nothing_else_can_be_asked_for(change: dict[str, object], code: str) -> None:
    with pytest.raises(Refused) as refused:
        request.parse({"verb": "logs", "limit": 5, **change}, b"")
    assert refused.value.code == code
