"""A provider that refuses, is rate limited, down, or breaks off: who is asked next, when, and how the session ends."""

from __future__ import annotations

import email.utils
import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.model_server import Cut, Malformed, ModelServer, Refuse, Say, Step, StreamError, call
from tests.unit.session.session_rig import a_model
from tests.unit.session.test_session_turns import MODELS

Run = Callable[..., Any]


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize(
    "step", [Refuse(429), Refuse(500), Refuse(503), Cut(), Cut(how="quietly"), Malformed(), StreamError(), Say()]
)
def test_what_passes_is_tried_again(provider: str, step: Step, server: ModelServer, session: Run) -> None:
    server.script(step, Say("here I am"))
    ended = session(a_model(server, provider, model=MODELS[provider]))
    assert (ended.code, ended.answer, ended.clock.slept) == (0, "here I am", [30.0])


def test_overloaded_is_tried_again(server: ModelServer, session: Run) -> None:
    server.script(Refuse(529), Refuse(529), Say("here"))
    ended = session(a_model(server, "anthropic", model="claude-sonnet-5-5"))
    assert (ended.code, ended.clock.slept) == (0, [30.0, 60.0])


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_ends_it(provider: str, status: int, server: ModelServer, session: Run) -> None:
    server.script(Refuse(status, "no such key"), Say("never"))
    ended = session(a_model(server, provider, model=MODELS[provider]))
    assert (ended.code, ended.clock.slept, len(server.requests)) == (10, [], 1)
    assert ended.errors[-1].startswith(f"model first ({provider}/{MODELS[provider]}) refused the key {provider}_key")
    assert "no such key" in ended.errors[-1]


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refused_request_ends_it(provider: str, status: int, server: ModelServer, session: Run) -> None:
    server.script(Refuse(status, "no such model"), Say("never"))
    ended = session(a_model(server, provider, model=MODELS[provider]))
    assert (ended.code, ended.clock.slept, len(server.requests)) == (13, [], 1)
    assert "no such model" in ended.errors[-1]


def test_five_rounds_and_no_more(server: ModelServer, session: Run) -> None:
    server.script(itertools.repeat(Refuse(429, "slow down")))
    ended = session()
    assert (ended.code, len(server.requests)) == (12, 5)
    assert ended.clock.slept == [30.0, 60.0, 120.0, 240.0]
    assert ended.errors == ["no model answered in 5 rounds: first (custom/scripted-1): HTTP 429: slow down"]


@pytest.mark.parametrize("provider", MODELS)
def test_retry_after_in_seconds_is_honoured(provider: str, server: ModelServer, session: Run) -> None:
    server.script(Refuse(429, headers={"Retry-After": "77"}), Refuse(429, headers={"Retry-After": "7"}), Say("ok"))
    ended = session(a_model(server, provider, model=MODELS[provider]))
    assert (ended.code, ended.clock.slept) == (0, [77.0, 60.0])  # 7 s is shorter than its turn


def test_retry_after_as_a_date_is_honoured(server: ModelServer, session: Run) -> None:
    date = email.utils.formatdate(time.time() + 400, usegmt=True)
    server.script(Refuse(429, headers={"Retry-After": date}), Say("ok"))
    ended = session()
    assert ended.code == 0
    assert 390 < ended.clock.slept[0] <= 400


def test_a_wait_that_the_run_has_no_time_for_ends_it(server: ModelServer, session: Run) -> None:
    server.script(Refuse(429, headers={"Retry-After": "3600"}), Say("never"))
    ended = session(timeout=900)
    assert (ended.code, ended.clock.slept) == (12, [])
    assert "no model may be asked for 3600 s, and the run has 900 s left" in ended.errors[-1]


def test_the_next_model_answers_meanwhile(server: ModelServer, session: Run) -> None:
    server.script(
        Refuse(429, headers={"Retry-After": "100"}), call("bash", command="true"), Say("recovered"), model="big"
    )
    server.script(call("bash", command="true"), call("bash", command="true"), Say("done"), model="small")
    models = a_model(server, model="big"), a_model(server, "openai", name="second", model="small")
    ended = session(*models)
    assert (ended.code, ended.answer, ended.clock.slept) == (0, "done", [])
    assert [request.model for request in server.requests] == ["big", "small", "small", "small"]


def test_the_first_model_is_asked_again_when_its_time_has_come(server: ModelServer, session: Run) -> None:
    server.script(Refuse(429), Say("back"), model="big")
    server.script(Refuse(529), model="small")
    ended = session(a_model(server, model="big"), a_model(server, "anthropic", name="second", model="small"))
    assert (ended.code, ended.answer, ended.clock.slept) == (0, "back", [30.0])
    assert [request.model for request in server.requests] == ["big", "small", "big"]


def test_all_models_limited(server: ModelServer, session: Run) -> None:
    server.script(itertools.repeat(Refuse(429, "busy")), model="big")
    server.script(itertools.repeat(Refuse(503, "gone")), model="small")
    ended = session(a_model(server, model="big"), a_model(server, "groq", name="second", model="small"))
    assert ended.code == 12
    assert [request.model for request in server.requests] == ["big", "small"] * 5
    assert ended.clock.slept == [30.0, 60.0, 120.0, 240.0]
    assert "first (custom/big): HTTP 429: busy; second (groq/small): HTTP 503: gone" in ended.errors[-1]


def test_an_empty_account_is_not_waited_for(server: ModelServer, session: Run) -> None:
    server.script(Refuse(429, "no money", code="insufficient_quota"))
    ended = session()
    assert (ended.code, ended.clock.slept) == (12, [])
    assert "no money" in ended.errors[-1]


def test_an_empty_account_leaves_the_work_to_the_next(server: ModelServer, session: Run) -> None:
    server.script(Refuse(402, "no money"), model="big")
    server.script(Say("mine now"), model="small")
    ended = session(a_model(server, model="big"), a_model(server, name="second", model="small"))
    assert (ended.code, ended.answer, ended.clock.slept) == (0, "mine now", [])


def test_nobody_listens(server: ModelServer, session: Run) -> None:
    server.script(Say("I do"), model="small")
    dead = a_model(server, model="big", base_url="http://127.0.0.1:9/v1")
    ended = session(dead, a_model(server, name="second", model="small"))
    assert (ended.code, ended.answer) == (0, "I do")


def test_a_refusal_of_the_model_ends_it(server: ModelServer, session: Run) -> None:
    server.script(Say(ending="refusal"))
    ended = session(a_model(server, "anthropic", model="claude-sonnet-5-5"))
    assert ended.code == 1
    assert "refused to answer" in ended.errors[-1]


def test_the_client_libraries_do_not_retry_themselves(server: ModelServer, session: Run) -> None:
    for provider, model in MODELS.items():
        before = len(server.requests)
        server.script(Refuse(503), Say("ok"))
        ended = session(a_model(server, provider, model=model))
        assert (ended.code, len(server.requests) - before, ended.clock.slept) == (0, 2, [30.0]), provider


def test_a_cut_answer_is_paid_for(server: ModelServer, session: Run) -> None:
    server.script(Cut(), Say("whole"))
    ended = session(a_model(server, "anthropic", model="claude-sonnet-5-5"))
    usage = ended.said("token-usage")[0]
    assert (usage["inputTokens"], usage["turnCount"]) == (200, 2)


@pytest.mark.parametrize(
    "text", ["Permission denied (publickey).", "remote: Bad credentials", "HTTP requested URL returned error: 403"]
)
def test_three_permission_errors_end_it(text: str, server: ModelServer, session: Run) -> None:
    failing = call("bash", command=f"echo '{text}' >&2; exit 128")
    server.script(
        failing, call("bash", command=f"echo '{text}'"), failing, call("bash", command="false"), failing, Say("never")
    )
    ended = session()
    assert (ended.code, len(server.requests)) == (1, 5)
    assert ended.errors[-1].startswith("3 commands failed for lack of permission or login")
    assert text in ended.errors[-1]
