"""GET /logs: from the control socket through the launcher's protocol to a journalctl, and back in pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon_rig import Running, ask, release, running
from tests.support.fake_journal import FakeJournal
from tests.support.fake_launcher import FakeLauncher

DAEMON = {"AL_COMPONENT": "daemon", "AL_AGENT": ""}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    release(tmp_path, 1, {"dev": "manual = true"})
    return tmp_path


@asynccontextmanager
async def up(host: Path) -> AsyncIterator[tuple[Running, FakeJournal]]:
    journal = FakeJournal(host)
    async with FakeLauncher(host), running(host) as daemon:
        yield daemon, journal


def said(answer: dict[str, Any]) -> list[str]:
    return [line["text"] for line in answer["lines"]]


def test_the_last_lines_then_all_that_come(host: Path) -> None:
    async def scenario() -> None:
        async with up(host) as (daemon, journal):
            for number in range(60):
                journal.add(f"line {number}")
            first = await daemon.ask("GET", "/logs")
            assert said(first) == [f"line {number}" for number in range(10, 60)]
            assert first["more"] is False
            for number in range(60, 75):
                journal.add(f"line {number}")
            found, at = [], first["cursor"]
            for _ in range(5):
                answer = await daemon.ask("GET", f"/logs?limit=4&cursor={at}")
                found += said(answer)
                assert answer["more"] is (len(found) < 15)
                at = answer["cursor"]
            assert found == [f"line {number}" for number in range(60, 75)]

    asyncio.run(scenario())


def test_of_one_agent_one_run_one_component(host: Path) -> None:
    async def scenario() -> None:
        async with up(host) as (daemon, journal):
            journal.add("of dev", AL_RUN="r000000001")
            journal.add("of dev, again", AL_RUN="r000000002")
            journal.add("of ops", AL_AGENT="ops")
            journal.add("run finished", AL_COMPONENT="daemon", AL_RUN="r000000002", AL_STATE="failed")
            journal.add("of a stranger", AL_COMPONENT="ssh")
            assert said(await daemon.ask("GET", "/logs")) == ["of dev", "of dev, again", "of ops", "run finished"]
            assert said(await daemon.ask("GET", "/logs?agent=ops")) == ["of ops"]
            assert said(await daemon.ask("GET", "/logs?run=r000000002")) == ["of dev, again", "run finished"]
            assert said(await daemon.ask("GET", "/logs?agent=dev&component=daemon")) == ["run finished"]
            (line,) = (await daemon.ask("GET", "/logs?component=daemon"))["lines"]
            assert line["run"] == "r000000002"
            assert line["fields"] == {"state": "failed"}

    asyncio.run(scenario())


def test_where_nothing_is_yet_there_is_a_mark_to_go_on_from(host: Path) -> None:
    async def scenario() -> None:
        async with up(host) as (daemon, journal):
            empty = await daemon.ask("GET", "/logs?agent=dev")
            assert empty == {"lines": [], "cursor": None, "more": False}
            journal.add("daemon started", **DAEMON)
            marked = await daemon.ask("GET", "/logs?agent=dev")
            assert marked["lines"] == []
            for number in range(80):
                journal.add(f"line {number}")
            answer = await daemon.ask("GET", f"/logs?agent=dev&limit=1000&cursor={marked['cursor']}")
            assert said(answer) == [f"line {number}" for number in range(80)]
            last = await daemon.ask("GET", "/logs?agent=dev&limit=0")
            assert (last["lines"], bool(last["cursor"])) == ([], True)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=",
        "cursor=--follow",
        "agent=Dev",
        "agent=..",
        "run=1",
        "component=kernel",
        "unit=ssh",
        "limit=x",
    ],
)
def test_what_cannot_be_asked_for(host: Path, query: str) -> None:
    async def scenario() -> None:
        async with up(host):
            status, answer = await ask(host, "GET", f"/logs?{query}")
            assert (status, set(answer) <= {"error", "hint"}) == (400, True)

    asyncio.run(scenario())


def test_a_cursor_that_the_journal_does_not_know(host: Path) -> None:
    async def scenario() -> None:
        async with up(host):
            (host / "journalctl").write_text(
                "#!/bin/sh\necho 'Failed to seek to cursor: Invalid argument' >&2; exit 1\n"
            )
            status, answer = await ask(host, "GET", f"/logs?cursor=s={'0' * 32};i=1;b={'0' * 32};m=0;t=0;x=0")
            assert status == 400, answer

    asyncio.run(scenario())


def test_without_a_launcher_or_a_journal_the_log_is_not_there_for_now(host: Path) -> None:
    async def scenario() -> None:
        launcher = FakeLauncher(host)
        async with launcher, running(host):
            status, answer = await ask(host, "GET", "/logs")
            assert (status, "al logs" in answer["hint"]) == (503, True)
            await launcher.__aexit__()
            status, answer = await ask(host, "GET", "/logs")
            assert (status, "launcher" in answer["error"]) == (503, True)

    asyncio.run(scenario())
