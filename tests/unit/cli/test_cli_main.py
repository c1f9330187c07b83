"""The outermost layer: help, version, errors as words and codes."""

from __future__ import annotations

import json

import pytest

from alvps import __version__
from alvps.cli import group
from alvps.cli.commands import COMMANDS
from alvps.cli.main import run
from alvps.errors import HostUnreachable, Problem, ProjectInvalid


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)
    assert all(len(line) <= 110 for line in out.splitlines())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"al {__version__}\n"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Usage: al {name}" in out
    assert len(out.splitlines()) > 3


def test_unknown_command_names_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stauts"]) == 2
    assert "al status" in capsys.readouterr().err


def test_wrong_option_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--no-such"]) == 2
    err = capsys.readouterr().err
    assert "--no-such" in err
    assert "al status --help" in err


def test_an_error_is_one_line_a_hint_and_its_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise HostUnreachable("connecting to h:22: no answer in 10 s", hint="is it on?", detail="line 1\nline 2")

    monkeypatch.setattr(group.root, "main", fail)
    assert run(["status"]) == 3
    assert capsys.readouterr().err == (
        "error: connecting to h:22: no answer in 10 s\n  line 1\n  line 2\nhint: is it on?\n"
    )


def test_an_error_in_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ProjectInvalid((Problem("config.toml: scael", "unknown key", "scale"),))

    monkeypatch.setattr(group.root, "main", fail)
    assert run(["push", "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert answer["exit_code"] == 2
    assert answer["problems"] == [{"where": "config.toml: scael", "what": "unknown key", "suggestion": "scale"}]


def test_ctrl_c_is_130_without_a_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(group.root, "main", fail)
    assert run(["push"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_bug_says_that_it_is_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(group.root, "main", fail)
    assert run(["push"]) == 70
    err = capsys.readouterr().err
    assert "bug in al" in err
    assert "Traceback" in err
