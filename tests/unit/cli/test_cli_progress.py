"""Progress: lines on a terminal, silence in a pipe."""

from __future__ import annotations

import pytest

from alvps.cli import progress as module
from alvps.cli.progress import CLEAR, Progress
from alvps.push.events import Note, Output, Step


def show(progress: Progress) -> None:
    progress.push(Step("scan"))
    progress.push(Step("switch credentials"))  # too small to be told
    progress.push(Output("pip", "collecting \x1b[2Jevil"))
    progress.push(Note("the disk is nearly full"))


def fail_after(step: Step) -> None:
    with Progress() as progress:
        progress.push(step)
        _ = 1 / 0


def test_a_pipe_gets_notes_only(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        show(progress)
    assert capsys.readouterr().err == "note: the disk is nearly full\n"


def test_a_terminal_gets_a_line_per_step(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    with Progress() as progress:
        show(progress)
    err = capsys.readouterr().err
    assert err.endswith(f"{CLEAR}✓ reading the project\n")
    assert err.count("✓") == 1
    assert "\x1b[2J" not in err
    assert "reading the project: pip: collecting" in err


def test_a_failure_marks_the_step_that_failed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(ZeroDivisionError):
        fail_after(Step("switch"))
    assert capsys.readouterr().err.endswith("✗ switching\n")
