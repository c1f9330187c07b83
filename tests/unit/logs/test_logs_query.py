"""What a query asks journalctl for."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.errors import UsageError
from alvps.logs import Query
from alvps.logs.query import FIELDS, follow_argv, history_argv, matches, newest_argv, rest_argv
from alvps.logs.since import host_time

START = ["journalctl", "--quiet", "--no-pager", "--all", "--output=json", f"--output-fields={','.join(FIELDS)}"]
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
BERLIN = ZoneInfo("Europe/Berlin")


def test_one_agent() -> None:
    assert history_argv(Query(agent="dev", lines=50)) == [*START, "--lines=50", "AL_AGENT=dev"]


def test_one_run_of_one_agent() -> None:
    assert history_argv(Query(agent="dev", run="01m853yx2t086nsn")) == [
        *START,
        "AL_AGENT=dev",
        "AL_RUN=01m853yx2t086nsn",
    ]


def test_everything_of_the_product_and_gaps() -> None:
    assert matches(Query()) == [
        "AL_COMPONENT=agent", "AL_COMPONENT=daemon", "AL_COMPONENT=launcher",
        "+", "_SYSTEMD_UNIT=action-llama.service", "_SYSTEMD_UNIT=action-llama-launcher.service",
        "_SYSTEMD_UNIT=action-llama.socket", "_SYSTEMD_UNIT=action-llama-runs.socket",
        "_SYSTEMD_UNIT=action-llama-dashboard.socket",
        "+", "UNIT=action-llama.service", "UNIT=action-llama-launcher.service", "UNIT=action-llama.socket",
        "UNIT=action-llama-runs.socket", "UNIT=action-llama-dashboard.socket",
        "+", "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e",
    ]  # fmt: skip


def test_going_on_from_a_cursor() -> None:
    query = Query(agent="dev", lines=5, since="2h", follow=True)
    assert rest_argv(query, "c;1") == [*START, "--cursor=c;1", "AL_AGENT=dev"]
    assert newest_argv() == [*START, "--lines=1"]


def test_following_is_a_program_with_one_argument() -> None:
    program, isolated, option, source, words = follow_argv(Query(agent="dev", follow=True), "c;1")
    assert (program, isolated, option) == ("python3", "-I", "-c")
    compile(source, "follower", "exec")
    ask = json.loads(words)
    assert (ask["cursor"], ask["matches"], ask["fields"]) == ("c;1", ["AL_AGENT=dev"], list(FIELDS))
    assert ask["otherwise"] == [*START, "--follow", "--no-tail", "--cursor=c;1", "AL_AGENT=dev"]
    assert json.loads(follow_argv(Query(follow=True), None)[-1])["cursor"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"agent": ""}, {"agent": "Dev"}, {"agent": "-f"}, {"agent": "a b"}, {"agent": "a" * 64}, {"agent": "a\n"},
        {"run": ""}, {"run": "x;y"}, {"run": "--follow"}, {"lines": -1}, {"since": "soon"}, {"since": ""},
    ],
)  # fmt: skip
def test_nonsense_is_refused_before_anything_is_contacted(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Query(**wrong)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", "-30.000s"),
        ("10m", "-600.000s"),
        ("2h", "-7200.000s"),
        ("1h30m", "-5400.000s"),
        ("1h 30m", "-5400.000s"),
        ("1.5h", "-5400.000s"),
        ("7d", "-604800.000s"),
        ("2w", "-1209600.000s"),
        ("today", "2026-11-22 23:00:00 UTC"),
        ("Yesterday", "2026-11-21 23:00:00 UTC"),
        ("12:30", "2026-11-23 11:30:00 UTC"),
        ("14:30", "2026-11-22 13:30:00 UTC"),
        ("9:05:30", "2026-11-23 08:05:30 UTC"),
        ("2026-11-20", "2026-11-19 23:00:00 UTC"),
        ("2026-11-20T12:00", "2026-11-20 11:00:00 UTC"),
        ("2026-11-20 12:00:30", "2026-11-20 11:00:30 UTC"),
        ("2026-11-20T12:00:00Z", "2026-11-20 12:00:00 UTC"),
        ("2026-11-20T12:00:00+05:00", "2026-11-20 07:00:00 UTC"),
        ("2026-11-20 12:00:00 UTC", "2026-11-20 12:00:00 UTC"),
        ("2026-07-20T12:00", "2026-07-20 10:00:00 UTC"),
    ],
)
def test_since(text: str, expected: str) -> None:
    assert host_time(text, now=NOW, zone=BERLIN) == expected


@pytest.mark.parametrize(
    "text", ["", "2", "h", "2 hours", "25:00", "2026-13-01", "-2h", "0001-01-01", "now; rm", "2h\n--x"]
)
def test_since_that_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time") as caught:
        host_time(text, now=NOW, zone=BERLIN)
    assert "yesterday" in (caught.value.hint or "")


@given(st.text(max_size=30))
def test_since_is_a_time_or_an_error(text: str) -> None:
    try:
        said = host_time(text, now=NOW, zone=BERLIN)
    except UsageError:
        return
    assert re.fullmatch(r"-\d+\.\d{3}s|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", said)
