"""What each command asks, how it answers for every status of the gateway, and where its secret does not go."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support.agent_commands import NAMES, environment, finish, installed
from tests.support.fake_gateway import SECRET, FakeGateway, Reply
from tests.unit.agent.commands_cases import CASES, STATUSES, WAITING, hoped

COMMANDS = sorted(CASES)


def test_every_program_of_the_image_is_tested_and_described() -> None:
    assert set(NAMES) == {*CASES, "al-exit"}
    described = (Path(__file__).parents[3] / "docs" / "agents.md").read_text()
    assert [name for name in NAMES if f"`{name}" not in described] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_request_and_the_answer(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    with FakeGateway(hoped, folder=tmp_path) as gateway:
        done = installed().run(name, *case.arguments, env={**gateway.env, "AL_SIGNAL_DIR": str(tmp_path / "s")})
    (request,) = gateway.requests
    assert (request.method, request.target) == (case.method, case.target)
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    if case.body is None:
        assert not request.body
    else:
        assert request.json == case.body
        assert request.headers["content-type"] == "application/json"
    assert done.json == ({"c1": case.document} if name in WAITING else case.document)
    assert done.err == ""
    assert done.code == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_the_exit_code_for_every_status(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    codes = {}
    env = {"AL_SIGNAL_DIR": str(tmp_path / "signals")}
    with FakeGateway(Reply(), folder=tmp_path) as gateway:
        for status in STATUSES:
            document = case.document if status == 200 else {"error": "so it is"}
            gateway.script = lambda _, status=status, document=document: Reply(status, document)  # type: ignore[misc]  # bound per status
            done = installed().run(name, *case.arguments, env={**gateway.env, **env})
            codes[status] = done.code
            if status == 200:
                continue
            if name in WAITING and "c1" in done.json:
                assert done.json["c1"]["status"] == "error"
                assert done.json["c1"]["errorMessage"]
            else:
                assert done.json["ok"] is False
                assert done.json["reason"] == ("so it is" if status != 204 else done.json["reason"])
    assert codes == STATUSES


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (409, {"ok": False, "holder": "dev", "heldSince": "x"}, {"ok": False, "holder": "dev", "heldSince": "x"}),
        (409, {"ok": False, "reason": "held"}, {"ok": False, "reason": "held"}),
        (403, {"error": "invalid secret"}, {"ok": False, "reason": "invalid secret"}),
        (404, {"reason": "gone"}, {"ok": False, "reason": "gone"}),
        (409, {"ok": False}, {"ok": False, "reason": "the gateway answered with HTTP status 409"}),
        (409, {"ok": False, "reason": 1}, {"ok": False, "reason": "the gateway answered with HTTP status 409"}),
        (409, {"ok": True}, {"ok": False, "reason": "the gateway answered with HTTP status 409"}),
        (502, b"<html>", {"ok": False, "reason": "the gateway answered with HTTP status 502"}),
        (502, b"", {"ok": False, "reason": "the gateway answered with HTTP status 502"}),
    ],
)
def test_a_refusal_is_the_documented_json(status: int, body: object, said: dict[str, object], tmp_path: Path) -> None:
    with FakeGateway(Reply(status, body), folder=tmp_path) as gateway:  # type: ignore[arg-type]  # object for brevity
        assert installed().run("rlock", "k", env=gateway.env).json == said


def test_the_state_of_a_call_that_returned_nothing(tmp_path: Path) -> None:
    with FakeGateway(Reply(body={"status": "completed", "returnValue": None}), folder=tmp_path) as gateway:
        assert installed().run("al-check", "c1", env=gateway.env).json == {"status": "completed"}


def test_an_answer_over_several_lines_becomes_one(tmp_path: Path) -> None:
    body = json.dumps({"ok": True, "token": 1}, indent=2).replace("\n", "\r\n").encode() + b"\n\n"
    with FakeGateway(Reply(body=body), folder=tmp_path) as gateway:
        assert installed().run("rlock", "k", env=gateway.env).json == {"ok": True, "token": 1}


@pytest.mark.parametrize("name", sorted({*COMMANDS} - {"al-rerun", "al-return", "al-shutdown"}))
def test_without_arguments_it_is_a_usage_error(name: str, tmp_path: Path) -> None:
    with FakeGateway(hoped, folder=tmp_path) as gateway:
        done = installed().run(name, env={**gateway.env, "AL_SIGNAL_DIR": str(tmp_path)})
    assert done.code == 9
    assert done.json["ok"] is False
    assert f"usage: {name} " in done.json["reason"]
    assert done.err == f"{name}: {done.json['reason']}\n"
    assert not gateway.requests
    assert not (tmp_path / "status").exists()


@pytest.mark.parametrize(
    "argv",
    [
        ("al-rerun", "because"),
        ("al-status", ""),
        ("al-call", ""),
        ("al-check", ""),
        ("al-check", "a", "b"),
        ("al-check", "a" * 257),
        ("rlock", ""),
        ("rlock", "a", "b"),
        ("al-exit", ""),
        ("al-exit", "256"),
        ("al-exit", "-1"),
        ("al-exit", "1", "2"),
        ("al-exit", "1.0"),
        ("al-exit", " 1"),
        ("al-exit", "٣"),
        ("al-exit", "0000"),
        ("al-wait", "--timeout", "3"),
        ("al-wait", "c1", "--timeout"),
        ("al-wait", "c1", "--timeout", "soon"),
        ("al-wait", "c1", "--timeout", "-1"),
        ("al-wait", "c1", "--timeout", "nan"),
        ("al-wait", "c1", "--timeout", "1e3"),
        ("al-wait", "c1", "--timeout", "."),
        ("al-wait", "c1", "--timeout", "99999999999"),
        ("al-wait", "c1", "--timeout", ""),
        ("al-wait", "c1", "--verbose"),
        ("al-wait", "c1", ""),
        ("al-wait", "c1", "a" * 257),
    ],
)
def test_wrong_arguments_send_nothing(argv: tuple[str, ...], tmp_path: Path) -> None:
    with FakeGateway(hoped, folder=tmp_path) as gateway:
        done = installed().run(*argv, env={**gateway.env, "AL_SIGNAL_DIR": str(tmp_path / "signals")})
    assert done.code == 9
    assert done.json["ok"] is False
    assert argv[0] in done.json["reason"]
    assert not gateway.requests
    assert not (tmp_path / "signals").exists()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(name: str, option: str) -> None:
    done = installed().run(name, option)
    assert done.code == 0
    assert done.out.startswith(f"usage: {name}".encode())


@pytest.mark.parametrize("name", sorted({*COMMANDS} - {"al-rerun"}))
def test_the_secret_is_in_no_argument_and_no_address(name: str, tmp_path: Path) -> None:
    answered = threading.Event()
    with FakeGateway(lambda request: Reply(until=answered), folder=tmp_path) as gateway:
        process = installed().begin(name, *CASES[name].arguments, env={**gateway.env, "AL_SIGNAL_DIR": str(tmp_path)})
        gateway.wait_for(1)
        seen = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        answered.set()
        finish(process)
    assert name.encode() in seen
    assert SECRET.encode() not in seen
    assert not children  # no other process either
    assert SECRET not in gateway.requests[0].target
    assert SECRET.encode() not in gateway.requests[0].body


def test_an_id_stays_one_part_of_the_path(tmp_path: Path) -> None:
    with FakeGateway(Reply(404), folder=tmp_path) as gateway:
        for identifier in ("../locks", "a/b?c#d", "ä é", "..", "a\r\nX: y"):
            assert installed().run("al-check", identifier, env=gateway.env).code == 2
    targets = [request.target for request in gateway.requests]
    assert targets == [
        "/calls/%2E%2E%2Flocks",
        "/calls/a%2Fb%3Fc%23d",
        "/calls/%C3%A4%20%C3%A9",
        "/calls/%2E%2E",
        "/calls/a%0D%0AX%3A%20y",
    ]
    assert not [request for request in gateway.requests if "x" in request.headers]


@pytest.mark.parametrize("token", ["a\r\nX-Other: b", "ä", "a\x7f"])
def test_a_token_that_is_none_is_not_sent(token: str, tmp_path: Path) -> None:
    with FakeGateway(hoped, folder=tmp_path) as gateway:
        done = installed().run("rlock", "k", env={**gateway.env, "SHUTDOWN_SECRET": token})
    assert done.code == 3
    assert done.json["ok"] is False
    assert token not in done.err
    assert not gateway.requests


def test_without_a_token_the_gateway_is_left_to_refuse(tmp_path: Path) -> None:
    with FakeGateway(Reply(401, {"error": "missing secret"}), folder=tmp_path) as gateway:
        env = gateway.env
        del env["SHUTDOWN_SECRET"]
        done = installed().run("rlock", "k", env=env)
    assert (done.code, done.json["reason"]) == (3, "missing secret")
    assert "authorization" not in gateway.requests[0].headers


def test_they_start_by_their_first_line_and_through_a_link(tmp_path: Path) -> None:
    """With whatever /usr/bin/python3 is; the folder of a user may hold links to them."""
    app = installed().app
    program = app / "bin" / "al-status"
    assert program.read_bytes().startswith(b"#!/usr/bin/python3 -ISE\n")
    assert stat.S_IMODE(program.stat().st_mode) == 0o755
    link = tmp_path / "al-exit"
    link.symlink_to(app / "bin" / "al-exit")
    env = environment({"AL_SIGNAL_DIR": str(tmp_path)})
    argv = [installed().python, "-ISE", str(link), "3"]
    done = subprocess.run(argv, env=env, capture_output=True, check=False, cwd="/")
    assert (done.returncode, done.stdout) == (0, b'{"ok":true}\n')
    assert (tmp_path / "exit").read_text() == "3\n"


def test_what_lies_beside_the_agent_is_not_imported(tmp_path: Path) -> None:
    """An agent's clone may hold a json.py, and its environment a PYTHONPATH."""
    for name in ("os", "time", "select", "alvps"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(99)\n")
    env = {"AL_SIGNAL_DIR": str(tmp_path), "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "os.py")}
    process = installed().begin("al-rerun", env=env, cwd=tmp_path)
    assert finish(process).code == 0


@pytest.mark.parametrize("name", [*COMMANDS, "al-exit"])
def test_nothing_slow_is_imported(name: str, tmp_path: Path) -> None:
    """Each of these costs as much as starting Python does."""
    commands = installed()
    case = CASES.get(name)
    arguments = case.arguments if case else ("3",)
    with FakeGateway(hoped, folder=tmp_path) as gateway:
        done = subprocess.run(
            [commands.python, "-ISE", "-X", "importtime", str(commands.app / "bin" / name), *arguments],
            env=environment({**gateway.env, "AL_SIGNAL_DIR": str(tmp_path)}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )
    imported = {line.rpartition(b"|")[2].strip().decode() for line in done.stderr.splitlines()}
    assert "alvps.agent.commands.program" in imported
    slow = {"json", "socket", "re", "typing", "dataclasses", "collections", "signal", "ssl", "http", "subprocess"}
    assert not imported & (slow | {"enum", "pathlib", "functools", "contextlib", "threading", "logging", "argparse"})


def test_the_programs_are_one_file() -> None:
    folder = installed().app / "bin"
    assert len({(folder / name).read_bytes() for name in NAMES}) == 1
    assert all(os.access(folder / name, os.X_OK) for name in NAMES)
