"""Several turns with tools, through each provider's real client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.model_server import Call, ModelServer, Say, Used, call
from tests.unit.session.session_rig import a_model

MODELS = {
    "anthropic": "claude-sonnet-5-5",
    "openai": "gpt-5-mini",
    "groq": "openai/gpt-oss-120b",
    "google": "gemini-2.5-pro",
    "xai": "grok-4.5",
    "mistral": "mistral-large-latest",
    "openrouter": "anthropic/claude-sonnet-4.5",
    "custom": "any-name",
}


@pytest.mark.parametrize("provider", MODELS)
def test_a_session_of_several_turns(
    provider: str, server: ModelServer, session: Callable[..., Any], folder: Path
) -> None:
    server.script(
        Say("I look around.", calls=(Call("bash", {"command": "echo one; echo two >&2; exit 3"}),)),
        Say(calls=(Call("write_file", {"path": "a/b.txt", "content": "alpha\nbeta\n"}),)),
        Say(
            calls=(
                Call("read_file", {"path": "a/b.txt"}),
                Call("edit_file", {"path": "a/b.txt", "old": "beta", "new": "gamma"}),
            )
        ),
        Say("All done.", used=Used(input=50, output=7)),
    )
    ended = session(a_model(server, provider, model=MODELS[provider]))
    assert (ended.code, ended.answer) == (0, "All done.")
    assert (folder / "a/b.txt").read_text() == "alpha\ngamma\n"
    assert [request.model for request in server.requests] == [MODELS[provider]] * 4
    last = repr(server.requests[-1].body)
    for piece in (
        "You are a scripted agent.",
        "Do the work.",
        "one\\ntwo",
        "[exit code 3]",
        "alpha\\nbeta",
        "replaced 1 place",
    ):
        assert piece in last or piece.replace("\\n", "\\\\n") in last, piece
    assert [line["tool"] for line in ended.said("tool start")] == ["bash", "write_file", "read_file", "edit_file"]
    assert ended.said("tool error")[0]["cmd"] == "echo one; echo two >&2; exit 3"
    usage = ended.said("token-usage")[0]
    assert (usage["inputTokens"], usage["outputTokens"], usage["turnCount"]) == (350, 67, 4)
    assert ended.said("run completed")[0]["outputLength"] == len("All done.")


@pytest.mark.parametrize("provider", MODELS)
def test_thinking_goes_back_to_who_thought_it(provider: str, server: ModelServer, session: Callable[..., Any]) -> None:
    server.script(
        Say("Hm.", thinking="deep thought", calls=(Call("bash", {"command": "true"}),)),
        Say("done"),
    )
    ended = session(a_model(server, provider, model=MODELS[provider], thinking="medium"))
    assert ended.code == 0
    assert all("deep thought" not in str(line) for line in ended.lines)


def test_a_result_of_300_kb_is_cut(server: ModelServer, session: Callable[..., Any]) -> None:
    server.script(call("bash", command="echo begin; head -c 300000 /dev/zero | tr '\\0' x; echo end"), Say("seen"))
    assert session().code == 0
    result = server.requests[1].body["messages"][-1]["content"]
    assert result.startswith("begin\nxxx")
    assert result.endswith("xxxend\n")
    assert "270010 of 300010 bytes left out" in result
    assert len(result) < 31_000


def test_binary_output_is_not_shown(server: ModelServer, session: Callable[..., Any]) -> None:
    server.script(call("bash", command="head -c 5000 /dev/urandom; printf '\\0'"), Say("seen"))
    assert session().code == 0
    assert "5001 bytes of binary data" in server.requests[1].body["messages"][-1]["content"]


def test_a_wrong_call_is_told_to_the_model(server: ModelServer, session: Callable[..., Any]) -> None:
    server.script(
        call("fly", to="the moon"),
        Say(calls=(Call("bash", raw='{"command": "ls'),)),
        call("bash", command=7),
        call("bash", comand="ls"),
        call("bash"),
        call("read_file", path="/nowhere"),
        call("read_file", path="/tmp"),
        Say("sorry"),
    )
    ended = session()
    assert ended.code == 0
    results = [message["content"] for message in server.requests[-1].body["messages"] if message["role"] == "tool"]
    wanted = [
        "no tool 'fly'",
        "not a JSON object",
        "must be of the type string",
        "no argument 'comand'",
        "lacks command",
    ]
    for result, text in zip(results, [*wanted, "No such file", "is a directory"], strict=True):
        assert text in result
    assert len(ended.said("tool error")) == 7


def test_an_empty_answer_after_results_is_asked_about_once(server: ModelServer, session: Callable[..., Any]) -> None:
    server.script(call("bash", command="true"), Say(), Say(), Say("never asked for"))
    ended = session()
    assert (ended.code, len(server.requests)) == (0, 3)
    assert "Your answer was empty" in str(server.requests[2].body["messages"][-1])


def test_an_answer_cut_at_the_output_limit_goes_on(server: ModelServer, session: Callable[..., Any]) -> None:
    server.script(Say("first half", ending="length"), Say("second half"))
    ended = session()
    assert (ended.code, [line["text"] for line in ended.said("assistant")]) == (0, ["first half", "second half"])
    assert "cut off" in server.requests[1].body["messages"][-1]["content"]


def test_answers_that_never_end_do(server: ModelServer, session: Callable[..., Any]) -> None:
    server.script(Say("on and on", ending="length") for _ in range(100))
    ended = session()
    assert (ended.code, ended.errors) == (1, ["3 answers in a row were cut at the model's output limit"])


def test_al_exit_ends_the_session(server: ModelServer, session: Callable[..., Any], tmp_path: Path) -> None:
    server.script(Say("I give up.", calls=(Call("bash", {"command": "echo 15 > $AL_SIGNAL_DIR/exit"}),)), Say("never"))
    ended = session(environ={"AL_SIGNAL_DIR": str(tmp_path)})
    assert (ended.code, len(server.requests)) == (0, 1)
    assert ended.said("run completed")


def test_the_log_is_the_documented_one(server: ModelServer, session: Callable[..., Any]) -> None:
    server.script(call("bash", command="echo " + "x" * 500), Say("fine"))
    ended = session()
    messages = [line["msg"] for line in ended.lines if line["level"] != "debug"]
    assert messages == [
        "session starting", "bash", "tool start", "tool done", "assistant", "token-usage", "run completed",
    ]  # fmt: skip
    assert ended.said("session starting")[0] | {"_log": True} == ended.said("session starting")[0]
    assert len(ended.said("bash")[0]["cmd"]) == 200
    assert ended.said("tool done")[0]["resultLength"] == 501


def test_no_half_of_a_secret_is_in_the_log(server: ModelServer, session: Callable[..., Any]) -> None:
    secret = "canary-" + "0123456789" * 3
    command = f": {'#' * 180}{secret}\nprintf '%480s%s%1990s' '' {secret} ''; exit 1"
    server.script(call("bash", command=command), Say("done"))
    ended = session(secrets=[secret])
    assert ended.code == 0
    assert "#***\nprintf" in ended.said("bash")[0]["cmd"]
    assert "***" in ended.said("tool error")[0]["result"]
    assert not [line for line in ended.lines if "canary" in str(line)]
