"""Which exit code a run ends with, whatever lies in the signal folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.agent import outcome
from tests.unit.agent.agent_run import Box


def decide(folder: Path, code: int = 7) -> int:
    return outcome.decide(code, str(folder))


def test_without_signals_the_commands_code_counts(tmp_path: Path) -> None:
    assert decide(tmp_path) == 7
    assert decide(tmp_path / "not there") == 7


def test_rerun_wins_over_the_command(tmp_path: Path) -> None:
    (tmp_path / "rerun").touch()
    assert decide(tmp_path) == 42


def test_exit_wins_over_rerun(tmp_path: Path) -> None:
    (tmp_path / "rerun").touch()
    (tmp_path / "exit").write_text("13\n")
    assert decide(tmp_path) == 13


@pytest.mark.parametrize("text", ["", "x", "-1", "256", "1.5", "0x10", "9" * 1000, "\0", "１２"])
def test_an_exit_file_without_a_number_does_not_count(tmp_path: Path, text: str) -> None:
    (tmp_path / "exit").write_text(text)
    assert decide(tmp_path) == 7


def test_exit_cannot_be_a_pipe_a_link_or_a_folder(tmp_path: Path) -> None:
    exit_file = tmp_path / "exit"
    os.mkfifo(exit_file)
    assert decide(tmp_path) == 7
    exit_file.unlink()
    (tmp_path / "elsewhere").write_text("3")
    exit_file.symlink_to(tmp_path / "elsewhere")
    assert decide(tmp_path) == 7
    exit_file.unlink()
    exit_file.mkdir()
    assert decide(tmp_path) == 7


def test_a_link_to_nowhere_is_still_a_request_to_run_again(tmp_path: Path) -> None:
    (tmp_path / "rerun").symlink_to("nowhere")
    assert decide(tmp_path) == 42


@given(st.binary(max_size=100), st.integers(0, 255), st.booleans())
def test_no_content_makes_a_reserved_or_impossible_code(
    tmp_path_factory: pytest.TempPathFactory, text: bytes, code: int, rerun: bool
) -> None:
    folder = tmp_path_factory.mktemp("signals")
    (folder / "exit").write_bytes(text)
    if rerun:
        (folder / "rerun").touch()
    decided = decide(folder, code)
    assert 0 <= decided <= 255
    assert decided not in (120, 121)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ('echo 3 > "$AL_SIGNAL_DIR/exit"; exit 9', 3),
        ('touch "$AL_SIGNAL_DIR/rerun"; exit 9', 42),
        ('touch "$AL_SIGNAL_DIR/rerun"; echo 0 > "$AL_SIGNAL_DIR/exit"; exit 9', 0),
        ('echo 120 > "$AL_SIGNAL_DIR/exit"', 1),
    ],
)
def test_signals_through_a_whole_run(box: Box, script: str, code: int) -> None:
    assert box.run(script).returncode == code
