"""What the bootstrap script writes for the web, from its own functions: nothing is installed, nothing is changed."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alvps.project.environment import DOMAIN
from alvps.provision import bootstrap
from tests.support.examples import examples

# All but the last line, which is what does something.
FUNCTIONS = bootstrap.script().decode().rstrip().rpartition("\n")[0]


def shell(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script's functions, and code that uses them."""
    argv = ["sh", "-c", f"{FUNCTIONS}\n{code}", "sh", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")


def caddyfile(*, dashboard: str = "no", tls: str = "public") -> str:
    done = shell("domain=$1 dashboard=$2 tls=$3; caddyfile", "agents.example.com", dashboard, tls)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


LABEL = st.text("ab1-", max_size=4) | st.just("x" * 63) | st.just("x" * 64)
NAMES = st.lists(LABEL, min_size=1, max_size=5).map(".".join) | st.text("a.-1A_ {}\n\"'$*", max_size=12)


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=20))
@example(["1.a", "a.b", "1.ab", "a.b.c"])
def test_both_sides_mean_the_same_by_a_domain(names: list[str]) -> None:
    done = shell('for name in "$@"; do if is_domain "$name"; then echo yes; else echo no; fi; done', *names)
    assert done.stdout.split() == ["yes" if re.fullmatch(DOMAIN, name) else "no" for name in names]


def test_without_the_dashboard_its_listener_is_not_named() -> None:
    text = caddyfile()
    assert re.findall(r"reverse_proxy 127\.0\.0\.1:(\d+)", text) == ["8080", "8080"]
    assert "protocols h1\n" in text
    assert "tls internal" not in text


def test_with_the_dashboard_what_is_no_webhook_goes_there() -> None:
    text = caddyfile(dashboard="yes")
    assert re.findall(r"reverse_proxy 127\.0\.0\.1:(\d+)", text) == ["8080", "8080", "8081"]
    assert "protocols h1 h2\n" in text


def test_a_certificate_of_the_hosts_own_on_request() -> None:
    assert "https://agents.example.com {\n\ttls internal\n" in caddyfile(tls="internal")


@pytest.mark.parametrize("dashboard", ["yes", "no"])
def test_the_file_is_whole(dashboard: str) -> None:
    text = re.sub(r"#.*", "", caddyfile(dashboard=dashboard))
    assert text.count("{") == text.count("}")
    assert "$domain" not in text
    # Regular expressions keep their ends.
    assert re.findall(r"path_regexp (\S+)", text) == ["^/webhooks/[a-z0-9_-]+/?$", "^/(health|ready)$"]


@pytest.mark.parametrize(
    ("domain", "expose", "ports"),
    [
        ("", "no", ""),
        ("a.example.com", "no", "80, 443"),
        ("", "yes", "8080"),
        ("a.example.com", "yes", "80, 443, 8080"),
    ],
)
def test_the_firewall_opens_what_is_served_and_no_more(domain: str, expose: str, ports: str) -> None:
    done = shell('domain=$1 expose=$2; firewall_rules yes 2222 "$(web_ports)"', domain, expose)
    opened = re.findall(r"^    tcp dport \{ (.*) \} accept(?: # web)?$", done.stdout, re.MULTILINE)
    assert opened == ["2222", *([ports] if ports else [])]
    assert done.stdout.count("{") == done.stdout.count("}")


def test_the_options_are_those_that_the_script_knows() -> None:
    from alvps.project.environment import Web

    told = {
        word
        for web in (Web(), Web(domain="a.example.com", dashboard=True), Web(expose=True))
        for word in (*bootstrap.web_arguments(web), *bootstrap.web_change(web))
        if word.startswith("--")
    }
    known = set(re.findall(r"^      (--[a-z-]+)\)", FUNCTIONS, re.MULTILINE))
    assert told <= known
    assert told | {"--digest", "--check", "--no-web"} == known
