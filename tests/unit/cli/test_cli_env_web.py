"""`al env web`: what the options make of what there was, and what is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from alvps.cli.dashboard import public_site
from alvps.cli.env_web import command, shown, wanted
from alvps.errors import UsageError
from alvps.project.environment import Dns, Environment, Web
from alvps.project.environments import save_environment

HERE = Web(domain="agents.example.com", dashboard=True)


@pytest.mark.parametrize(
    ("before", "domain", "no_domain", "dashboard", "expose", "after"),
    [
        (Web(), "a.example.com", False, None, None, Web(domain="a.example.com")),
        (Web(), "A.Example.com.", False, True, None, Web(domain="a.example.com", dashboard=True)),
        (Web(expose=True), "a.example.com", False, None, None, Web(domain="a.example.com")),
        (HERE, "b.example.com", False, None, None, Web(domain="b.example.com", dashboard=True)),
        (HERE, None, False, False, None, Web(domain="agents.example.com")),
        (HERE, None, True, None, None, Web()),
        (HERE, None, True, None, True, Web(expose=True)),
        (Web(expose=True), None, False, None, False, Web()),
        (Web(), None, True, None, None, Web()),
    ],
)
def test_what_is_not_said_stays(
    before: Web, domain: str | None, no_domain: bool, dashboard: bool | None, expose: bool | None, after: Web
) -> None:
    assert wanted(before, domain, no_domain=no_domain, dashboard=dashboard, expose=expose) == after


@pytest.mark.parametrize(
    ("before", "domain", "no_domain", "dashboard", "expose"),
    [
        (Web(), None, False, True, None),
        (HERE, None, True, True, None),
        (HERE, None, False, None, True),
        (Web(), "a.example.com", True, None, None),
        (Web(), "no domain", False, None, None),
    ],
)
def test_what_cannot_be_meant(
    before: Web, domain: str | None, no_domain: bool, dashboard: bool | None, expose: bool | None
) -> None:
    with pytest.raises(UsageError):
        wanted(before, domain, no_domain=no_domain, dashboard=dashboard, expose=expose)


WEBS = st.sampled_from([Web(), HERE, Web(domain="agents.example.com"), Web(expose=True)])


@given(WEBS, st.none() | st.just("b.example.com"), st.booleans(), st.none() | st.booleans(), st.none() | st.booleans())
def test_the_dashboard_is_never_without_tls(
    before: Web, domain: str | None, no_domain: bool, dashboard: bool | None, expose: bool | None
) -> None:
    try:
        web = wanted(before, domain, no_domain=no_domain, dashboard=dashboard, expose=expose)
    except UsageError:
        return
    assert web.domain or not web.dashboard
    assert not (web.domain and web.expose)


def test_without_an_option_nothing_is_contacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    save_environment(Environment(name="prod", host="192.0.2.1", port=1, web=HERE, dns=Dns(zone="z", records=("r",))))
    runner = CliRunner()
    said = runner.invoke(command, ["prod", "--json"], catch_exceptions=False).stdout
    assert json.loads(said) == {"environment": "prod", "domain": HERE.domain, "dashboard": True, "expose": False}
    text = runner.invoke(command, ["prod"], catch_exceptions=False).stdout
    assert "https://agents.example.com/webhooks/" in text
    assert "1 DNS record made by al" in text


@pytest.mark.parametrize(
    ("web", "text"),
    [(Web(), "nothing"), (Web(expose=True), "http://192.0.2.1:8080"), (HERE, "al dashboard logs in")],
)
def test_what_is_so_is_said(web: Web, text: str) -> None:
    assert text in shown(Environment(name="prod", host="192.0.2.1", web=web))


def test_the_dashboard_is_found_where_it_is_shown() -> None:
    assert public_site(HERE) == "https://agents.example.com/"
    assert public_site(Web(domain="agents.example.com")) is None
    assert public_site(Web(expose=True)) is None
