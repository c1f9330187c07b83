"""A question on a terminal: the answer, the end of input, and Ctrl-C in the one moment in which `input` is deaf."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from alvps.cli.asking import read_line


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """What is written there is typed on the terminal that standard input is."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield ours
    os.close(ours)


def test_a_line_is_the_answer(keyboard: int, capsys: pytest.CaptureFixture[str]) -> None:
    os.write(keyboard, b"yes\nand more\n")
    assert read_line("Really? ") == "yes"
    assert capsys.readouterr().out == "Really? "


def test_the_end_of_input(keyboard: int) -> None:
    os.write(keyboard, b"\x04")
    with pytest.raises(EOFError):
        read_line()


def test_ctrl_c_is_heard(keyboard: int) -> None:
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        read_line()


def test_a_signal_just_before_it_waits_ends_the_waiting(keyboard: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So Python's own handler runs, which raises; the one of this test lets it wait on, and the answer comes."""
    wait, found = select.select, []

    def late(*streams: list[object]) -> tuple[list[object], list[object], list[object]]:
        if not found:
            signal.raise_signal(signal.SIGINT)
        else:
            os.write(keyboard, b"yes\n")
        found.append(wait(*streams, 5.0))
        return found[-1]

    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        monkeypatch.setattr(select, "select", late)
        assert read_line() == "yes"
    finally:
        signal.signal(signal.SIGINT, before)
    assert [bool(ready) for ready, _, _ in found] == [True, True]
