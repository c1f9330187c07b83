"""Models: what a project offers, what an agent thinks with, and everything that can be wrong with either."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.credentials import CredentialRef
from alvps.project import models
from alvps.project.layers import Part
from alvps.project.model import Model, Prices
from alvps.project.report import Report
from tests.unit.project.writing import COMMAND, MANUAL, loaded, only_agent, project, said

SONNET = '[models.sonnet]\nprovider = "anthropic"\nmodel = "claude-sonnet-4-5"\n'
HAIKU = '[models.haiku]\nprovider = "anthropic"\nmodel = "claude-haiku-4-5"\n'
OLD = '[model]\nprovider = "openai"\nmodel = "gpt-5"\n'
sonnet = Model(name="sonnet", provider="anthropic", model="claude-sonnet-4-5", key=CredentialRef("anthropic_key"))
haiku = Model(name="haiku", provider="anthropic", model="claude-haiku-4-5", key=CredentialRef("anthropic_key"))
old = Model(name="default", provider="openai", model="gpt-5", key=CredentialRef("openai_key"))
PROVIDERS = '"anthropic", "openai", "groq", "google", "xai", "mistral", "openrouter", "custom"'


def test_every_key_of_a_model(tmp_path: Path) -> None:
    config = """\
[models.mine]
provider = "custom"
model = "local/llama:70b"
thinkingLevel = "xhigh"
authType = "oauth_token"
baseUrl = "http://10.0.0.5:8000/v1"
credential = "lab"
prices = { input = 0, output = 1.5, cacheRead = 0.1, cacheWrite = 2 }
"""
    agent = only_agent(project(tmp_path, config, MANUAL + 'models = ["mine"]\n'))
    assert agent.command == ()
    assert agent.models == (
        Model(
            name="mine",
            provider="custom",
            model="local/llama:70b",
            key=CredentialRef("custom_key", "lab"),
            auth="oauth_token",
            thinking="xhigh",
            base_url="http://10.0.0.5:8000/v1",
            prices=Prices(input=0, output=1.5, cache_read=0.1, cache_write=2),
        ),
    )


@pytest.mark.parametrize("provider", models.PROVIDERS)
def test_each_provider_has_its_key(tmp_path: Path, provider: str) -> None:
    agent = f'{MANUAL}[model]\nprovider = "{provider}"\nmodel = "m"\nbaseUrl = "https://llm.example"\n'
    (model,) = only_agent(project(tmp_path, agent=agent)).models
    assert model.key == CredentialRef(f"{provider}_key", "default")


@pytest.mark.parametrize(
    ("config", "agent", "expected"),
    [
        (SONNET + HAIKU, 'models = ["haiku", "sonnet"]', (haiku, sonnet)),  # in the order in which they are tried
        (SONNET, '[model]\nprovider = "openai"\nmodel = "gpt-5"', (old,)),
        (SONNET + OLD, "", (old,)),
        (OLD, 'models = ["default"]', (old,)),
        (SONNET + OLD, 'models = ["sonnet"]', (sonnet,)),
        ('[models.default]\nprovider = "openai"\nmodel = "gpt-5"\n', "", (old,)),
        (OLD, 'harness.command = ["true"]', ()),
        (SONNET, 'harness.command = ["true"]', ()),
    ],
)
def test_what_an_agent_thinks_with(tmp_path: Path, config: str, agent: str, expected: tuple[Model, ...]) -> None:
    found = only_agent(project(tmp_path, config, f"{MANUAL}{agent}\n"))
    assert found.models == expected
    assert bool(found.command) != bool(found.models)


def test_models_are_merged_key_by_key(tmp_path: Path) -> None:
    config = SONNET + "prices = { input = 3, output = 15 }\n"
    local = '[models.sonnet]\nthinkingLevel = "high"\nprices = { input = 4 }\n' + HAIKU
    root = project(tmp_path, config, MANUAL + 'models = ["sonnet", "haiku"]\n', local)
    first, second = only_agent(root).models
    assert (first.model, first.thinking, first.prices) == ("claude-sonnet-4-5", "high", Prices(input=4, output=15))
    assert second == haiku


CONFIG_CASES = [
    ("model = 'gpt-5'", 'config.toml: model: "gpt-5" is not allowed; allowed: a table'),
    (
        "models = ['x']",
        ("config.toml: models: a list is not allowed; allowed: up to 1000 tables, each with a name of its own"),
    ),
    (
        "[models.x]",
        (
            f"config.toml: models.x.provider: missing; allowed: {PROVIDERS}\nconfig.toml: "
            "models.x.model: missing; allowed: the provider's name of a model"
        ),
    ),
    ("models.x = 3", "config.toml: models.x: 3 is not allowed; allowed: a table"),
    (
        "[models.'a b']",
        (
            'config.toml: models."a b": "a b" is not allowed as a name; allowed: letters, digits, _ '
            ". and -, the first a letter or a digit, at most 64"
        ),
    ),
    (
        "[model]\nprovider='antropic'\nmodel='x'",
        f'config.toml: model.provider: "antropic" is not allowed; allowed: {PROVIDERS} -> anthropic',
    ),
    (
        "[model]\nprovder='openai'\nmodel='x'",
        (
            "config.toml: model.provder: unknown key; allowed: provider, model, thinkingLevel, "
            "authType, baseUrl, credential, prices -> provider"
        ),
    ),
    (
        "[model]\nprovider='openai'\nmodel=''",
        (
            'config.toml: model.model: "" is not allowed; allowed: the provider\'s name of a model, '
            'such as "claude-sonnet-4-5"'
        ),
    ),
    (
        "[model]\nprovider='openai'\nmodel='x'\nthinkingLevel='max'",
        (
            'config.toml: model.thinkingLevel: "max" is not allowed; allowed: "off", "minimal", '
            '"low", "medium", "high", "xhigh"'
        ),
    ),
    (
        "[model]\nprovider='openai'\nmodel='x'\nauthType='apikey'",
        ('config.toml: model.authType: "apikey" is not allowed; allowed: "api_key", "oauth_token" -> api_key'),
    ),
    (
        "[model]\nprovider='openai'\nmodel='x'\nauthType='pi_auth'",
        (
            'config.toml: model.authType: "pi_auth" is not allowed: it means a login kept in a home '
            'folder, which no container reaches; allowed: "api_key", "oauth_token"'
        ),
    ),
    (
        "[model]\nprovider='custom'\nmodel='x'",
        (
            "config.toml: model.baseUrl: missing; allowed: the address of an OpenAI-compatible "
            'service, such as "http://10.0.0.5:8000/v1"'
        ),
    ),
    (
        "[model]\nprovider='custom'\nmodel='x'\nbaseurl='http://x'",
        (
            "config.toml: model.baseurl: unknown key; allowed: provider, model, thinkingLevel, "
            "authType, baseUrl, credential, prices -> baseUrl"
        ),
    ),
    (
        "[model]\nprovider='openai'\nmodel='x'\nbaseUrl='https://me:pw@x/'",
        (
            'config.toml: model.baseUrl: "https://me:pw@x/" is not allowed; allowed: an address such '
            'as "https://host.example/path", without a login'
        ),
    ),
    (
        "[model]\nprovider='openai'\nmodel='x'\ncredential='openai_key:work'",
        (
            'config.toml: model.credential: "openai_key:work" is not allowed; allowed: the name of '
            'an instance, such as "default" or "work" -> work'
        ),
    ),
    (
        "[model]\nprovider='openai'\nmodel='x'\nprices={input=1}",
        "config.toml: model.prices.output: missing; allowed: USD for a million tokens",
    ),
    (
        "[model]\nprovider='openai'\nmodel='x'\nprices={input=1,output=-1}",
        "config.toml: model.prices.output: -1 is not allowed; allowed: a number from 0 to 1e+06",
    ),
    (
        OLD + "[models.default]\nprovider='openai'\nmodel='x'",
        ("config.toml: model: two sources: models.default in config.toml says the same; allowed: one of them"),
    ),
]


@pytest.mark.parametrize(("config", "expected"), CONFIG_CASES)
def test_what_is_wrong_with_a_model(tmp_path: Path, config: str, expected: str) -> None:
    assert said(project(tmp_path, f"{config}\n")) == expected.split("\n")


AGENT_CASES = [
    (
        SONNET,
        'models = ["sonet"]',
        'agent: models[0]: there is no model "sonet"; the project\'s models: sonnet -> sonnet',
    ),
    (
        SONNET + HAIKU,
        'models = ["sonnet", "gpt"]',
        'agent: models[1]: there is no model "gpt"; the project\'s models: haiku, sonnet',
    ),
    (
        "",
        'models = ["sonnet"]',
        (
            'agent: models[0]: there is no model "sonnet"; the project\'s models: none yet; a table '
            "[models.<name>] in config.toml makes one"
        ),
    ),
    (SONNET, 'models = ["sonnet", "sonnet"]', 'agent: models[1]: "sonnet" is listed twice'),
    (
        SONNET,
        'models = "sonnet"',
        ('agent: models: "sonnet" is not allowed; allowed: a list of 1 to 20 items, such as ["sonnet", "haiku"]'),
    ),
    (
        SONNET,
        "models = []",
        ('agent: models: a list of 0 is not allowed; allowed: a list of 1 to 20 items, such as ["sonnet", "haiku"]'),
    ),
    (
        SONNET,
        'models = [3, "x"]',
        (
            "agent: models[0]: 3 is not allowed; allowed: the name of a [models.<name>] of the "
            'project\nagent: models[1]: there is no model "x"; the project\'s models: sonnet'
        ),
    ),
    (
        SONNET,
        'models = ["sonnet"]\nharness.command = ["true"]',
        "agent: models: two sources: harness.command does the work; allowed: one of them",
    ),
    (
        SONNET,
        '[harness]\ncommand = ["true"]\n[model]\nprovider = "openai"\nmodel = "x"',
        "agent: model: two sources: harness.command does the work; allowed: one of them",
    ),
    (
        SONNET,
        'models = ["sonnet"]\n[model]\nprovider = "openai"\nmodel = "x"',
        "agent: model: two sources: models says which ones, too; allowed: one of them",
    ),
    (SONNET, 'model = "sonnet"', 'agent: model: "sonnet" is not allowed; allowed: a table'),
    (SONNET, '[model]\nmodel = "x"', f"agent: model.provider: missing; allowed: {PROVIDERS}"),
    (
        "",
        "",
        (
            'agent: nothing to run; allowed: a command, such as [harness] command = ["sh", '
            '"run.sh"], or an LLM, such as models = ["sonnet"] with a table [models.sonnet] in the '
            "project's config.toml"
        ),
    ),
    (
        HAIKU,
        "[harness]",
        (
            "agent: harness.command: nothing to run; allowed: a command, such as [harness] command = "
            '["sh", "run.sh"], or an LLM, such as models = ["haiku"]'
        ),
    ),
    (
        "",
        "modles = ['x']",
        (
            "agent: modles: unknown key; allowed: credentials, schedule, webhooks, manual, timezone, "
            "catchup, catchupGrace, overlap, scale, maxWorkQueueSize, timeout, params, models, "
            "model, harness, limits, preflight, hooks, runtime, source -> models"
        ),
    ),
    (
        "",
        '[harness]\nmodel = "x"\ncommand = ["true"]',
        "agent: harness.model: does not belong here; allowed: a table [model]",
    ),
]


@pytest.mark.parametrize(("config", "agent", "expected"), AGENT_CASES)
def test_what_is_wrong_with_an_agents_models(tmp_path: Path, config: str, agent: str, expected: str) -> None:
    assert said(project(tmp_path, config, f"{MANUAL}{agent}\n")) == expected.split("\n")


def test_a_model_with_a_mistake_is_not_said_to_be_missing_as_well(tmp_path: Path) -> None:
    config = '[models.sonnet]\nprovider = "x"\n'
    found = said(project(tmp_path, config, MANUAL + 'models = ["sonnet"]\n'))
    assert [line.split(":")[1].strip() for line in found] == ["models.sonnet.provider", "models.sonnet.model"]
    assert said(project(tmp_path, 'model = "x"\n', MANUAL)) == [
        'config.toml: model: "x" is not allowed; allowed: a table'
    ]


def test_what_is_missing_is_said_where_the_table_is(tmp_path: Path) -> None:
    local = '[models.fast]\nprovider = "openai"\n[models.sonnet]\nprices = { input = 1 }\n'
    assert said(project(tmp_path, SONNET, local=local)) == [
        ".env.toml: models.sonnet.prices.output: missing; allowed: USD for a million tokens",
        ".env.toml: models.fast.model: missing; allowed: the provider's name of a model",
    ]


def test_two_files_may_not_name_the_same_model_twice(tmp_path: Path) -> None:
    local = '[models.default]\nprovider = "openai"\nmodel = "x"\n'
    assert said(project(tmp_path, OLD, local=local)) == [
        "config.toml: model: two sources: models.default in .env.toml says the same; allowed: one of them"
    ]


def test_a_project_of_commands_needs_no_model(tmp_path: Path) -> None:
    assert loaded(project(tmp_path, agent=MANUAL + COMMAND)).agents[0].models == ()


_values = st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.text(max_size=5) | st.lists(st.text())
_right = {
    "provider": st.sampled_from(models.PROVIDERS),
    "model": st.sampled_from(["m", "a/b:c"]),
    "thinkingLevel": st.sampled_from(["off", "high"]),
    "authType": st.sampled_from(["api_key", "oauth_token"]),
    "baseUrl": st.just("https://x.example/v1"),
    "credential": st.sampled_from(["default", "work"]),
    "prices": st.fixed_dictionaries({"input": st.floats(0, 9), "output": st.integers(0, 9)}),
}


@given(st.fixed_dictionaries({}, optional={key: right | _values for key, right in _right.items()}))
def test_a_table_is_a_model_or_something_is_said(written: dict[str, object]) -> None:
    report = Report()
    at = report.at("f")
    values = models.MODEL(written, at)
    model = models.finish("m", Part(written=written, values=values, at=at.below))
    if report.problems:
        assert all(str(problem).isprintable() for problem in report.problems)
        return
    assert model is not None
    assert model.key == CredentialRef(f"{written['provider']}_key", str(written.get("credential", "default")))
    assert (model.model, model.thinking, model.base_url) == (
        written["model"],
        written.get("thinkingLevel"),
        written.get("baseUrl"),
    )
    assert model.auth == written.get("authType", "api_key")
    assert (model.prices is None) == ("prices" not in written)
    assert model.provider != "custom" or model.base_url
