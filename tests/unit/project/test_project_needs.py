"""Which credentials a project needs, and for what."""

from __future__ import annotations

from pathlib import Path

from alvps.credentials import CredentialRef
from alvps.project import Agent, Project
from alvps.project.model import Model, WebhookSource
from alvps.project.needs import Need, agent_needs, gateway_credentials, required_credentials

ANTHROPIC, OPENAI, GITHUB = (
    CredentialRef("anthropic_key"),
    CredentialRef("openai_key", "work"),
    CredentialRef("github_token"),
)


def model(name: str, key: CredentialRef) -> Model:
    return Model(name=name, provider="openai", model="m", key=key)


def agent(name: str, credentials: tuple[CredentialRef, ...], models: tuple[Model, ...] = ()) -> Agent:
    return Agent(name=name, folder=f"agents/{name}", actions="", credentials=credentials, models=models)


def test_what_is_declared_and_what_only_the_model_needs() -> None:
    thinker = agent("a", (GITHUB, ANTHROPIC), (model("x", ANTHROPIC), model("y", OPENAI), model("z", ANTHROPIC)))
    assert agent_needs(thinker) == (
        Need(ref=ANTHROPIC, declared=True, models=("x", "z")),
        Need(ref=GITHUB, declared=True),
        Need(ref=OPENAI, declared=False, models=("y",)),
    )


def test_of_every_agent() -> None:
    project = Project(
        name="p", folder=Path(), agents=(agent("a", ()), agent("b", (GITHUB,)), agent("c", (), (model("x", OPENAI),)))
    )
    assert required_credentials(project) == {
        "a": (),
        "b": (Need(ref=GITHUB, declared=True),),
        "c": (Need(ref=OPENAI, declared=False, models=("x",)),),
    }
    assert gateway_credentials(project) == {}


def test_of_the_gateway() -> None:
    one, two = CredentialRef("github_webhook_secret", "a"), CredentialRef("github_webhook_secret", "b")
    sources = (
        WebhookSource(name="s", type="github", secrets=(two, one)),
        WebhookSource(name="t", type="github", secrets=(one,)),
        WebhookSource(name="u", type="linear", allow_unsigned=True),
    )
    project = Project(name="p", folder=Path(), agents=(), webhooks=sources)
    assert gateway_credentials(project) == {one: ("s", "t"), two: ("s",)}
    assert list(gateway_credentials(project)) == [one, two]
