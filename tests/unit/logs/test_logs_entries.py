"""From journalctl's JSON lines to entries to text. The first lines were recorded from Docker 20.10 and systemd 252."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.logs import Entry, render
from alvps.logs.entry import Piece, entry, parse
from alvps.logs.join import MAX_LINE, PATIENCE, Joiner
from alvps.logs.render import harmless

WHEN = datetime(2026, 11, 23, 21, 15, 31, 439195, tzinfo=timezone.utc)


def line(message: Any = "hello", **fields: Any) -> bytes:
    values = {"__CURSOR": "c", "__REALTIME_TIMESTAMP": "1795468531439195", "MESSAGE": message, **fields}
    return json.dumps(values).encode() + b"\n"


def read(message: Any = "hello", **fields: Any) -> Entry:
    piece = parse(line(message, **{"AL_COMPONENT": "agent", "AL_AGENT": "dev", "AL_RUN": "01m853yx2t086nsn", **fields}))
    assert piece is not None
    return entry(piece)


def joined(*pieces: bytes, now: float = 0.0) -> list[str]:
    joiner = Joiner()
    texts = [found.text for text in pieces for found in joiner.feed(piece_of(text), now)]
    return texts + [found.text for found in joiner.flush()]


def piece_of(text: bytes) -> Piece:
    piece = parse(text)
    assert piece is not None
    return piece


def cut(message: Any, number: int = 1, *, line_id: str | None = "a", last: bool = False, **fields: Any) -> bytes:
    """A piece as Docker writes it: with ids, or as older engines do."""
    partial: dict[str, Any] = {} if last else {"CONTAINER_PARTIAL_MESSAGE": "true"}
    if line_id is not None:
        partial |= {
            "CONTAINER_PARTIAL_ID": line_id,
            "CONTAINER_PARTIAL_ORDINAL": str(number),
            "CONTAINER_PARTIAL_LAST": "true" if last else "false",
        }
    return line(message, **{"CONTAINER_ID_FULL": "box", "PRIORITY": "6", **partial, **fields})


def test_a_line_of_an_agent() -> None:
    assert read() == Entry(cursor="c", time=WHEN, component="agent", agent="dev", run="01m853yx2t086nsn", text="hello")


def test_a_line_of_the_daemon_has_its_fields() -> None:
    found = read("run finished state=failed", AL_COMPONENT="daemon", AL_STATE="failed", AL_EXIT_CODE="3", PRIORITY="4")
    assert (found.component, found.priority) == ("daemon", 4)
    assert found.fields == {"state": "failed", "exit_code": "3"}


@pytest.mark.parametrize(
    ("fields", "component"),
    [
        ({"_SYSTEMD_UNIT": "action-llama.service"}, "daemon"),
        ({"_SYSTEMD_UNIT": "action-llama-launcher.service"}, "launcher"),
        ({"_SYSTEMD_UNIT": "init.scope", "UNIT": "action-llama.service"}, "systemd"),
        ({"_SYSTEMD_UNIT": "systemd-journald.service"}, "journald"),
        ({}, "system"),
    ],
)
def test_lines_without_a_component(fields: dict[str, str], component: str) -> None:
    assert entry(piece_of(line(**fields))).component == component


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("", ""),
        (None, ""),
        ([98, 105, 110, 32, 255, 254, 0], "bin \ufffd\ufffd\x00"),
        ([], ""),
        (["one", "two"], "one\ntwo"),
        (["one", [116, 119, 111]], "one\ntwo"),
        (7, "7"),
    ],
)
def test_every_form_of_a_message(message: Any, text: str) -> None:
    assert read(message).text == text


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\n", b"{", b"[]", b"null", b'"x"', b'{"MESSAGE":"x"}', b'{"__CURSOR":"c"}', b"\xff\xfe",
        b'{"__CURSOR":"c","__REALTIME_TIMESTAMP":"x"}',
        b'{"__CURSOR":"c","__REALTIME_TIMESTAMP":"99999999999999999999"}',
        b"-- No entries --", b"[" * 100_000,
    ],
)  # fmt: skip
def test_lines_that_are_no_entries(text: bytes) -> None:
    assert parse(text) is None


@given(st.binary(max_size=100))
def test_no_line_is_a_crash(text: bytes) -> None:
    parse(text)


def test_a_structured_line_of_an_agent() -> None:
    found = read('{"_log":true,"level":"error","msg":"tool failed","tool":"gh","tries":2,"ts":1}', PRIORITY="6")
    assert (found.text, found.priority) == ("tool failed", 3)
    assert found.fields == {"tool": "gh", "tries": 2, "ts": 1}
    assert render(found, zone=timezone.utc).endswith("agent/dev/086nsn tool failed tool=gh tries=2")


@pytest.mark.parametrize(
    "text",
    [
        '{"_log":false,"msg":"x"}',
        '{"_log":true}',
        '{"msg":"x"}',
        '{"_log":true,"msg"',
        '["_log"]',
        '{"_log":1,"msg":"x"}',
    ],
)
def test_json_that_is_no_log_line_stays_as_it_is(text: str) -> None:
    assert read(text).text == text
    assert read(text).fields == {}


def test_a_structured_line_is_only_believed_of_agents() -> None:
    text = '{"_log":true,"msg":"x"}'
    assert read(text, AL_COMPONENT="daemon").text == text


def test_pieces_with_ids() -> None:
    assert joined(cut("aa", 1), cut("bb", 2), cut("c", 3, last=True), line("d")) == ["aabbc", "d"]


def test_pieces_without_ids() -> None:
    plain = line("c", CONTAINER_ID_FULL="box", PRIORITY="6")
    assert joined(cut("aa", line_id=None), cut("bb", line_id=None), plain, line("d")) == ["aabbc", "d"]


def test_a_character_that_was_cut_in_two() -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]
    assert joined(
        cut([120, *first]),
        cut([*second, 121], 2, last=True),
    ) == ["xéy"]


def test_pieces_of_several_lines_in_between() -> None:
    other = {"CONTAINER_ID_FULL": "other"}
    error = {"PRIORITY": "3"}
    assert joined(
        cut("a1"),
        cut("b1", line_id="b", **other),
        cut("c1", line_id="c", **error),
        line("whole", CONTAINER_ID_FULL="third"),
        cut("b2", 2, line_id="b", last=True, **other),
        cut("a2", 2, last=True),
        cut("c2", 2, line_id="c", last=True, **error),
    ) == ["whole", "b1b2", "a1a2", "c1c2"]


def test_a_line_that_begins_before_what_is_shown() -> None:
    assert joined(cut("end", 3, last=True)) == ["end"]
    assert joined(cut("more", 2), cut("end", 3, last=True)) == ["moreend"]


def test_a_line_that_never_ends_gives_way_to_the_next() -> None:
    assert joined(cut("no newline"), line("next", CONTAINER_ID_FULL="box", PRIORITY="6")) == ["no newline", "next"]
    assert joined(cut("no newline", line_id="a"), cut("x", line_id="b"), cut("y", 2, line_id="b", last=True)) == [
        "no newline", "xy",
    ]  # fmt: skip
    assert joined(cut("no newline")) == ["no newline"]


def test_a_line_that_never_ends_is_shown_after_a_while() -> None:
    joiner = Joiner()
    assert list(joiner.feed(piece_of(cut("no newline")), 10.0)) == []
    assert joiner.wait(10.2) == pytest.approx(PATIENCE - 0.2)
    assert list(joiner.overdue(10.0 + PATIENCE / 2)) == []
    assert [found.text for found in joiner.overdue(10.0 + PATIENCE)] == ["no newline"]
    assert joiner.wait(11.0) is None


def test_other_lines_do_not_hold_it_up() -> None:
    joiner = Joiner()
    list(joiner.feed(piece_of(cut("no newline")), 0.0))
    busy = [found.text for tick in range(30) for found in joiner.feed(piece_of(line("busy")), tick / 10)]
    assert "no newline" in busy[: int(PATIENCE * 10) + 2]


def test_a_line_without_bounds_is_shown_in_parts() -> None:
    parts = joined(*(cut("x" * 16384, number + 1) for number in range(3 * MAX_LINE // 16384)))
    assert [len(part) for part in parts] == [MAX_LINE] * 3


def test_a_joined_line_has_the_first_time_and_the_last_cursor() -> None:
    joiner = Joiner()
    list(joiner.feed(piece_of(cut("a", __CURSOR="c1", __REALTIME_TIMESTAMP="1000000")), 0))
    (found,) = joiner.feed(piece_of(cut("b", 2, last=True, __CURSOR="c2", __REALTIME_TIMESTAMP="2000000")), 0)
    assert (found.cursor, found.time.timestamp()) == ("c2", 1.0)


@given(
    st.lists(
        st.tuples(st.sampled_from("AB"), st.binary(min_size=1, max_size=9), st.integers(1, 4)), min_size=1, max_size=8
    ),
    st.data(),
)
def test_whatever_is_cut_and_mixed_comes_out_whole(lines: list[tuple[str, bytes, int]], data: st.DataObject) -> None:
    """Each container's lines in their order, whatever the other one does in between."""
    waiting: dict[str, list[bytes]] = {"A": [], "B": []}
    for number, (box, text, size) in enumerate(lines):
        parts = [text[at : at + size] for at in range(0, len(text), size)]
        for ordinal, part in enumerate(parts, 1):
            waiting[box].append(
                line(list(part), CONTAINER_ID_FULL=box)
                if len(parts) == 1
                else cut(list(part), ordinal, line_id=str(number), last=ordinal == len(parts), CONTAINER_ID_FULL=box)
            )
    joiner = Joiner()
    found: dict[str, list[str]] = {"A": [], "B": []}
    while any(waiting.values()):
        box = data.draw(st.sampled_from([name for name, left in waiting.items() if left]))
        piece = piece_of(waiting[box].pop(0))
        found[box] += [done.text for done in joiner.feed(piece, 0)]
    assert not list(joiner.flush())
    for box in "AB":
        assert found[box] == [text.decode(errors="replace") for name, text, _ in lines if name == box]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("over\rwritten", r"over\x0dwritten"),
        ("windows\r", "windows"),
        ("back\x08\x7f", r"back\x08\x7f"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2028b", r"a\u2028b"),
        ("tab\tö 👨‍👩‍👧", "tab\tö 👨‍👩‍👧"),
    ],
)
def test_nothing_steers_the_terminal(text: str, shown: str) -> None:
    assert harmless(text) == shown
    assert render(read(text), zone=timezone.utc) == f"2026-11-23 21:15:31.439 agent/dev/086nsn {shown}"


@given(st.text(), st.dictionaries(st.text(), st.text(), max_size=3), st.booleans())
def test_a_rendered_line_is_printable(text: str, fields: dict[str, str], color: bool) -> None:
    made = Entry(cursor="c", time=WHEN, component="agent", agent="d\x1bev", run="r\nun", text=text, fields=fields)
    shown = render(made, color=False, zone=timezone.utc)
    assert not any((ord(mark) < 32 and mark not in "\t\n") or 127 <= ord(mark) < 160 for mark in shown)
    shown.encode()
    assert all(further.startswith("    | ") for further in shown.split("\n")[1:])
    colored = render(made, color=True, zone=timezone.utc)
    for code in ("\x1b[2m", "\x1b[0m", "\x1b[36m"):
        colored = colored.replace(code, "")
    assert "\x1b" not in colored


def test_half_a_character_in_a_structured_line() -> None:
    """JSON can say it, and no terminal can be told it."""
    found = read('{"_log":true,"msg":"a\\ud800b"}')
    assert render(found, zone=timezone.utc).endswith(r"086nsn a\ud800b")


def test_a_line_cannot_pose_as_two() -> None:
    assert render(read("one\n2026-11-23 daemon all is well"), zone=timezone.utc).splitlines() == [
        "2026-11-23 21:15:31.439 agent/dev/086nsn one",
        "    | 2026-11-23 daemon all is well",
    ]


def test_colors_tell_errors() -> None:
    assert "\x1b[31mhello\x1b[0m" in render(read(PRIORITY="3"), color=True)
    assert "\x1b[33mhello\x1b[0m" in render(read(PRIORITY="4"), color=True)
    assert render(read(PRIORITY="6"), color=True).endswith("\x1b[0m hello")


def test_as_json() -> None:
    assert json.loads(json.dumps(read().as_dict())) == {
        "time": "2026-11-23T21:15:31.439195Z", "component": "agent", "agent": "dev", "trigger": None,
        "run": "01m853yx2t086nsn",
        "priority": 6, "text": "hello", "fields": {}, "cursor": "c",
    }  # fmt: skip
