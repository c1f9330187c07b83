"""The status as a person reads it."""

from __future__ import annotations

from typing import Any

from alvps.cli.status import render

STATUS: dict[str, Any] = {
    "project": "demo",
    "release": "20261123T120000Z-abc123",
    "started": "2026-11-23T09:00:00Z",
    "now": "2026-11-23T12:00:00Z",
    "paused": False,
    "warnings": [],
    "agents": [
        {
            "name": "hello",
            "schedule": "0 * * * *",
            "next": "2026-11-23T13:00:00Z",
            "paused": False,
            "scale": 2,
            "running": 1,
            "queued": 3,
            "waits": None,
            "last": {"run": "01abc", "state": "failed", "finished": "2026-11-23T11:00:00Z"},
        },
        {
            "name": "answer",
            "schedule": None,
            "webhooks": [],
            "next": None,
            "paused": True,
            "scale": 1,
            "running": 0,
            "queued": 0,
            "waits": "paused",
            "last": None,
        },
    ],
    "runs": [
        {
            "run": "01def",
            "agent": "hello",
            "trigger": "manual",
            "state": "running",
            "attempt": 1,
            "started": "2026-11-23T11:59:30Z",
        }
    ],
}


def test_agents_and_runs_in_columns() -> None:
    assert render(STATUS, "prod").splitlines() == [
        "demo on prod · release 20261123T120000Z-abc123 · daemon up 3 h",
        "",
        "AGENT   TRIGGERS   NEXT       RUNNING  QUEUED  LAST",
        "hello   0 * * * *  in 60 min  1/2      3       failed 60 min ago (01abc)",
        "answer  by hand    paused     0/1      0       –",
        "",
        "RUN    AGENT  TRIGGER  STATE    ATTEMPT  STARTED",
        "01def  hello  manual   running  1        30 s ago",
    ]


def test_webhooks_are_among_what_starts_an_agent() -> None:
    hello, answer = STATUS["agents"]
    agents = [hello | {"webhooks": ["github", "ci"]}, answer | {"webhooks": ["github"]}]
    lines = render(STATUS | {"agents": agents, "runs": []}, "prod").splitlines()
    assert [line.split("  ")[1].strip() for line in lines[3:]] == [
        "0 * * * *; webhooks of github, ci",
        "webhooks of github",
    ]


def test_warnings_and_a_pause_come_first() -> None:
    text = render(STATUS | {"paused": True, "warnings": ["the disk is full; it is tried again"], "runs": []}, "prod")
    assert text.splitlines()[1:3] == [
        "! the disk is full; it is tried again",
        "paused: nothing is started until `al resume`",
    ]


def test_why_runs_are_queued_though_there_is_a_place() -> None:
    spent, paused, free = "the day's limit of 2 runs is spent (2), until 00:00 UTC", "paused", None
    first, second = STATUS["agents"]
    given = [first | {"waits": spent}, first | {"waits": free}, first | {"waits": paused}, second | {"waits": spent}]
    text = render(STATUS | {"agents": given}, "prod")
    assert [line for line in text.splitlines() if line.startswith("!")] == [f"! hello waits: {spent}"]
