"""What a delivery would do, from a file; and deliveries and decisions as a person reads them."""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.cli.fixtures import read_fixture
from alvps.cli.main import run
from alvps.cli.webhooks import render
from alvps.cli.why import render as render_why
from alvps.errors import UsageError
from alvps.project.model import WebhookSource
from tests.support.projects import write_project

SOURCES = (WebhookSource(name="gh", type="github"), WebhookSource(name="shop", type="generic", header="x-sig"))
ISSUE = {
    "action": "opened",
    "issue": {"number": 7, "title": "it burns", "labels": [{"name": "bug"}], "user": {"login": "ann"}},
    "repository": {"full_name": "acme/app"},
    "sender": {"login": "ann"},
}


def test_a_bare_body_with_its_headers() -> None:
    found = read_fixture(b'{"a": 1}', source="gh", headers=["X-GitHub-Event: issues"], sources=SOURCES)
    assert (found.source.name, found.headers, found.body) == ("gh", (("x-github-event", "issues"),), b'{"a": 1}')


def test_a_body_that_is_not_json_is_a_body() -> None:
    assert read_fixture(b"\xff\x00", source="shop", headers=[], sources=SOURCES).body == b"\xff\x00"


def test_what_show_prints_is_a_fixture() -> None:
    shown = {
        "source": "shop",
        "headers": [["X-Event", "ticket"]],
        "body": "caf\u00e9",
        "encoding": "utf-8",
        "matched": 1,
    }
    found = read_fixture(json.dumps(shown).encode(), source=None, headers=[], sources=SOURCES)
    assert (found.source.name, found.headers, found.body) == ("shop", (("x-event", "ticket"),), "caf\u00e9".encode())
    shown |= {"body": base64.b64encode(b"\x00\xff").decode(), "encoding": "base64"}
    assert read_fixture(json.dumps(shown).encode(), source=None, headers=[], sources=SOURCES).body == b"\x00\xff"


@pytest.mark.parametrize(
    ("data", "source", "headers", "sources", "what"),
    [
        (b"{}", None, [], (), "the project has no webhook source"),
        (b"{}", None, [], SOURCES, "several sources: gh, shop"),
        (b"{}", "hg", [], SOURCES, "there is no source 'hg'"),
        (b"{}", "gh", ["x-github-event"], SOURCES, "is not NAME:VALUE"),
        (b'{"headers": 3, "body": {}}', "gh", [], SOURCES, "neither an object nor a list"),
        (b'{"headers": [["a"]], "body": {}}', "gh", [], SOURCES, "not a name and a value"),
        (b'{"headers": {}, "body": "?", "encoding": "base64"}', "gh", [], SOURCES, "not base64"),
    ],
)
def test_fixtures_that_are_none(
    data: bytes, source: str | None, headers: list[str], sources: tuple[WebhookSource, ...], what: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_fixture(data, source=source, headers=headers, sources=sources)
    assert what in caught.value.message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_fixture_or_refused(data: bytes) -> None:
    try:
        found = read_fixture(data, source="gh", headers=[], sources=SOURCES)
    except UsageError:
        return
    assert isinstance(found.body, bytes)


def project(folder: Path) -> Path:
    agents: dict[str, dict[str, object]] = {
        "triage": {"webhooks": [{"source": "gh", "events": ["issues"], "labels": ["bug"]}]},
        "deploy": {"webhooks": [{"source": "gh", "events": ["push"], "branches": ["main"]}]},
        "shop": {"webhooks": [{"source": "shop"}]},
    }
    sources = {"gh": {"type": "github"}, "shop": {"type": "generic", "header": "x-sig"}}
    return write_project(folder, agents, webhooks=sources)


def simulate(
    folder: Path, body: object, *words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(body).encode())))
    code = run(["webhooks", "simulate", "-", "-p", str(folder), *words])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_simulate_says_who_starts_and_why_the_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project(tmp_path / "demo")
    words = ("--source", "gh", "-H", "x-github-event:issues")
    code, text = simulate(folder, ISSUE, *words, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0, text
    assert "triage: starts" in text
    assert "deploy: does not start\n" in text
    assert "events" in text
    assert "branches" in text
    assert "shop" not in text
    code, text = simulate(folder, ISSUE, *words, "--json", monkeypatch=monkeypatch, capsys=capsys)
    verdicts = {verdict["agent"]: verdict["matched"] for verdict in json.loads(text)["verdicts"]}
    assert verdicts == {"triage": True, "deploy": False}
    words = ("--source", "gh", "-H", "x-github-event:ping")
    code, text = simulate(folder, {"zen": "x"}, *words, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0
    assert text.startswith("it starts nothing: ")


def test_a_delivery_that_is_none_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--source", "gh", "-H", "x-github-event:issues")
    code, text = simulate(project(tmp_path / "demo"), [1], *words, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert "not an object" in text
    assert "Traceback" not in text


DELIVERY: dict[str, Any] = {
    "delivery": "01d",
    "source": "gh",
    "type": "github",
    "delivery_id": None,
    "event": "issues",
    "action": "opened",
    "decision": "matched",
    "reason": None,
    "received": "2026-11-23T12:00:00Z",
    "times": 2,
    "context": {"title": "caf\u00e9"},
    "agents": [
        {"agent": "triage", "decision": "queued", "run": "01r", "state": "completed", "reason": None},
        {"agent": "deploy", "decision": "no-match", "run": None, "state": None, "reason": "events: wanted push"},
    ],
}


def test_a_delivery_as_a_person_reads_it() -> None:
    assert render(DELIVERY).splitlines() == [
        "delivery 01d",
        "  source      gh (github)",
        "  event       issues opened",
        "  received    2026-11-23T12:00:00Z, 2 ×",
        "  sender's id –",
        "  decision    matched",
        "",
        "AGENT   DECISION  RUN  STATE      REASON",
        "triage  queued    01r  completed",
        "deploy  no-match  –    –          events: wanted push",
        "",
        "what agents are told:",
        "{",
        '  "title": "café"',
        "}",
    ]


def test_why_as_a_person_reads_it() -> None:
    found: dict[str, Any] = {"agent": "dev", "waits": None, "decisions": []}
    assert render_why(found, "prod").splitlines() == [
        "dev on prod: nothing keeps it from running",
        "nothing was decided yet",
    ]
    decision = {"at": "2026-11-23T12:00:00Z", "kind": "tick", "what": "2026-11-23T12:00:00Z",
                "decision": "skipped-overlap", "run": None, "reason": "1 run is not finished"}  # fmt: skip
    found |= {"waits": "waits: paused", "decisions": [decision]}
    assert render_why(found, "prod").splitlines()[2:] == [
        "AT                    WHAT                       DECISION         RUN  REASON",
        "2026-11-23T12:00:00Z  tick 2026-11-23T12:00:00Z  skipped-overlap  –    1 run is not finished",
    ]
