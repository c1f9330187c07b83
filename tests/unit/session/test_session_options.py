"""What an order says of its models, as the requests show it: keys, thinking levels, addresses, instructions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alvps.agent.session import order, providers
from alvps.agent.session.ended import Ended
from tests.support.model_server import KEY, ModelServer, Refuse, Say, call, key_of
from tests.unit.session.session_rig import a_model
from tests.unit.session.test_session_turns import MODELS

Run = Callable[..., Any]


def a_spec(**given: Any) -> order.ModelSpec:
    """A model of an order."""
    return order.ModelSpec(
        **{"name": "m", "provider": "custom", "model": "x", "key": "k", "base_url": "http://h", **given}
    )


def test_the_key_and_the_version_go_into_headers(server: ModelServer, session: Run) -> None:
    server.script(Say("hi"))
    session(a_model(server, "anthropic", model="claude-sonnet-5-5"))
    headers = server.requests[0].headers
    assert headers["authorization"] == f"Bearer {key_of('anthropic')}"
    assert "anthropic-beta" not in headers


def test_an_oauth_token_goes_with_its_beta(server: ModelServer, session: Run) -> None:
    server.script(Say("hi"))
    assert session(a_model(server, "anthropic", model="claude-sonnet-5-5", auth="oauth_token")).code == 0
    headers = server.requests[0].headers
    assert headers["authorization"] == f"Bearer {key_of('anthropic')}"
    assert "oauth-2025-04-20" in headers["anthropic-beta"].split(",")
    assert "x-api-key" not in headers


@pytest.mark.parametrize("provider", sorted(set(MODELS) - {"anthropic"}))
def test_an_oauth_token_is_anthropics_alone(provider: str, server: ModelServer, session: Run) -> None:
    server.script(Say("never"))
    ended = session(a_model(server), a_model(server, provider, name="second", auth="oauth_token"))
    assert (ended.code, server.requests) == (13, [])
    assert "authType oauth_token is for the provider anthropic only" in ended.errors[0]


def test_keys_of_the_environment_are_not_used(
    server: ModelServer, session: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "GROQ_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, "somebody-elses")
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "GROQ_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for provider, model in MODELS.items():
        server.script(Say("hi"))
        assert session(a_model(server, provider, model=model)).code == 0


A, OA, X, Q, R, M, C = "anthropic", "openai", "xai", "groq", "openrouter", "mistral", "custom"
ADAPTIVE, BUDGET = "claude-sonnet-5-5", "claude-haiku-4-5"
THINKING = [
    (A, ADAPTIVE, None, {"thinking": None, "output_config": None}),
    (A, ADAPTIVE, "minimal", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
    (A, ADAPTIVE, "high", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
    (A, ADAPTIVE, "xhigh", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}),
    (A, BUDGET, "off", {"thinking": None}),
    (A, BUDGET, "minimal", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
    (A, BUDGET, "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
    (A, BUDGET, "medium", {"thinking": {"type": "enabled", "budget_tokens": 10000}}),
    (A, BUDGET, "high", {"thinking": {"type": "enabled", "budget_tokens": 16384}}),
    (A, BUDGET, "xhigh", {"thinking": {"type": "enabled", "budget_tokens": 32768}}),
    (OA, "gpt-5-mini", None, {"reasoning": None}),
    (OA, "gpt-5-mini", "off", {"reasoning": {"effort": "minimal"}}),
    (OA, "gpt-5-mini", "low", {"reasoning": {"effort": "low"}}),
    (OA, "gpt-5-mini", "xhigh", {"reasoning": {"effort": "high"}}),
    (OA, "gpt-4.1", "high", {"reasoning": None}),
    (X, "grok-4.5", None, {"reasoning_effort": None}),
    (X, "grok-4.5", "minimal", {"reasoning_effort": "low"}),
    (X, "grok-4.5", "xhigh", {"reasoning_effort": "high"}),
    (X, "grok-4.3", "off", {"reasoning_effort": "none"}),
    (X, "grok-unheard-of", "high", {"reasoning_effort": None}),
    (Q, "openai/gpt-oss-120b", "medium", {"reasoning_effort": "medium"}),
    (Q, "qwen/qwen3-32b", "off", {"reasoning_effort": "none"}),
    (Q, "llama-3.3-70b-versatile", "high", {"reasoning_effort": None, "reasoning_format": None}),
    (R, "anthropic/claude-sonnet-4.5", "low", {"reasoning": {"effort": "low", "enabled": True}}),
    (R, "anthropic/claude-sonnet-4.5", None, {"reasoning": None}),
    (M, "mistral-large-latest", "high", {"reasoning_effort": None}),
    (C, "any", "xhigh", {"reasoning_effort": "xhigh"}),
    (C, "any", "off", {"reasoning_effort": None}),
    (C, "any", None, {"reasoning_effort": None}),
]


@pytest.mark.parametrize(("provider", "model", "level", "wanted"), THINKING)
def test_the_thinking_level(
    provider: str, model: str, level: str | None, wanted: dict[str, Any], server: ModelServer, session: Run
) -> None:
    server.script(Say("hi"))
    assert session(a_model(server, provider, model=model, thinking=level)).code == 0
    body = server.requests[0].body
    assert {key: body.get(key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("model", "level", "wanted"),
    [
        ("gemini-2.5-flash", None, None),
        ("gemini-2.5-flash", "off", {"thinking_budget": 0}),
        ("gemini-2.5-flash", "high", {"include_thoughts": True, "thinking_budget": 24576}),
        ("gemini-3.1-pro-preview", "low", {"include_thoughts": True, "thinking_level": "LOW"}),
        ("gemini-3.1-pro-preview", "xhigh", {"include_thoughts": True, "thinking_level": "HIGH"}),
    ],
)
def test_the_thinking_level_of_google(
    model: str, level: str | None, wanted: Any, server: ModelServer, session: Run
) -> None:
    server.script(Say("hi"))
    assert session(a_model(server, "google", model=model, thinking=level)).code == 0
    assert server.requests[0].body["generationConfig"].get("thinkingConfig") == wanted


def test_a_level_that_means_nothing_is_said(server: ModelServer, session: Run) -> None:
    server.script(Say("hi"))
    ended = session(a_model(server, "mistral", model="mistral-large-latest", thinking="high"))
    assert any("thinkingLevel high is ignored" in line["msg"] for line in ended.lines if line["level"] == "debug")


@pytest.mark.parametrize(
    ("provider", "given", "wanted"),
    [
        ("anthropic", "https://proxy/v1/", "https://proxy"),
        ("anthropic", "https://proxy", "https://proxy"),
        ("anthropic", None, "https://api.anthropic.com"),
        ("google", "https://proxy/v1beta", "https://proxy"),
        ("groq", "https://proxy/openai/v1", "https://proxy"),
        ("openai", "https://proxy/v1", "https://proxy/v1"),
        ("openrouter", None, "https://openrouter.ai/api/v1"),
        ("custom", "https://own:8000/v1", "https://own:8000/v1"),
    ],
)
def test_the_address(provider: str, given: str | None, wanted: str) -> None:
    assert providers.base_url(a_spec(provider=provider, base_url=given)) == wanted


def test_a_model_name_that_cannot_be_is_a_config_error() -> None:
    with pytest.raises(Ended, match="must be prefixed with the upstream provider") as caught:
        providers.open_model(a_spec(provider="openrouter", model="no-slash", base_url=None))
    assert caught.value.code == 13


def test_nothing_is_kept_at_openai(server: ModelServer, session: Run) -> None:
    server.script(Say("hi"))
    session(a_model(server, "openai", model="gpt-5-mini"))
    assert server.requests[0].body["store"] is False


def test_the_instructions_are_the_system_prompt(server: ModelServer, session: Run, folder: Path) -> None:
    server.script(Say("hi"))
    (folder / "ACTIONS.md").write_text("---\nnot front matter here\n---\n!`echo not run`\n")
    session(a_model(server, "anthropic", model="claude-sonnet-5-5"), prompt="<block>go</block>")
    body = server.requests[0].body
    assert body["system"][0]["text"] == "---\nnot front matter here\n---\n!`echo not run`\n"
    assert body["messages"][0]["content"][0]["text"] == "<block>go</block>"


def test_a_skill_is_filled(server: ModelServer, session: Run, folder: Path) -> None:
    server.script(Say("hi"))
    (folder / "SKILL.md").write_text("---\nname: x\n---\n\nIt is !`echo $COLOUR`, !`echo lost >&2; exit 4` here.\n")
    assert session(actions="SKILL.md", environ={"COLOUR": "red"}).code == 0
    system = server.requests[0].body["messages"][0]["content"]
    assert system == "It is red, [`echo lost >&2; exit 4` failed with exit code 4] here.\n"


def test_missing_instructions_are_a_config_error(server: ModelServer, session: Run) -> None:
    ended = session(actions="SKILL.md")
    assert (ended.code, server.requests) == (13, [])
    assert "SKILL.md cannot be read: No such file" in ended.errors[0]


def test_the_conversation_is_cached_where_that_is_asked_for(server: ModelServer, session: Run) -> None:
    server.script(call("bash", command="true"), Say("hi"))
    session(a_model(server, "anthropic", model="claude-sonnet-5-5"))
    assert all(request.body["cache_control"]["type"] == "ephemeral" for request in server.requests)


def test_secrets_are_in_no_line_of_the_log(server: ModelServer, session: Run) -> None:
    server.script(Refuse(401, "the key is wrong"))
    ended = session(a_model(server, "openai", model="gpt-5-mini"))
    assert KEY not in str(ended.lines)
