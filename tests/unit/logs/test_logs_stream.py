"""Streaming over a real sshd, with connections that are cut anywhere."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alvps.errors import AlError, HostKeyRefused, HostUnreachable
from alvps.logs import Query, stream
from alvps.ssh import Connection, Timeouts, connect
from tests.support.examples import examples
from tests.support.fake_journal import FakeJournal
from tests.support.ports import free_port
from tests.support.sshd import Proxy, Sshd

if TYPE_CHECKING:
    from typing_extensions import Self

Host = tuple[Sshd, FakeJournal]


@pytest.fixture
def journal(journal_host: Host) -> FakeJournal:
    journal_host[1].clear()
    return journal_host[1]


@pytest.fixture
def to_host(journal_host: Host, journal_proxy: Proxy) -> Callable[[], Connection]:
    target = journal_host[0].target(port=journal_proxy.port, known_hosts=journal_host[0].known_anywhere)
    return lambda: connect(target)


def texts(to_host: Callable[[], Connection], query: Query, count: int | None = None) -> list[str]:
    entries = stream(to_host, query)
    try:
        return [entry.text for entry in islice(entries, count)]
    finally:
        entries.close()  # type: ignore[attr-defined]  # a generator


def partly(journal: FakeJournal, text: str, number: int) -> None:
    """A line of an agent in three pieces, as Docker cuts it."""
    for ordinal, part in enumerate((text[:2], text[2:4], text[4:]), 1):
        last = ordinal == 3
        fields = {
            "CONTAINER_PARTIAL_ID": str(number),
            "CONTAINER_PARTIAL_ORDINAL": str(ordinal),
            "CONTAINER_ID_FULL": "b",
        }
        flags = {"CONTAINER_PARTIAL_LAST": "true"} if last else {"CONTAINER_PARTIAL_MESSAGE": "true"}
        journal.add(part, **fields, **flags)


def test_the_last_lines(journal: FakeJournal, to_host: Callable[[], Connection]) -> None:
    for number in range(10):
        journal.add(f"line {number}")
        journal.add("of another", AL_AGENT="other")
    assert texts(to_host, Query(agent="dev", lines=3)) == ["line 7", "line 8", "line 9"]
    assert len(texts(to_host, Query())) == 20
    assert texts(to_host, Query(agent="nobody")) == []
    assert texts(to_host, Query(lines=0)) == []


def test_following(journal: FakeJournal, to_host: Callable[[], Connection]) -> None:
    journal.add("old")
    journal.add("history")
    entries = stream(to_host, Query(agent="dev", lines=1, follow=True))
    assert next(entries).text == "history"
    journal.add("not mine", AL_AGENT="other")
    journal.add("new")
    assert next(entries).text == "new"
    journal.add("newer")
    assert next(entries).text == "newer"
    entries.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize("lines", [0, 5, None])
def test_following_from_an_empty_journal(
    journal: FakeJournal, to_host: Callable[[], Connection], lines: int | None
) -> None:
    assert_new_lines_come(journal, to_host, Query(agent="dev", lines=lines, follow=True))


@pytest.mark.parametrize("lines", [0, 5, None])
def test_following_where_nothing_matches_yet(
    journal: FakeJournal, to_host: Callable[[], Connection], lines: int | None
) -> None:
    for _ in range(20):
        journal.add("of another", AL_AGENT="other")
    assert_new_lines_come(journal, to_host, Query(agent="dev", lines=lines, follow=True))


def assert_new_lines_come(journal: FakeJournal, to_host: Callable[[], Connection], query: Query) -> None:
    found: list[str] = []
    ready = threading.Event()

    def read() -> None:
        def connected() -> Connection:
            made = to_host()
            ready.set()
            return made

        found.extend(texts(connected, query, 2))

    reader = threading.Thread(target=read)
    reader.start()
    ready.wait(20)
    time.sleep(1.0)  # the reader is somewhere between its commands, or waits: both must do
    journal.add("one")
    journal.add("two")
    reader.join(20)
    assert found == ["one", "two"]


def test_lines_zero_leaves_old_lines_out(journal: FakeJournal, to_host: Callable[[], Connection]) -> None:
    journal.add("old")
    assert_new_lines_come(journal, to_host, Query(agent="dev", lines=0, follow=True))


def test_a_line_without_its_end_is_shown_all_the_same(journal: FakeJournal, to_host: Callable[[], Connection]) -> None:
    """The last line of a container that did not end it: no further piece ever comes."""
    journal.add("whole")
    journal.add("no newline", CONTAINER_PARTIAL_MESSAGE="true", CONTAINER_PARTIAL_ID="1", CONTAINER_ID_FULL="b")
    assert texts(to_host, Query(agent="dev")) == ["whole", "no newline"]
    assert texts(to_host, Query(agent="dev", follow=True), 2) == ["whole", "no newline"]


def test_a_user_who_is_not_root_uses_sudo(journal_host: Host) -> None:
    asked: list[list[str]] = []

    class Recorder:
        user = "admin"
        host_label = "admin@host:22"

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            return

        def open(self, argv: list[str]) -> None:
            asked.append(argv)
            raise AlError("enough")

    with pytest.raises(AlError, match="enough"):
        next(stream(Recorder, Query(agent="dev")))  # type: ignore[arg-type]  # as much of a connection as is used
    assert asked[0][:4] == ["sudo", "-n", "--", "journalctl"]


def test_a_question_that_journalctl_refuses(journal: FakeJournal, to_host: Callable[[], Connection]) -> None:
    with pytest.raises(AlError, match="the command ended with status 1") as caught:
        texts(to_host, Query(agent="dev", since="999s"))
    assert caught.value.detail == "Failed to parse timestamp"


def test_a_host_that_was_never_there_is_an_error_at_once(journal_host: Host) -> None:
    lost: list[str] = []
    target = journal_host[0].target(port=free_port())
    with pytest.raises(HostUnreachable, match="step tcp connect"):
        next(stream(lambda: connect(target), Query(follow=True), on_lost=lost.append))
    assert lost == []


def test_a_changed_host_key_ends_it(journal: FakeJournal, journal_host: Host, journal_proxy: Proxy) -> None:
    """Resuming must not become a way around the pin."""
    server = journal_host[0]
    journal.add("first")
    targets = [
        server.target(port=journal_proxy.port, known_hosts=server.known_anywhere),
        server.target(known_hosts=server.ssh_config),
    ]
    entries = stream(lambda: connect(targets.pop(0)), Query(follow=True))
    assert next(entries).text == "first"
    journal_proxy.cut()
    with pytest.raises(HostKeyRefused):
        next(entries)


def test_it_gives_up_in_the_end_but_not_soon(
    journal: FakeJournal, to_host: Callable[[], Connection], journal_proxy: Proxy
) -> None:
    journal.add("first")
    clock = [0.0]
    delays: list[float] = []
    lost: list[str] = []
    calls = 0

    def wait(seconds: float) -> None:
        delays.append(seconds)
        clock[0] += seconds

    def connect_once() -> Connection:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise HostUnreachable("no way")
        return to_host()

    entries = stream(connect_once, Query(follow=True), on_lost=lost.append, sleep=wait, now=lambda: clock[0])
    assert next(entries).text == "first"
    journal_proxy.cut()
    with pytest.raises(HostUnreachable, match="no way"):
        next(entries)
    assert len(lost) == 1
    assert "connection lost" in lost[0]
    assert delays[:6] == [0.1, 0.5, 1.0, 2.0, 5.0, 10.0]
    assert set(delays[6:]) == {10.0}
    assert 900 <= clock[0] <= 930


def test_a_frozen_connection_is_given_up_and_resumed(journal: FakeJournal, journal_host: Host) -> None:
    server = journal_host[0]
    line = Proxy(server.port)
    quick = Timeouts(keepalive=0.2, dead=0.6)
    lost: list[str] = []
    targets = [server.target(port=line.port, known_hosts=server.known_anywhere), server.target()]
    journal.add("first")
    entries = stream(lambda: connect(targets.pop(0), timeouts=quick), Query(follow=True), on_lost=lost.append)
    try:
        assert next(entries).text == "first"
        line.freeze()
        journal.add("second")
        assert next(entries).text == "second"
        assert "no sign of life" in lost[0]
    finally:
        entries.close()  # type: ignore[attr-defined]  # a generator
        line.close()


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(2000, 30_000), max_size=4),
    parts=st.lists(st.booleans(), min_size=5, max_size=40),
)
def test_nothing_is_lost_and_nothing_comes_twice(
    journal: FakeJournal,
    to_host: Callable[[], Connection],
    journal_proxy: Proxy,
    *,
    cuts: list[int],
    parts: list[bool],
) -> None:
    """Half of the lines are there before, half are written while it reads; connections end after any number of bytes.

    The first connection lives until something was read: before that there is nothing that could be lost.
    """
    journal.clear()
    expected = [f"{number:04d} {os.urandom(40).hex()}" for number in range(len(parts))]

    def write(numbers: Iterator[int] | range) -> None:
        for number in numbers:
            if parts[number]:
                partly(journal, expected[number], number)
            else:
                journal.add(expected[number])
            journal.add("noise " * 20, AL_AGENT="other")

    half = len(parts) // 2
    write(range(half))
    budgets = list(cuts)
    journal_proxy.cut_after = lambda: budgets.pop(0) if budgets else None
    delays: list[float] = []
    entries = stream(to_host, Query(agent="dev", follow=True), sleep=delays.append)
    found: list[str] = []
    writer = threading.Thread(target=write, args=(range(half, len(parts)),))
    try:
        while len(found) < len(expected):
            try:
                entry = next(entries)
            except HostUnreachable:
                # Cut before it ever connected: asked again, as a person would.
                entries = stream(to_host, Query(agent="dev", follow=True), sleep=delays.append)
                continue
            found.append(entry.text)
            if len(found) == half:
                writer.start()
    finally:
        entries.close()  # type: ignore[attr-defined]  # a generator
        if writer.ident is not None:
            writer.join(10)
    assert found == expected
