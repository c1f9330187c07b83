"""A conversation that grows too long is made smaller, and stays one that providers accept."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from alvps.agent.session import compact
from tests.support.model_server import Call, ModelServer, Refuse, Say, Used
from tests.unit.session.session_rig import a_model
from tests.unit.session.test_session_turns import MODELS

Run = Callable[..., Any]
TOO_LONG = {
    "anthropic": Refuse(400, "prompt is too long: 210000 tokens > 200000 maximum"),
    "openai": Refuse(400, "Your input exceeds the context window of this model.", code="context_length_exceeded"),
    "groq": Refuse(400, "Please reduce the length of the messages or completion.", code="context_length_exceeded"),
    "google": Refuse(400, "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."),
    "xai": Refuse(400, "This model's maximum prompt length is 131072; the maximum context length is exceeded"),
    "mistral": Refuse(400, "Prompt contains 140000 tokens, too large for model with 131072 maximum context length"),
    "openrouter": Refuse(400, "This endpoint's maximum context length is 200000 tokens."),
    "custom": Refuse(413, "request (9000 tokens) exceeds the available context size"),
}


@st.composite
def conversations(draw: st.DrawFn) -> list[ModelMessage]:
    """A prompt, then answers with their results, as the loop makes them; the last request may wait for its answer."""
    texts = st.one_of(st.text(max_size=20), st.integers(0, 6000).map(lambda count: "é" * count))
    ids = (f"call{number}" for number in itertools.count())
    messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(content=draw(texts))])]
    for _ in range(draw(st.integers(0, 14))):
        calls = [ToolCallPart("bash", {"command": draw(texts)}, next(ids)) for _ in range(draw(st.integers(0, 3)))]
        said = [TextPart(draw(texts))] if draw(st.booleans()) or not calls else []
        thought = [ThinkingPart(draw(texts), signature="s")] if draw(st.booleans()) else []
        messages.append(ModelResponse(parts=[*thought, *said, *calls]))
        results = [ToolReturnPart("bash", draw(texts), one.tool_call_id) for one in calls]
        messages.append(ModelRequest(parts=results or [UserPromptPart(content="go on")]))
    return messages


@given(conversations(), st.integers(0, 16))
def test_cutting_results_keeps_every_pair(messages: list[ModelMessage], keep: int) -> None:
    assert compact.whole(messages)
    smaller = compact.stubbed(messages, keep)
    assert compact.whole(smaller)
    assert len(smaller) == len(messages)
    assert compact.size(smaller) <= compact.size(messages)
    answers = [number for number, one in enumerate(messages) if isinstance(one, ModelResponse)]
    if keep and answers:
        start = answers[-min(keep, len(answers))]
        assert smaller[start:] == messages[start:]


@given(conversations(), st.integers(0, 16), st.text(max_size=50))
def test_summarising_keeps_the_prompt_and_the_last_turns(messages: list[ModelMessage], keep: int, summary: str) -> None:
    head, tail = compact.split(messages, keep)
    assert [messages[0], *head, *tail] == messages
    smaller = compact.joined(messages[0], summary, tail)
    assert compact.whole(smaller)
    assert isinstance(smaller[0], ModelRequest)
    assert smaller[0].parts[0] == messages[0].parts[0]
    assert not tail or isinstance(tail[0], ModelResponse)
    assert sum(isinstance(one, ModelResponse) for one in tail) <= keep
    again = compact.joined(smaller[0], "newer", tail)
    assert len(again[0].parts) == len(smaller[0].parts)  # one summary, not a pile of them


@given(conversations(), st.integers(500, 5000))
def test_a_transcript_has_its_limit(messages: list[ModelMessage], limit: int) -> None:
    assert len(compact.transcript(messages, limit).encode()) <= limit + 200


def test_whole_sees_what_is_broken() -> None:
    called = ModelResponse(parts=[ToolCallPart("bash", {}, "a"), ToolCallPart("bash", {}, "b")])
    results = [ToolReturnPart("bash", "x", "a"), ToolReturnPart("bash", "x", "b")]
    assert compact.whole([called, ModelRequest(parts=results)])
    assert not compact.whole([called, ModelRequest(parts=results[:1])])
    assert not compact.whole([called])
    assert not compact.whole([ModelRequest(parts=results)])
    assert not compact.whole([called, called, ModelRequest(parts=results)])
    assert not compact.whole([called, ModelRequest(parts=[*results, results[0]])])


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of which nothing is known hold 10,000 tokens."""
    monkeypatch.setattr("alvps.agent.session.providers.DEFAULT_WINDOW", 10_000)


def growing(count: int, size: int = 3000, words: int = 0) -> list[Say]:
    """Answers that call for more and more; each says how many tokens the conversation has by then."""
    command = f"head -c {size} /dev/zero | tr '\\0' x"
    steps = range(1, count + 1)
    return [
        Say(f"step {one}{' word' * words}", (Call("bash", {"command": command}),), used=Used(input=one * 1250))
        for one in steps
    ]


@pytest.mark.usefixtures("narrow")
def test_old_results_are_cut_first(server: ModelServer, session: Run) -> None:
    server.script(growing(6), Say("done"))
    ended = session()
    assert ended.code == 0
    assert len(ended.said("conversation compacted")) == 1
    last = server.requests[-1].body["messages"]
    results = [message["content"] for message in last if message["role"] == "tool"]
    assert [text.startswith("[cut to save room: the first 400 of 3000") for text in results] == [True] * 5 + [False]
    assert len(server.requests) == 7  # none for a summary


@pytest.mark.usefixtures("narrow")
def test_then_old_turns_are_summarised(server: ModelServer, session: Run) -> None:
    server.script(growing(6, words=1000), Say("What was done: six steps."), Say("done"))
    ended = session()
    assert (ended.code, ended.answer) == (0, "done")
    summary, last = (request.body for request in server.requests[-2:])
    assert "tools" not in summary
    assert "transcript" in summary["messages"][0]["content"]
    assert "AGENT: step 1" in summary["messages"][1]["content"]
    assert last["messages"][0]["content"] == "You are a scripted agent.\n"
    assert "Do the work." in str(last["messages"][1])
    assert "What was done: six steps." in str(last["messages"][1:3])
    assert "step 1" not in str(last["messages"])
    assert "step 4" not in str(last["messages"])
    assert "step 6" in str(last["messages"])


@pytest.mark.usefixtures("narrow")
def test_a_summary_counts_in_the_budget(server: ModelServer, session: Run) -> None:
    server.script(growing(6, words=1000), Say("never"))
    ended = session(budget={"requests": 6})
    assert (ended.code, ended.errors) == (1, ["limit reached: requests 6 of 6"])


@pytest.mark.parametrize("provider", MODELS)
def test_a_provider_that_says_too_long_is_believed(provider: str, server: ModelServer, session: Run) -> None:
    server.script(growing(4, 20_000), TOO_LONG[provider], Say("done"))
    ended = session(a_model(server, provider, model=MODELS[provider]))
    assert (ended.code, ended.answer, ended.clock.slept) == (0, "done", [])
    assert len(ended.said("conversation compacted")) == 1


def test_a_provider_that_goes_on_saying_it(server: ModelServer, session: Run) -> None:
    refusal = TOO_LONG["custom"]
    answers = refusal, Say("In short: much."), refusal, Say("Shorter: all."), Say("done")
    server.script(growing(6, words=4000), *answers)
    ended = session()
    assert (ended.code, ended.answer) == (0, "done")
    assert len(ended.said("conversation compacted")) == 2


def test_a_summary_that_is_too_long_itself(server: ModelServer, session: Run) -> None:
    refusal = TOO_LONG["custom"]
    server.script(growing(6, words=4000), itertools.repeat(refusal, 3), Say("done"))
    ended = session()
    assert (ended.code, ended.answer) == (0, "done")
    assert "No model could write this summary" in str(server.requests[-1].body)


def test_a_prompt_that_is_too_long_ends_it(server: ModelServer, session: Run) -> None:
    server.script(itertools.repeat(TOO_LONG["custom"]))
    ended = session(prompt="x" * 50_000)
    assert ended.code == 1
    assert "nothing left to leave out" in ended.errors[-1]
    assert len(server.requests) == 1


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("provider", ["anthropic", "openai", "google", "mistral", "custom"])
def test_a_long_session_survives_many_compactions(
    provider: str, server: ModelServer, session: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alvps.agent.session import providers

    true_open = providers.open_model

    def small(spec: Any) -> providers.Opened:
        opened = true_open(spec)
        return providers.Opened(opened.spec, opened.model, opened.settings, 5_000, opened.http)

    monkeypatch.setattr("alvps.agent.session.backend.open_model", small)

    def steps() -> Any:
        for number in range(40):
            size = 200 + 1300 * (number % 4)
            wide = tuple(
                Call("bash", {"command": f"head -c {size} /dev/zero | tr '\\0' y"}) for _ in range(number % 3 + 1)
            )
            yield Say(f"turn {number}", wide, thinking="hm", used=Used(input=1000 + 1100 * (number % 7)))
        yield Say("finished")

    server.script(steps())
    ended = session(a_model(server, provider, model=MODELS[provider], thinking="low"))
    assert (ended.code, ended.answer) == (0, "finished")
    assert len(ended.said("conversation compacted")) >= 5
