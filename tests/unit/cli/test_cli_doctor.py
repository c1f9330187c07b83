"""`al doctor` as a command: what it prints, what it asks, what it mends, how it ends."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alvps.cli import doctor_creds, doctor_host
from alvps.cli import host as cli_host
from alvps.cli.main import run
from alvps.doctor.findings import Finding, error, ok, unknown, warning
from alvps.errors import HostBusy, HostUnreachable
from alvps.project.environment import Environment
from alvps.project.environments import save_environment
from alvps.push import mending
from alvps.push.mending import Mended

GOOD = ok("disk-space", "disk", "/: much")
STOPPED = error("unit-active", "units", "a.service is failed", "systemctl status a.service", fix="units")
LATE = warning("clock-sync", "clock", "nothing keeps it right", "timedatectl", fix="time")
ODD = unknown("reboot", "kernel", "whether a reboot is due")


class Host:
    """What a host would be found to be, at each look, and what was mended there."""

    host = "root@192.0.2.7:22"

    def __init__(self) -> None:
        self.looks: list[list[Finding]] = [[GOOD]]
        self.failure: Exception | None = None
        self.mended: list[list[str]] = []

    def findings(self, *_: object) -> list[Finding]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def mend(self, _session: object, fixes: list[str]) -> tuple[Mended, ...]:
        self.mended.append(fixes)
        return tuple(Mended(fix=fix, mended=fix != "time", text=f"did {fix}") for fix in fixes)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    """The host of the environment "prod", the only one; the home and the project are empty but for it."""
    host = Host()
    home = tmp_path / "home"
    home.mkdir()
    project = tmp_path / "p"
    (project / "agents/a").mkdir(parents=True)
    (project / "config.toml").write_text('name = "p"\n')
    (project / "agents/a/ACTIONS.md").write_text("x")
    (project / "agents/a/agent-config.toml").write_text('manual = true\nharness.command = ["true"]\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("AL_ENV", raising=False)
    monkeypatch.chdir(project)
    save_environment(Environment(name="prod", host="192.0.2.7"))

    @contextmanager
    def session(_: Environment) -> Iterator[Host]:
        if host.failure:
            raise host.failure
        yield host

    monkeypatch.setattr(cli_host, "open_session", session)
    monkeypatch.setattr(doctor_host, "findings", host.findings)
    monkeypatch.setattr(mending, "mend", host.mend)
    return host


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.parametrize(
    ("found", "options", "code"),
    [
        ([GOOD, ODD], [], 0),
        ([GOOD, ODD], ["--strict"], 0),
        ([LATE], [], 0),
        ([LATE], ["--strict"], 1),
        ([LATE, STOPPED], [], 1),
    ],
)
def test_exit_codes(there: Host, found: list[Finding], options: list[str], code: int) -> None:
    there.looks = [found]
    assert run(["doctor", *options]) == code


def test_what_a_person_reads(there: Host, capsys: pytest.CaptureFixture[str]) -> None:
    there.looks = [[GOOD, ODD, LATE, STOPPED]]
    run(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "This machine"
    assert lines[lines.index("Host prod") :] == [
        "Host prod",
        "  ✓ host: root@192.0.2.7:22 answers over SSH, its host key is the right one",
        "  ✓ disk: /: much",
        "  ? kernel: whether a reboot is due: could not be found out",
        "  ! clock: nothing keeps it right",
        "      → timedatectl",
        "  ✗ units: a.service is failed",
        "      → systemctl status a.service",
        "8 right, 1 not known, 1 warning, 1 error",
        "`al doctor --fix` may mend 2 of them",
    ]


def test_json(there: Host, capsys: pytest.CaptureFixture[str]) -> None:
    there.looks = [[LATE]]
    assert run(["doctor", "--json"]) == 0
    answer = told(capsys)
    assert answer.keys() == {"findings", "mended"}
    assert answer["mended"] == []
    assert answer["findings"][-1] == {
        "level": "warning",
        "id": "clock-sync",
        "topic": "clock",
        "text": "nothing keeps it right",
        "remedy": "timedatectl",
        "fixable": True,
    }


def test_nothing_is_changed_unless_asked(there: Host) -> None:
    there.looks = [[STOPPED]]
    (Path.home() / ".action-llama").chmod(0o755)
    run(["doctor"])
    assert there.mended == []
    assert (Path.home() / ".action-llama").stat().st_mode & 0o777 == 0o755


def test_fix_mends_and_looks_again(there: Host, capsys: pytest.CaptureFixture[str]) -> None:
    there.looks = [[STOPPED, STOPPED, LATE], [GOOD]]
    (Path.home() / ".action-llama").chmod(0o755)
    assert run(["doctor", "--fix", "--json"]) == 0
    answer = told(capsys)
    assert there.mended == [["time", "units"]]
    assert answer["mended"] == [
        {"fix": "modes", "mended": True, "text": "closed to other users: 1 of the files and folders"},
        {"fix": "time", "mended": False, "text": "did time"},
        {"fix": "units", "mended": True, "text": "did units"},
    ]
    assert {finding["level"] for finding in answer["findings"]} == {"ok"}
    assert (Path.home() / ".action-llama").stat().st_mode & 0o777 == 0o700


def test_fix_with_nothing_to_mend_asks_nothing_of_the_host(there: Host) -> None:
    assert run(["doctor", "--fix"]) == 0
    assert there.mended == []


def test_a_push_under_way_is_not_disturbed(
    there: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def busy(*_: object) -> None:
        raise HostBusy("somebody is pushing")

    there.looks = [[STOPPED]]
    monkeypatch.setattr(mending, "mend", busy)
    assert run(["doctor", "--fix"]) == 6
    assert "somebody is pushing" in capsys.readouterr().err


def test_a_host_that_does_not_answer_is_a_finding(there: Host, capsys: pytest.CaptureFixture[str]) -> None:
    there.failure = HostUnreachable("step tcp: no answer", hint="is it on?")
    assert run(["doctor", "--json"]) == 1
    assert told(capsys)["findings"][-1]["id"] == "host"


def test_without_an_environment_this_machine_is_looked_at(there: Host, capsys: pytest.CaptureFixture[str]) -> None:
    (Path.home() / ".action-llama/environments/prod.toml").unlink()
    assert run(["doctor", "--json"]) == 0
    assert [finding["id"] for finding in told(capsys)["findings"] if finding["level"] == "warning"] == ["environment"]
    assert run(["doctor", "-E", "prod"]) == 2


def test_a_host_can_be_looked_at_from_anywhere(
    there: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert there
    (tmp_path / "nothing").mkdir()
    monkeypatch.chdir(tmp_path / "nothing")
    assert run(["doctor", "-E", "prod", "--json"]) == 0
    found = {finding["id"]: finding["level"] for finding in told(capsys)["findings"]}
    assert found["project"] == "warning"
    assert found["disk-space"] == "ok"


@pytest.fixture
def lacking(there: Host) -> Host:
    """The project needs a credential, and one of a type that only the user knows."""
    Path("agents/a/agent-config.toml").write_text(
        'manual = true\ncredentials = ["github_token", "own_thing"]\nharness.command = ["true"]\n'
    )
    return there


def test_nobody_is_asked_in_a_pipe(lacking: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert lacking
    assert run(["doctor"]) == 1
    assert "missing. Add it now?" not in capsys.readouterr().out


def test_nobody_is_asked_with_json(
    lacking: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lacking
    monkeypatch.setattr(doctor_creds, "on_terminal", lambda: True)
    assert run(["doctor", "--json"]) == 1
    told(capsys)


@pytest.mark.parametrize(("answer", "levels"), [("y\ntoken-123\n", ["ok", "error"]), ("n\n", ["error", "error"])])
def test_what_is_missing_is_asked_for_on_a_terminal(
    lacking: Host,
    answer: str,
    levels: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from alvps.cli import creds_check

    assert lacking
    monkeypatch.setattr(doctor_creds, "on_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    monkeypatch.setattr(creds_check, "examined", lambda expected, values, **_: (values, "; GitHub accepts it"))
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: "token-123")
    assert run(["doctor"]) == 1
    out = capsys.readouterr().out
    assert ("saved github_token (token); GitHub accepts it" in out) == (levels[0] == "ok")
    assert ("✓ credentials: github_token is there" in out) == (levels[0] == "ok")
    assert "✗ credentials: own_thing is needed" in out
    assert "own_thing (" not in out
    assert "token-123" not in out
