"""The log as a file: what is written is read, once and in order, also while files are renamed."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alvps.launcher.filed import Filed
from alvps.logs import Query
from alvps.logs import file as log_file
from alvps.logs.file import LogFile, files, stream
from alvps.logs.page import CURSOR, Ask, Page, page
from tests.support.examples import examples


def said(agent: str, text: str | bytes, run: str = "01run") -> dict[str, str | bytes]:
    return {"AL_COMPONENT": "agent", "AL_AGENT": agent, "AL_RUN": run, "MESSAGE": text, "PRIORITY": "6"}


def texts(path: Path, **query: object) -> list[str]:
    return [entry.text for entry in stream(path, Query(**query))]  # type: ignore[arg-type]  # the test's own


def test_entries_are_the_journal_s(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    log.send(
        {"AL_COMPONENT": "daemon", "MESSAGE": "run finished state=completed", "AL_STATE": "completed", "PRIORITY": "6"}
    )
    log.send(said("dev", b"\xff raw\n"))
    log.send({"AL_COMPONENT": "somebody", "MESSAGE": "not ours"})
    daemon, agent = stream(tmp_path / "log", Query())
    assert (daemon.component, daemon.fields["state"], daemon.text) == (
        "daemon",
        "completed",
        "run finished state=completed",
    )
    assert (agent.agent, agent.run, agent.text) == ("dev", "01run", "\ufffd raw\n")
    assert abs((datetime.now(timezone.utc) - agent.time).total_seconds()) < 60
    assert re.fullmatch(CURSOR, agent.cursor)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_query_chooses(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    for number in range(5):
        log.send(said("dev", f"dev {number}"))
        log.send(said("ops", f"ops {number}", run="01other"))
    assert texts(tmp_path / "log", agent="dev", lines=2) == ["dev 3", "dev 4"]
    assert texts(tmp_path / "log", run="01other", lines=1) == ["ops 4"]
    assert texts(tmp_path / "log", lines=0) == []
    assert texts(tmp_path / "log", since="1h", agent="dev") == [f"dev {number}" for number in range(5)]
    assert texts(tmp_path / "log", since="2000-01-01") != []
    assert texts(tmp_path / "log", since="9000-01-01") == []
    assert texts(tmp_path / "nothing") == []


def test_old_files_go_and_the_newest_stay(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", most=2000, keep=2)
    for number in range(100):
        log.send(said("dev", f"{number}"))
    assert len(files(tmp_path / "log")) <= 3
    assert sum(path.stat().st_size for path in files(tmp_path / "log")) < 3 * 2500
    kept = [int(text) for text in texts(tmp_path / "log")]
    assert kept == list(range(kept[0], 100))
    assert texts(tmp_path / "log", lines=15) == [str(number) for number in range(85, 100)]


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=12))
def test_a_follower_misses_and_repeats_nothing(tmp_path_factory: pytest.TempPathFactory, bursts: list[int]) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    log = LogFile(path, most=1500, keep=4)
    log.send(said("dev", "before"))
    sent = 0
    waiting = list(bursts)

    def sleep(_seconds: float) -> None:
        nonlocal sent
        for _ in range(waiting.pop(0) if waiting else 0):
            log.send(said("dev", str(sent)))
            sent += 1

    found = [entry.text for entry in stream(path, Query(follow=True, lines=0), ended=lambda: not waiting, sleep=sleep)]
    assert found == [str(number) for number in range(sent)]


def test_half_a_line_is_waited_for(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log")
    log.send(said("dev", "one"))
    whole = (tmp_path / "log").read_bytes()
    steps = [whole[:40], whole[40:].replace(b"one", b"two"), b""]

    def sleep(_seconds: float) -> None:
        with (tmp_path / "log").open("ab") as file:
            file.write(steps.pop(0))

    found = [one.text for one in stream(tmp_path / "log", Query(follow=True), ended=lambda: not steps, sleep=sleep)]
    assert found == ["one", "two"]


WRITER = """
import sys; from pathlib import Path; from alvps.logs.file import LogFile
log = LogFile(Path(sys.argv[1]), most=20_000, keep=50)
for n in range(400): log.send({"AL_COMPONENT": "agent", "AL_AGENT": sys.argv[2], "MESSAGE": str(n)})
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    names = ("a", "b", "c")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in names]
    found: dict[str, list[int]] = {name: [] for name in names}
    end = time.monotonic() + 60
    over = lambda: all(one.poll() is not None for one in writers) or time.monotonic() > end  # noqa: E731 - one line
    for entry in stream(path, Query(follow=True), ended=over):
        found[entry.agent or ""].append(int(entry.text))
    assert found == {name: list(range(400)) for name in names}
    assert len(files(path)) > 3


def test_what_cannot_be_written_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogFile(tmp_path / "log")
    with monkeypatch.context() as full:

        def no_space(*_: object) -> int:
            raise OSError(28, "No space left on device")

        full.setattr(log_file.os, "write", no_space)
        log.send(said("dev", "lost"))
        log.send(said("dev", "lost"))
    log.send({"AL_COMPONENT": "daemon", "MESSAGE": "here again"})
    (entry,) = stream(tmp_path / "log", Query())
    assert entry.fields["lost_before"] == "2"


def read_page(path: Path, ask: Ask) -> Page:
    found = asyncio.run(Filed(path).read(ask))
    return page(found.text, ask, more=found.more, now=datetime.now(timezone.utc))


def test_pages_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(path, most=3000, keep=20)
    for number in range(40):
        log.send(said("dev", str(number)))
        log.send(said("ops", "other"))
    last = read_page(path, Ask(agent="dev", limit=7))
    assert [entry.text for entry in last.entries] == [str(number) for number in range(33, 40)]
    cursor: str | None = json.loads(files(path)[0].read_bytes().splitlines()[0])["__CURSOR"]
    seen: list[str] = []
    more = True
    while more:
        found = read_page(path, Ask(agent="dev", limit=7, cursor=cursor))
        seen += [entry.text for entry in found.entries]
        cursor, more = found.cursor, found.more
    assert seen == [str(number) for number in range(1, 40)]  # the cursor's own entry was seen before
    log.send(said("dev", "new"))
    again = read_page(path, Ask(agent="dev", limit=7, cursor=cursor))
    assert ([entry.text for entry in again.entries], again.more) == (["new"], False)


def test_a_cursor_whose_line_is_gone_goes_on_by_its_time(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(path)
    log.send(said("dev", "one"))
    (entry,) = stream(path, Query())
    path.unlink()
    log.send(said("dev", "two"))
    found = read_page(path, Ask(limit=5, cursor=entry.cursor))
    assert [entry.text for entry in found.entries] == ["two"]
