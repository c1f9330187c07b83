"""Webhooks: who may send, what starts an agent, and everything that can be wrong with either."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.credentials import CredentialRef
from alvps.project import webhooks
from alvps.project.model import WebhookSource, WebhookTrigger
from alvps.project.report import Report
from alvps.webhooks.providers import PROVIDERS
from tests.unit.project.writing import COMMAND, MANUAL, loaded, only_agent, project, said

GITHUB = '[webhooks.github]\ntype = "github"\n'
TYPES = '"github", "sentry", "linear", "mintlify", "generic"'
GITHUB_FILTERS = "events, actions, repos, org, orgs, labels, assignee, author, branches, conclusions"
KEYS = (
    "type, credential, allowUnsigned, header, github_webhook_secret, sentry_client_secret, linear_webhook_secret, "
    "mintlify_webhook_secret, generic_webhook_secret"
)


def source(tmp_path: Path, table: str, local: str = "") -> WebhookSource:
    (found,) = loaded(project(tmp_path, f"[webhooks.mine]\n{table}\n", local=local)).webhooks
    return found


@pytest.mark.parametrize(
    ("table", "secrets", "allow_unsigned", "header"),
    [
        ('type = "github"', ["github_webhook_secret:default"], False, None),
        ('type = "github"\ncredential = "work"', ["github_webhook_secret:work"], False, None),
        (
            'type = "sentry"\ncredential = ["now", "next"]',
            ["sentry_client_secret:now", "sentry_client_secret:next"],
            False,
            None,
        ),
        ('type = "sentry"\ncredential = ["now", "now"]', ["sentry_client_secret:now"], False, None),
        ('type = "linear"\nlinear_webhook_secret = "acme"', ["linear_webhook_secret:acme"], False, None),
        ('type = "mintlify"\nmintlify_webhook_secret = ["a"]', ["mintlify_webhook_secret:a"], False, None),
        ('type = "generic"\nheader = "X-Signature-256"', ["generic_webhook_secret:default"], False, "x-signature-256"),
        ('type = "github"\nallowUnsigned = true', [], True, None),
        ('type = "github"\nallowUnsigned = true\ncredential = "a"', ["github_webhook_secret:a"], True, None),
        ('type = "github"\nallowUnsigned = false', ["github_webhook_secret:default"], False, None),
    ],
)
def test_who_may_send(tmp_path: Path, table: str, secrets: list[str], allow_unsigned: bool, header: str | None) -> None:
    assert source(tmp_path, table) == WebhookSource(
        name="mine",
        type=table.split('"')[1],
        secrets=tuple(CredentialRef.parse(secret) for secret in secrets),
        allow_unsigned=allow_unsigned,
        header=header,
    )


def test_a_source_is_merged_key_by_key(tmp_path: Path) -> None:
    local = '[webhooks.mine]\ncredential = "clone"\n'
    found = source(tmp_path, 'type = "github"\ncredential = ["a", "b"]', local)
    assert found.secrets == (CredentialRef("github_webhook_secret", "clone"),)


SOURCE_CASES = [
    (
        "webhooks = 3",
        "config.toml: webhooks: 3 is not allowed; allowed: up to 1000 tables, each with a name of its own",
    ),
    ("[webhooks.x]", f"config.toml: webhooks.x.type: missing; allowed: {TYPES}"),
    ("[webhooks.x]\ntyp = 'github'", f"config.toml: webhooks.x.typ: unknown key; allowed: {KEYS} -> type"),
    (
        "[webhooks.x]\ntype = 'gitub'",
        f'config.toml: webhooks.x.type: "gitub" is not allowed; allowed: {TYPES} -> github',
    ),
    ("[webhooks.x]\ntype = 'slack'", f'config.toml: webhooks.x.type: "slack" is not allowed; allowed: {TYPES}'),
    (
        "[webhooks.x]\ntype = 'github'\ncredential = []",
        (
            "config.toml: webhooks.x.credential: a list of 0 is not allowed; allowed: a list of 1 to "
            '20 items, such as ["current", "next"]'
        ),
    ),
    (
        "[webhooks.x]\ntype = 'github'\ncredential = ''",
        (
            'config.toml: webhooks.x.credential: "" is not allowed; allowed: the name of an '
            'instance, such as "default" or "work"'
        ),
    ),
    (
        "[webhooks.x]\ntype = 'github'\ncredential = ['a', 'github_webhook_secret:b']",
        (
            'config.toml: webhooks.x.credential[1]: "github_webhook_secret:b" is not allowed; '
            'allowed: the name of an instance, such as "default" or "work" -> b'
        ),
    ),
    (
        "[webhooks.x]\ntype = 'github'\nlinear_webhook_secret = 'a'",
        (
            "config.toml: webhooks.x.linear_webhook_secret: belongs to another type of source; "
            "allowed: credential, or github_webhook_secret"
        ),
    ),
    (
        "[webhooks.x]\ntype = 'github'\ncredential = 'a'\ngithub_webhook_secret = 'a'",
        ("config.toml: webhooks.x.github_webhook_secret: two sources: credential says the same; allowed: one of them"),
    ),
    (
        "[webhooks.x]\ntype = 'github'\nallowUnsigned = 'yes'",
        'config.toml: webhooks.x.allowUnsigned: "yes" is not allowed; allowed: true or false',
    ),
    (
        "[webhooks.x]\ntype = 'generic'",
        ('config.toml: webhooks.x.header: missing; allowed: the header with the signature, such as "x-signature-256"'),
    ),
    (
        "[webhooks.x]\ntype = 'generic'\nheader = 'a b'",
        (
            'config.toml: webhooks.x.header: "a b" is not allowed; allowed: the name of a header, '
            'such as "x-signature-256"'
        ),
    ),
    (
        "[webhooks.x]\ntype = 'github'\nheader = 'x-a'",
        (
            'config.toml: webhooks.x.header: does not belong to a source of type "github", whose '
            'header is known; allowed: for "generic"'
        ),
    ),
    (
        "[webhooks.'a/b']\ntype = 'github'",
        (
            'config.toml: webhooks."a/b": "a/b" is not allowed as a name; allowed: letters, digits, '
            "_ . and -, the first a letter or a digit, at most 64"
        ),
    ),
]


@pytest.mark.parametrize(("config", "expected"), SOURCE_CASES)
def test_what_is_wrong_with_a_source(tmp_path: Path, config: str, expected: str) -> None:
    assert said(project(tmp_path, f"{config}\n")) == [expected]


def test_a_source_in_two_files_is_checked_as_one(tmp_path: Path) -> None:
    local = '[webhooks.x]\ngithub_webhook_secret = "b"\n'
    assert said(project(tmp_path, "[webhooks.x]\ntype = 'github'\ncredential = 'a'\n", local=local)) == [
        (".env.toml: webhooks.x.github_webhook_secret: two sources: credential says the same; allowed: one of them")
    ]


def test_triggers(tmp_path: Path) -> None:
    agent = f"""\
{COMMAND}
[[webhooks]]
source = "github"
events = ["issues", "pull_request"]
actions = "labeled"
labels = ["bug", "ready"]
orgs = ["acme"]
org = "acme"
[[webhooks]]
source = "plain"
events = "done"
[[webhooks]]
source = "github"
"""
    config = GITHUB + '[webhooks.plain]\ntype = "generic"\nheader = "x-sig"\n'
    found = only_agent(project(tmp_path, config, agent))
    assert found.webhooks == (
        WebhookTrigger(
            source="github",
            filters={
                "events": ("issues", "pull_request"),
                "actions": ("labeled",),
                "labels": ("bug", "ready"),
                "orgs": ("acme",),
                "org": ("acme",),
            },
        ),
        WebhookTrigger(source="plain", filters={"events": ("done",)}),
        WebhookTrigger(source="github", filters={}),
    )
    assert not found.manual


@pytest.mark.parametrize("kind", PROVIDERS)
def test_every_filter_of_every_provider_is_accepted(tmp_path: Path, kind: str) -> None:
    header = 'header = "x-sig"\n' if kind == "generic" else ""
    filters = "".join(f'{name} = "x"\n' for name in PROVIDERS[kind].filters)
    agent = f'{COMMAND}[[webhooks]]\nsource = "s"\n{filters}'
    (trigger,) = only_agent(project(tmp_path, f'[webhooks.s]\ntype = "{kind}"\n{header}', agent)).webhooks
    assert trigger.filters == dict.fromkeys(PROVIDERS[kind].filters, ("x",))


TRIGGER_CASES = [
    (
        'source = "gitub"',
        'agent: webhooks[0].source: there is no source "gitub"; the project\'s sources: github -> github',
    ),
    (
        'source = "x"\nanything = "y"',
        'agent: webhooks[0].source: there is no source "x"; the project\'s sources: github',
    ),
    ('events = "push"', "agent: webhooks[0].source: missing; allowed: the name of a [webhooks.<name>] of the project"),
    (
        "source = 3",
        ("agent: webhooks[0].source: 3 is not allowed; allowed: the name of a [webhooks.<name>] of the project"),
    ),
    (
        'source = "github"\nrepo = "a/b"',
        f"agent: webhooks[0].repo: unknown filter of a github source; allowed: {GITHUB_FILTERS} -> repos",
    ),
    (
        'source = "github"\norganization = "a"',
        (f"agent: webhooks[0].organization: unknown filter of a github source; allowed: {GITHUB_FILTERS} -> org"),
    ),
    (
        'source = "github"\nbrancehs = "a"',
        (f"agent: webhooks[0].brancehs: unknown filter of a github source; allowed: {GITHUB_FILTERS} -> branches"),
    ),
    (
        'source = "github"\nweather = "a"',
        f"agent: webhooks[0].weather: unknown filter of a github source; allowed: {GITHUB_FILTERS}",
    ),
    ('source = "github"\nevents = 3', "agent: webhooks[0].events: 3 is not allowed; allowed: text"),
    ('source = "github"\nevents = ""', 'agent: webhooks[0].events: "" is not allowed; allowed: text'),
    ('source = "github"\nevents = ["a", 1]', "agent: webhooks[0].events[1]: 1 is not allowed; allowed: text"),
    (
        'source = "github"\nevents = []',
        (
            "agent: webhooks[0].events: a list of 0 is not allowed; allowed: a list of 1 to 100 "
            'items, such as ["opened", "labeled"]'
        ),
    ),
]


@pytest.mark.parametrize(("trigger", "expected"), TRIGGER_CASES)
def test_what_is_wrong_with_a_trigger(tmp_path: Path, trigger: str, expected: str) -> None:
    assert said(project(tmp_path, GITHUB, f"{COMMAND}[[webhooks]]\n{trigger}\n")) == [expected]


def test_the_form_of_triggers(tmp_path: Path) -> None:
    expected = "is not allowed; allowed: up to 100 tables, each starting with [[webhooks]]"
    assert said(project(tmp_path, GITHUB, f'{COMMAND}webhooks = "github"\n')) == [
        f'agent: webhooks: "github" {expected}'
    ]
    assert said(project(tmp_path, GITHUB, f'{COMMAND}webhooks = ["github"]\n')) == [
        'agent: webhooks[0]: "github" is not allowed; allowed: a table'
    ]
    many = COMMAND + "webhooks = [" + ", ".join(['{source = "github"}'] * 101) + "]\n"
    assert said(project(tmp_path, GITHUB, many)) == [f"agent: webhooks: a list of 101 {expected}"]


def test_a_project_without_sources_says_how_one_is_made(tmp_path: Path) -> None:
    assert said(project(tmp_path, "", f'{COMMAND}[[webhooks]]\nsource = "github"\n')) == [
        (
            'agent: webhooks[0].source: there is no source "github"; the project\'s sources: none '
            "yet; a table [webhooks.<name>] in config.toml makes one"
        )
    ]


def test_a_source_with_a_mistake_is_not_said_to_be_missing_as_well(tmp_path: Path) -> None:
    root = project(tmp_path, "[webhooks.x]\ntype = 'y'\n", f'{COMMAND}[[webhooks]]\nsource = "x"\nweather = "z"\n')
    assert said(root) == [f'config.toml: webhooks.x.type: "y" is not allowed; allowed: {TYPES}']


@pytest.mark.parametrize(
    ("agent", "sound"),
    [
        ("", False),
        ("webhooks = []\n", False),
        ("manual = false\n", False),
        (MANUAL, True),
        ("scale = 0\n", True),
        ('schedule = "@daily"\n', True),
        ('webhooks = [{ source = "github" }]\n', True),
    ],
)
def test_an_agent_has_a_trigger(tmp_path: Path, agent: str, sound: bool) -> None:
    root = project(tmp_path, GITHUB, agent + COMMAND)
    if sound:
        assert loaded(root).agents
    else:
        assert said(root) == [
            (
                "agent: no trigger; allowed: schedule, [[webhooks]], manual = true for an agent that is "
                "started by hand or called by others, or scale = 0 for one that is switched off"
            )
        ]


_source = WebhookSource(name="s", type="github")
_items = st.text(max_size=4) | st.integers() | st.none()


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["source", *PROVIDERS["github"].filters, "repo", "x"]) | st.text(max_size=4),
            st.sampled_from(["s", "t"]) | _items | st.lists(_items, max_size=3),
            max_size=4,
        )
        | _items,
        max_size=3,
    )
)
def test_triggers_are_taken_as_they_are_or_something_is_said(written: list[object]) -> None:
    """A filter that is lost would let through what nobody asked for."""
    report = Report()
    found = webhooks.triggers(written, report.at("f"))
    triggers = webhooks.resolve(found or (), {"s": _source}, report.at("f"))
    assert all(str(problem).isprintable() for problem in report.problems)
    if report.problems:
        return
    assert len(triggers) == len(written)
    for trigger, table in zip(triggers, written, strict=True):
        assert isinstance(table, dict)
        assert {"source": trigger.source, **trigger.filters} == {
            key: value if key == "source" else tuple(value) if isinstance(value, list) else (value,)
            for key, value in table.items()
        }
