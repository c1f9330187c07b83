"""The session as a process of its own: as the container's entry starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.model_server import KEY, Call, ModelServer, Say, call
from tests.support.processes import ends
from tests.unit.session.session_rig import a_document, a_model
from tests.unit.session.test_session_turns import MODELS

REPOSITORY = Path(__file__).parents[3]
# In the image, a .pth file of the virtual environment has the package's folder; -I ignores PYTHONPATH.
START = (
    f"import runpy, sys; sys.path.insert(0, {str(REPOSITORY)!r});"
    "runpy.run_module('alvps.agent.session', run_name='__main__')"
)


def started(folder: Path, document: bytes, **environ: str) -> subprocess.Popen[bytes]:
    """Start a session, with its order as a file that is open on standard input."""
    order = folder.parent / "order"
    order.write_bytes(document)
    env = {"PATH": os.environ["PATH"], **environ}
    with order.open("rb") as stdin:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", START], cwd=folder, env=env, stdin=stdin, stdout=subprocess.PIPE
        )
    order.unlink()
    return process


def ended(process: subprocess.Popen[bytes], timeout: float = 60) -> tuple[int, list[dict[str, Any]]]:
    """Its exit code and what it said."""
    try:
        out, _ = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, [json.loads(line) for line in out.splitlines()]


def test_a_session(server: ModelServer, folder: Path) -> None:
    server.script(call("bash", command="pwd; cat; echo $MARK"), Say("done"))
    code, lines = ended(started(folder, a_document(a_model(server)), MARK="here"))
    assert code == 0
    assert [line["msg"] for line in lines][-1] == "run completed"
    assert f"{folder}\nhere\n" in str(server.requests[1].body["messages"][-1]["content"])


def test_the_key_is_nowhere_in_a_command(server: ModelServer, folder: Path) -> None:
    lines = "tr '\\0' '\\n' < /proc/$PPID"
    look = f"env; {lines}/cmdline; {lines}/environ; ls -l /proc/self/fd; cat /proc/$PPID/fd/0"
    server.script(call("bash", command=look), Say("done"))
    assert ended(started(folder, a_document(a_model(server))))[0] == 0
    result = server.requests[1].body["messages"][-1]["content"]
    assert "PATH=" in result
    assert KEY not in result


def test_its_memory_is_closed_to_others_of_the_same_user() -> None:
    probe = (
        f"import sys, ctypes; sys.path.insert(0, {str(REPOSITORY)!r}); from alvps.agent import guard;"
        "get = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0); print(get(), guard.hide(), get())"
    )
    assert subprocess.check_output([sys.executable, "-I", "-c", probe]) == b"1 True 0\n"


def test_a_request_to_end_during_a_command(server: ModelServer, folder: Path) -> None:
    server.script(call("bash", command="(sleep 300 & echo $! > child; echo $$ > parent; sleep 300)"), Say("never"))
    process = started(folder, a_document(a_model(server)))
    until = time.monotonic() + 60
    while not (folder / "parent").exists() or not (folder / "parent").read_text():
        assert time.monotonic() < until
        time.sleep(0.01)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code, lines = ended(process)
    assert time.monotonic() - asked < 30
    assert (code, [line["msg"] for line in lines][-2:]) == (143, ["token-usage", "asked to end"])
    for name in ("child", "parent"):
        assert ends(int((folder / name).read_text()))


def test_a_request_to_end_while_the_model_thinks(server: ModelServer, folder: Path) -> None:
    server.script(Say("never", delay=120))
    process = started(folder, a_document(a_model(server)))
    server.wait_for(1, 60)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143
    assert time.monotonic() - asked < 30


def test_a_request_to_end_while_it_waits_for_a_model(server: ModelServer, folder: Path) -> None:
    from tests.support.model_server import Refuse

    server.script(Refuse(429), Say("never"))
    process = started(folder, a_document(a_model(server)))
    assert process.stdout is not None
    for line in process.stdout:
        if b"waiting 30 s for a model" in line:
            break
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'{"prompt": "x"}', a_document()])
def test_no_order(document: bytes, folder: Path) -> None:
    code, lines = ended(started(folder, document))
    assert code == 13
    assert lines[-1]["msg"].startswith("the session cannot start: ")


def test_a_large_prompt(server: ModelServer, folder: Path) -> None:
    server.script(Say("read"))
    prompt = "é" * 400_000
    assert ended(started(folder, a_document(a_model(server), prompt=prompt)))[0] == 0
    assert server.requests[0].body["messages"][-1]["content"] == prompt


PACKAGES = {
    "anthropic": "anthropic",
    "openai": "openai",
    "groq": "groq",
    "google": "google.genai",
    "mistral": "mistralai",
    "xai": "openai",
    "openrouter": "openai",
    "custom": "openai",
}
# httpx imports rich where it is, for its command line; the image does not have it.
NEVER = ("logfire", "mcp", "fastmcp", "opentelemetry.sdk", "aiohttp", "requests", "grpc", "xai_sdk", "pytest")


@pytest.mark.parametrize("provider", PACKAGES)
def test_only_the_first_models_package_is_imported(provider: str, server: ModelServer, folder: Path) -> None:
    server.script(Say("done"))
    models = [a_model(server, provider, model=MODELS[provider])]
    models += [a_model(server, other, name=other, model=MODELS[other]) for other in PACKAGES if other != provider]
    probe = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from alvps.agent.session import order, run;"
        "code = run.run(order.parse(sys.stdin.buffer.read()), folder='.', environ={});"
        "print(code, *sorted(sys.modules), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", probe], cwd=folder, input=a_document(*models), stdout=subprocess.PIPE, check=True
    )
    lines = done.stdout.decode().splitlines()
    loaded = set(lines[lines.index("0") :])
    mine = PACKAGES[provider]
    assert mine in loaded
    others = set(PACKAGES.values()) - {mine}
    assert not loaded & (others | set(NEVER))


def test_a_second_models_package_is_imported_when_it_is_needed(server: ModelServer, folder: Path) -> None:
    from tests.support.model_server import Refuse

    server.script(Refuse(500), model="first-one")
    server.script(Say("me", calls=(Call("bash", {"command": "true"}),)), Say("done"), model="second-one")
    models = a_model(server, "groq", model="first-one"), a_model(server, "custom", name="b", model="second-one")
    code, lines = ended(started(folder, a_document(*models)))
    assert (code, [line["text"] for line in lines if line["msg"] == "assistant"]) == (0, ["me", "done"])
