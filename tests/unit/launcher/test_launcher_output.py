"""What runs print, copied where there is no journal: every line once, in order, before the exit is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alvps.launcher.engine import Engine
from alvps.launcher.output import MAX_LINE, Output, whole_lines
from alvps.logs import Query
from alvps.logs.file import stream

LABELS = {"al.agent": "dev", "al.run": "01run", "al.attempt": "1", "al.component": "agent", "al.installation": "secret"}


class FakeEngine(Engine):
    """A container's output, piece by piece."""

    def __init__(self, pieces: list[tuple[int, bytes]]) -> None:
        self.pieces = pieces
        self.asked = 0
        self.go = threading.Event()
        self.go.set()

    def inspect(self, container: str) -> dict[str, Any] | None:
        return {"Config": {"Labels": LABELS}} if container else None

    def output(self, container: str) -> Iterator[tuple[int, bytes]]:  # the engine's signature
        self.asked += 1
        for piece in self.pieces:
            self.go.wait()
            yield piece


def copied(path: Path) -> list[str]:
    return [entry.text for entry in stream(path, Query())]


async def drain(output: Output, container: str = "abc") -> None:
    output.follow(container)
    output.follow(container)
    await output.drained(container)


def test_lines_become_entries_with_the_run_s_fields(tmp_path: Path) -> None:
    engine = FakeEngine([(1, b"one\ntw"), (2, b"bad\n"), (1, b"o\nlast")])
    asyncio.run(drain(Output(engine, tmp_path / "log")))
    entries = list(stream(tmp_path / "log", Query(agent="dev", run="01run")))
    assert [(entry.text, entry.priority) for entry in entries] == [("one", 6), ("bad", 3), ("two", 6), ("last", 6)]
    assert "secret" not in (tmp_path / "log").read_text()
    assert engine.asked == 1


def test_a_new_process_goes_on_where_the_old_one_was(tmp_path: Path) -> None:
    asyncio.run(drain(Output(FakeEngine([(1, b"one\ntwo\n"), (2, b"bad\n")]), tmp_path / "log")))
    again = FakeEngine([(1, b"one\ntwo\nthree\n"), (2, b"bad\nworse\n")])
    asyncio.run(drain(Output(again, tmp_path / "log")))
    assert copied(tmp_path / "log") == ["one", "two", "bad", "three", "worse"]
    asyncio.run(drain(Output(FakeEngine([(1, b"one\n")]), tmp_path / "log"), "another"))
    assert copied(tmp_path / "log")[-1] == "one"


def test_an_exit_waits_for_the_last_line(tmp_path: Path) -> None:
    engine = FakeEngine([(1, b"late\n")])
    engine.go.clear()

    async def act() -> bool:
        output = Output(engine, tmp_path / "log")
        waiting = asyncio.ensure_future(output.drained("abc"))
        await asyncio.sleep(0.05)
        early = waiting.done()
        engine.go.set()
        await waiting
        return early

    assert asyncio.run(act()) is False
    assert copied(tmp_path / "log") == ["late"]


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=12)), max_size=12))
def test_pieces_are_cut_only_at_line_ends(pieces: list[tuple[int, bytes]]) -> None:
    found = list(whole_lines(iter(pieces)))
    for kind, priority in ((1, "6"), (2, "3")):
        whole = b"".join(piece for one, piece in pieces if one == kind)
        lines = [line for one, line in found if one == priority]
        assert lines == (whole.removesuffix(b"\n").split(b"\n") if whole else [])


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    pieces = ((1, b"x" * 60_000) for _ in range(40))
    assert [len(line) for _, line in whole_lines(pieces)] == [MAX_LINE, MAX_LINE, 40 * 60_000 - 2 * MAX_LINE]
