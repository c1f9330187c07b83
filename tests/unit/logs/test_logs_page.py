"""Pages of the log: nothing is skipped, nothing comes twice, and only the product's own lines can be asked for."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alvps.logs.page import CURSOR, Ask, lines_of, page, page_argv

START = 1_795_468_000
LATER = datetime.fromtimestamp(START, timezone.utc) + timedelta(days=1)


def cursor(number: int) -> str:
    return f"s={'0' * 32};i={number:x};b={'0' * 32};m=0;t=0;x=0"


def line(number: int, text: str, *, cut: str | None = None, last: bool = False, at: float = 0.0) -> dict[str, str]:
    """An entry; `cut`: the id of the line that it is a piece of."""
    found = {
        "__CURSOR": cursor(number),
        "__REALTIME_TIMESTAMP": str(int((START + at) * 1_000_000)),
        "MESSAGE": text,
        "AL_COMPONENT": "agent",
        "AL_AGENT": "dev",
    }
    if cut is None:
        return found
    partial = {} if last else {"CONTAINER_PARTIAL_MESSAGE": "true"}
    return found | {"CONTAINER_ID_FULL": cut, "CONTAINER_PARTIAL_ID": cut, **partial}


def output(journal: list[dict[str, str]], ask: Ask) -> tuple[bytes, bool]:
    """What the launcher gives of that journal."""
    if ask.cursor is None:
        found = journal[-ask.limit :]
    else:
        begin = next(number for number, entry in enumerate(journal) if entry["__CURSOR"] == ask.cursor)
        found = journal[begin:]
    wanted = lines_of(ask)
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in found[:wanted]), len(found) > wanted


def walk(journal: list[dict[str, str]], limit: int) -> list[str]:
    """All texts after the first entry, page by page."""
    at: str | None = journal[0]["__CURSOR"]
    texts: list[str] = []
    for _ in range(len(journal) + 2):
        ask = Ask(cursor=at, limit=limit)
        text, more = output(journal, ask)
        found = page(text, ask, more=more, now=LATER)
        texts += [entry.text for entry in found.entries]
        assert found.cursor
        if not found.more and found.cursor == at:
            return texts
        at = found.cursor
    raise AssertionError("the pages do not come to an end")


def test_only_the_products_own_fields_can_be_asked_for() -> None:
    def matches(ask: Ask) -> list[str]:
        return [word for word in page_argv(ask)[1:] if not word.startswith("--")]

    every = ["AL_COMPONENT=agent", "AL_COMPONENT=daemon", "AL_COMPONENT=launcher"]
    assert matches(Ask(limit=5)) == every
    assert matches(Ask(agent="dev", limit=5)) == [*every, "AL_AGENT=dev"]
    assert matches(Ask(run="r0123456789", component="daemon", limit=5)) == ["AL_COMPONENT=daemon", "AL_RUN=r0123456789"]
    assert "--lines=5" in page_argv(Ask(limit=5))
    assert f"--cursor={cursor(1)}" in page_argv(Ask(cursor=cursor(1), limit=5))
    assert not any(word.startswith("--lines") for word in page_argv(Ask(cursor=cursor(1), limit=5)))


def test_what_a_cursor_looks_like() -> None:
    real = "s=5d0a4f6b1f0c4b0a9b3a0c1f2e3d4c5b;i=1a2b;b=0e1f2d3c4b5a69788796a5b4c3d2e1f0;m=12ab;t=63c1a2b3c4d5e;x=9f8e7"
    assert re.fullmatch(CURSOR, real)
    for wrong in ("", "x", "--follow", real + ";", real + "\n", real.replace("x=", "x=g"), "s=1;i=1"):
        assert not re.fullmatch(CURSOR, wrong)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_give_each_line_once(limit: int) -> None:
    journal = [line(number, f"line {number}", at=number / 1000) for number in range(30)]
    assert walk(journal, limit) == [f"line {number}" for number in range(1, 30)]


def test_the_first_page_is_the_end_of_the_journal() -> None:
    journal = [line(number, str(number)) for number in range(10)]
    ask = Ask(limit=3)
    text, more = output(journal, ask)
    found = page(text, ask, more=more, now=LATER)
    assert [entry.text for entry in found.entries] == ["7", "8", "9"]
    assert (found.cursor, found.more) == (cursor(9), False)


def test_a_cursor_whose_entry_is_gone_skips_nothing() -> None:
    ask = Ask(cursor=cursor(99), limit=2)
    text = b"".join(json.dumps(line(number, str(number))).encode() + b"\n" for number in (1, 2, 3))
    found = page(text, ask, more=False, now=LATER)
    assert [entry.text for entry in found.entries] == ["1", "2"]
    assert (found.cursor, found.more) == (cursor(2), True)


def test_a_line_that_docker_cut_is_not_torn_over_two_pages() -> None:
    journal = [
        line(0, "begin"),
        line(1, "one"),
        line(2, "long ", cut="a"),
        line(3, "other"),
        line(4, "line", cut="a", last=True),
        line(5, "end"),
    ]
    ask = Ask(cursor=cursor(0), limit=3)
    text, more = output(journal, ask)
    found = page(text, ask, more=more, now=LATER)
    assert ([entry.text for entry in found.entries], found.cursor) == (["one"], cursor(1))
    assert walk(journal, 3) == ["one", "other", "long line", "end"]


def test_a_line_without_an_end_is_waited_for_and_then_shown() -> None:
    journal = [line(0, "begin"), line(1, "half of it", cut="a")]
    ask = Ask(cursor=cursor(0), limit=10)
    text, more = output(journal, ask)
    now = datetime.fromtimestamp(START, timezone.utc)
    assert page(text, ask, more=more, now=now).entries == ()
    assert page(text, ask, more=more, now=now).cursor == cursor(0)
    later = page(text, ask, more=more, now=now + timedelta(seconds=2))
    assert ([entry.text for entry in later.entries], later.cursor) == (["half of it"], cursor(1))


pieces = st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.booleans()), min_size=1, max_size=40)


@settings(deadline=None)
@given(pieces, st.integers(1, 12))
def test_however_lines_are_cut_and_mixed_every_byte_comes_once(drawn: list[tuple[str, bool]], limit: int) -> None:
    journal = [line(0, "begin")]
    for number, (stream, last) in enumerate(drawn, 1):
        journal.append(line(number, f"<{number}>", cut=stream or None, last=last, at=number / 1000))
    said = "".join(walk(journal, limit))
    assert sorted(re.findall(r"<\d+>", said)) == sorted(f"<{number}>" for number in range(1, len(drawn) + 1))


def test_what_an_agent_writes_can_be_written_as_json_again() -> None:
    said = '{"_log": true, "msg": "x", "a": NaN, "b": 1e999, "c": -Infinity, "d": 1.5}'
    found = page(json.dumps(line(1, said)).encode() + b"\n", Ask(limit=1), more=False, now=LATER)
    assert found.entries[0].fields == {"a": "NaN", "b": "1e999", "c": "-Infinity", "d": 1.5}
    json.dumps(found.entries[0].fields, allow_nan=False)
