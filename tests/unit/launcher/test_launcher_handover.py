"""The frame that a run is given: steps, models, the gateway's token, and which fields are secret."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps import frames
from alvps.agent import inbox, stdin
from alvps.credentials import TYPES, Credential, CredentialRef
from alvps.launcher import handover
from alvps.launcher.spec import Order
from alvps.project.model import Model, Prices, RunBudget, Step
from tests.unit.launcher.launcher_orders import order

SONNET = Model(
    name="sonnet",
    provider="anthropic",
    model="claude-sonnet-4-5",
    key=CredentialRef("anthropic_key", "work"),
    auth="oauth_token",
    thinking="high",
    prices=Prices(input=3.0, output=15.0, cache_read=0.3),
)
LOCAL = Model(
    name="local", provider="custom", model="m", key=CredentialRef("custom_key"), base_url="http://x.example/v1"
)
KEYS = {SONNET.key: "sk-ant-canary", LOCAL.key: "local-canary"}


def sent(wanted: Order, credentials: list[Credential] | None = None, **more: Any) -> dict[str, Any]:
    received = frames.read(io.BytesIO(handover.frame(wanted, credentials or [], b"", **more)))
    assert received
    return received[0]


def test_an_agent_with_models_is_a_session_with_their_keys_and_its_budget() -> None:
    agent = {"command": (), "models": (SONNET, LOCAL), "budget": RunBudget(requests=5, cost=1.5)}
    message = sent(order(agent=agent), keys=KEYS)
    assert message["harness"] == "llm"
    assert message["command"] == []
    assert message["session"] == {
        "models": [
            {
                "name": "sonnet",
                "provider": "anthropic",
                "model": "claude-sonnet-4-5",
                "auth": "oauth_token",
                "thinking": "high",
                "base_url": None,
                "prices": {"input": 3.0, "output": 15.0, "cache_read": 0.3, "cache_write": None},
                "key": "sk-ant-canary",
            },
            {
                "name": "local",
                "provider": "custom",
                "model": "m",
                "auth": "api_key",
                "thinking": None,
                "base_url": "http://x.example/v1",
                "prices": None,
                "key": "local-canary",
            },
        ],
        "budget": {"requests": 5, "tokens": None, "tool_calls": None, "cost": 1.5},
        "actions": "ACTIONS.md",
    }


def test_a_models_key_is_nowhere_but_in_the_session() -> None:
    message = sent(order(agent={"command": (), "models": (SONNET,)}), keys=KEYS)
    del message["session"]
    assert "canary" not in str(message)


def test_the_text_of_a_skill_is_named_by_its_file() -> None:
    agent = {"command": (), "models": (SONNET,), "actions": "agents/dev/SKILL.md"}
    assert sent(order(agent=agent), keys=KEYS)["session"]["actions"] == "SKILL.md"


def test_steps_travel_as_they_are_in_order() -> None:
    clone = Step(provider="git-clone", params={"repo": "a/b", "dest": "r", "depth": 1}, required=False, timeout=7)
    agent = {"before": (clone, Step(provider="shell", params={"command": "x"})), "after": (Step(provider="shell"),)}
    message = sent(order(agent=agent))
    assert message["before"][0] == {
        "provider": "git-clone",
        "params": {"repo": "a/b", "dest": "r", "depth": 1},
        "required": False,
        "timeout": 7,
    }
    assert message["before"][1] == {"provider": "shell", "params": {"command": "x"}, "required": True, "timeout": 300}
    assert len(message["after"]) == 1


def test_the_token_needs_the_gateways_folder() -> None:
    there = Path("/run/x")
    assert sent(order(gateway=there), secret="r1.1.ab")["gateway"] == {"secret": "r1.1.ab"}
    assert sent(order(gateway=there))["gateway"] is None
    assert sent(order(), secret="r1.1.ab")["gateway"] is None


@pytest.mark.parametrize(
    ("type_", "fields", "secret"),
    [
        ("git_ssh", ("id_rsa", "username", "email"), ["id_rsa"]),
        ("reddit_oauth", ("client_id", "password", "user_agent"), ["password"]),
        ("github_token", ("token", "note"), ["token", "note"]),  # a field that the type does not know
        ("our_own", ("user", "pass"), ["user", "pass"]),
    ],
)
def test_every_field_is_secret_but_those_known_not_to_be(
    type_: str, fields: tuple[str, ...], secret: list[str]
) -> None:
    credential = Credential(type=type_, instance="default", fields=dict.fromkeys(fields, "value"))
    (item,) = sent(order(), [credential])["credentials"]
    assert sorted(item["secret"]) == sorted(secret)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(
    credentials=st.lists(
        st.builds(
            lambda type_, values: Credential(
                type=type_, instance="i", fields={field.name: values for field in TYPES[type_].fields}
            ),
            st.sampled_from(sorted(TYPES)),
            texts,
        ),
        max_size=5,
    ),
    key=texts,
    secret=st.none() | texts,
    llm=st.booleans(),
)
def test_what_the_launcher_writes_the_entry_reads(
    credentials: list[Credential], key: str, secret: str | None, llm: bool
) -> None:
    agent = {"command": (), "models": (SONNET,)} if llm else {}
    wanted = order(agent={**agent, "before": (Step(provider="http"),)}, gateway=Path("/run/x"))
    data = handover.frame(wanted, credentials, b"prompt", keys={SONNET.key: key}, secret=secret)
    descriptor = stdin.again(data)
    got = inbox.read(descriptor)
    os.close(descriptor)
    assert got.harness == ("llm" if llm else "command")
    assert got.before[0].provider == "http"
    expected = {value for one in credentials for name, value in one.fields.items()
                if name in handover.secret_fields(one.type, one.fields)}  # fmt: skip
    if secret:
        expected |= {secret, secret.rpartition(".")[2]}
    if llm:
        expected.add(key)
    assert set(got.secrets()) == expected
