"""The LLM harness as a child, and what the gateway is told at the end of a run."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.unit.agent.agent_gateway import gateway
from tests.unit.agent.agent_run import Box, others, own, said, step

TOKEN = "r0123456789.1.0123456789abcdef0123456789abcdef"
SESSION: dict[str, Any] = {
    "models": [{"name": "m", "provider": "anthropic", "model": "x", "key": "sk-ant-canary-1234"}],
    "budget": {"requests": 3},
    "actions": "ACTIONS.md",
}
LLM: dict[str, Any] = {"harness": "llm", "session": SESSION}
SHOW = "import json, sys; d = json.load(sys.stdin); print(json.dumps({'argv': sys.argv[1:], **d})[::-1])"


def run_llm(box: Box, script: str | None, prompt: bytes = b"do it", **more: Any) -> Any:
    if script is not None:
        box.llm(script)
    return box.run([], prompt, **{**LLM, **more})


# The LLM harness


def test_the_harness_gets_one_document_and_the_end(box: Box) -> None:
    credential = {"type": "t", "instance": "i", "fields": {"token": "canary-5678"}}
    done = run_llm(box, SHOW, "Grüße".encode(), credentials=[credential])
    document = json.loads(others(done.stdout).strip()[::-1])
    assert 0 < document.pop("timeout") <= 60
    assert document == {
        "argv": ["-I", "-m", "alvps.agent.session"],
        "prompt": "Grüße",
        "session": SESSION,
        "run": "r0123456789",
        "agent": "dev",
        "secrets": ["canary-5678", "sk-ant-canary-1234"],
    }


def test_a_long_prompt_arrives_whole_whether_it_is_read_or_not(box: Box) -> None:
    script = "import json, sys; print(len(json.load(sys.stdin)['prompt']))"
    assert others(run_llm(box, script, b"x" * (3 << 20)).stdout) == b"%d\n" % (3 << 20)
    (box.folder / "app/llm/bin/python").write_text("#!/bin/sh\nexit 0\n")
    assert box.run([], b"x" * (3 << 20), **LLM).returncode == 0


def test_what_the_harness_has_read_cannot_be_read_again(box: Box) -> None:
    script = "import sys; sys.stdin.read(); print(len(open('/proc/self/fd/0').read()))"
    assert others(run_llm(box, script).stdout) == b"0\n"


def test_the_models_keys_are_in_no_environment_and_no_file_and_masked(box: Box) -> None:
    script = "import json, os, sys; print(dict(os.environ)); print(json.load(sys.stdin)['session']['models'][0]['key'])"
    done = run_llm(box, script)
    assert b"canary" not in done.stdout
    assert others(done.stdout).endswith(b"***\n")
    assert not [path for path in box.home.rglob("*") if path.is_file() and b"canary" in path.read_bytes()]


@pytest.mark.parametrize(
    ("signals", "code", "wanted"),
    [
        ({}, 12, 12),
        ({"rerun": ""}, 0, 42),
        ({"rerun": ""}, 12, 12),  # whatever ended it would end the next one too
        ({"rerun": "", "exit": "15"}, 0, 15),
        ({"exit": "0"}, 1, 0),
    ],
)
def test_how_the_harness_ends_the_run(box: Box, signals: dict[str, str], code: int, wanted: int) -> None:
    script = f"import os, sys\nfor name, text in {signals}.items():\n"
    script += f"    open(os.environ['AL_SIGNAL_DIR'] + '/' + name, 'w').write(text)\nsys.exit({code})"
    done = run_llm(box, script)
    assert done.returncode == wanted
    last = own(done.stdout)[-1]
    assert (last["msg"], last["exit_code"]) == (f"the session ended with code {code}", wanted)


def test_the_harness_has_the_entrys_time(box: Box) -> None:
    script = "import json, sys; print(json.load(sys.stdin)['timeout'])"
    done = run_llm(box, script, before=[step("shell", command="sleep 0.5")], timeout=3600)
    assert 0 < float(others(done.stdout)) <= 3599.5


def test_the_harness_starts_in_the_agents_folder_after_the_steps(box: Box) -> None:
    script = "import os; print(os.getcwd(), os.environ['PWD'], open(os.environ['HOME'] + '/x').read())"
    done = run_llm(box, script, before=[step("shell", command="echo here", output="x")])
    assert others(done.stdout).decode().split() == [str(box.static), str(box.static), "here"]


def test_an_image_without_the_harness_is_said_before_anything_is_done(box: Box) -> None:
    with gateway(box.folder / "run/al/gateway.sock") as told:
        done = run_llm(box, None, before=[step("shell", command="echo step")], gateway={"secret": TOKEN})
    assert done.returncode == 121
    assert "the image has no LLM harness" in said(done.stdout)[0]
    assert others(done.stdout) == b""
    assert "no LLM harness" in told.posts["/report"][0]["reason"]


@pytest.mark.parametrize("change", [{"session": None}, {"session": []}, {"harness": "other"}, {"harness": None}])
def test_an_order_that_is_no_session_is_121(box: Box, change: dict[str, Any]) -> None:
    box.llm("print('ran')")
    done = box.run([], **{**LLM, **change})
    assert done.returncode == 121
    assert others(done.stdout) == b""


# The gateway


def test_without_a_gateway_nothing_about_one_is_in_the_environment(box: Box) -> None:
    done = box.run("env")
    assert b"GATEWAY" not in done.stdout
    assert b"SHUTDOWN_SECRET" not in done.stdout


def test_with_one_the_environment_leads_there(box: Box) -> None:
    done = box.run('test "$SHUTDOWN_SECRET" = ' + TOKEN + "; echo $?; env", gateway={"secret": TOKEN})
    lines = others(done.stdout).decode().splitlines()
    assert lines[0] == "0"
    assert f"AL_GATEWAY_SOCKET={box.folder}/run/al/gateway.sock" in lines
    assert "GATEWAY_URL=http://gateway" in lines
    assert "SHUTDOWN_SECRET=***" in lines
    assert f"AL_CREDENTIALS_PATH={box.folder}/credentials" in lines


def test_the_tokens_secret_part_is_masked_by_itself(box: Box) -> None:
    done = box.run("echo $SHUTDOWN_SECRET | cut -d. -f3", gateway={"secret": TOKEN})
    assert others(done.stdout) == b"***\n"


@pytest.mark.parametrize("code", [0, 42, 3])
def test_the_return_value_is_posted_whole(box: Box, code: int) -> None:
    (box.home / "value").write_text("ü\n" * 200_000)
    with gateway(box.folder / "run/al/gateway.sock") as told:
        done = box.run(f'cp $HOME/value "$AL_SIGNAL_DIR/return"; exit {code}', gateway={"secret": TOKEN})
    assert done.returncode == code
    assert told.posts == {"/signals/return": [{"value": "ü\n" * 200_000}]}
    assert told.tokens == {f"Bearer {TOKEN}"}
    line = next(line for line in own(done.stdout) if line["msg"] == "signal-result")
    assert (line["type"], len(line["value"])) == ("return", 1000)


def test_an_empty_value_is_a_value(box: Box) -> None:
    with gateway(box.folder / "run/al/gateway.sock") as told:
        box.run(': > "$AL_SIGNAL_DIR/return"', gateway={"secret": TOKEN})
    assert told.posts == {"/signals/return": [{"value": ""}]}


def test_without_a_value_nothing_is_posted(box: Box) -> None:
    with gateway(box.folder / "run/al/gateway.sock") as told:
        box.run("exit 3", gateway={"secret": TOKEN})
    assert told.posts == {}


def test_a_value_over_the_limit_is_said_and_not_posted(box: Box) -> None:
    with gateway(box.folder / "run/al/gateway.sock") as told:
        done = box.run('head -c 1048577 /dev/zero > "$AL_SIGNAL_DIR/return"', gateway={"secret": TOKEN})
    assert told.posts == {}
    assert any("over 1 MiB" in line for line in said(done.stdout))


def test_a_value_that_is_a_link_or_a_pipe_is_none(box: Box) -> None:
    with gateway(box.folder / "run/al/gateway.sock") as told:
        box.run('ln -s /etc/passwd "$AL_SIGNAL_DIR/return"', gateway={"secret": TOKEN})
        (box.signals / "return").unlink()
        box.run('mkfifo "$AL_SIGNAL_DIR/return"', gateway={"secret": TOKEN})
    assert told.posts == {}


def test_the_value_in_the_log_has_no_secrets(box: Box) -> None:
    credential = {"type": "t", "instance": "i", "fields": {"token": "canary-1234"}}
    value = "x" * 995 + "canary-1234"
    done = box.run(f'printf {value} > "$AL_SIGNAL_DIR/return"', credentials=[credential])
    assert b"canary" not in done.stdout
    assert b"xxx***" in done.stdout


@pytest.mark.parametrize(("answer", "words"), [(403, "it answered 403"), (0, "within 3 s"), (None, "unreachable")])
def test_a_gateway_that_does_not_take_it_changes_nothing(box: Box, answer: int | None, words: str) -> None:
    began = time.monotonic()
    script = 'echo v > "$AL_SIGNAL_DIR/return"; exit 7'
    if answer is None:
        done = box.run(script, gateway={"secret": TOKEN})
    else:
        with gateway(box.folder / "run/al/gateway.sock") as told:
            told.answer = answer
            done = box.run(script, gateway={"secret": TOKEN})
    assert done.returncode == 7
    assert any("the return value did not reach the gateway" in line and words in line for line in said(done.stdout))
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"command": ["no-such-program"]}, "the command 'no-such-program' was not found"),
        ({"command": ["./"]}, "the command './' cannot be executed"),
        (
            {"command": ["true"], "before": [step("shell", command="exit 4")]},
            "step 1 of 1 before the work (shell) failed: it ended with code 4",
        ),
    ],
)
def test_the_gateway_is_told_why_a_run_fails(box: Box, order: dict[str, Any], reason: str) -> None:
    with gateway(box.folder / "run/al/gateway.sock") as told:
        box.run(order.pop("command"), gateway={"secret": TOKEN}, **order)
    assert told.posts == {"/report": [{"reason": reason}]}


@pytest.mark.parametrize("change", [{"gateway": "x"}, {"gateway": {}}, {"gateway": {"secret": ""}}, {"before": {}},
                                    {"before": ["x"]}, {"after": [{"provider": "ftp", "params": {}, "timeout": 1}]},
                                    {"before": [{"provider": "shell", "params": [], "timeout": 1}]},
                                    {"before": [{"provider": "shell", "params": {}}]}])  # fmt: skip
def test_a_frame_with_anything_else_in_it_is_121(box: Box, change: dict[str, Any]) -> None:
    done = box.run(f"touch {box.folder}/ran", **change)
    assert done.returncode == 121
    assert not (box.folder / "ran").exists()
