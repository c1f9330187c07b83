"""Docker's answers, read into runs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.launcher import names, runs
from alvps.launcher.names import RunKey

OURS = "0123456789abcdef"
KEY = RunKey("r0123456789", 1)
LABELS = names.labels(installation=OURS, project="p", agent="dev", key=KEY, trigger="manual", release="r")


def inspected(status: str, **state: Any) -> dict[str, Any]:
    never = "0001-01-01T00:00:00Z"
    whole = {"Status": status, "ExitCode": 0, "OOMKilled": False, "StartedAt": never, "FinishedAt": never, **state}
    return {"Id": "c1", "Config": {"Labels": LABELS}, "State": whole}


def read(status: str, **state: Any) -> runs.Run:
    found = runs.of_inspect(inspected(status, **state), OURS)
    assert found
    return found


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("created", "created"),
        ("running", "running"),
        ("paused", "running"),
        ("restarting", "running"),
        ("exited", "exited"),
        ("dead", "exited"),
        ("removing", "exited"),
        ("something new", "running"),
    ],
)
def test_every_state_of_docker_is_one_of_three(status: str, state: str) -> None:
    assert read(status).state == state


def test_an_exit_has_its_code_its_reason_and_its_time() -> None:
    found = read("exited", ExitCode=137, OOMKilled=True, FinishedAt="2026-11-23T10:00:00.123456789Z")
    assert (found.exit_code, found.oom, found.finished) == (137, True, "2026-11-23T10:00:00.123Z")


def test_what_runs_has_no_exit_code() -> None:
    found = read("running", ExitCode=0, StartedAt="2026-11-23T10:00:00Z")
    assert (found.exit_code, found.finished, found.started) == (None, None, "2026-11-23T10:00:00.000Z")


@pytest.mark.parametrize(
    ("found", "never"),
    [
        (read("created"), True),
        (read("created", ExitCode=127), True),  # the engine could not start it
        (read("exited", ExitCode=120), True),
        (read("exited", ExitCode=0), False),
        (read("exited", ExitCode=137), False),
        (read("running"), False),
    ],
)
def test_only_what_certainly_never_ran_may_be_made_anew(found: runs.Run, never: bool) -> None:
    assert found.never_started is never


def test_a_strangers_container_is_no_run() -> None:
    assert runs.of_inspect({**inspected("running"), "Config": {"Labels": None}}, OURS) is None
    assert runs.of_inspect(inspected("running"), "f" * 16) is None


def test_an_exit_event_alone_is_enough_when_the_container_is_gone() -> None:
    actor = {"ID": "c1", "Attributes": {**LABELS, "exitCode": "137"}}
    found = runs.of_event({"Actor": actor, "timeNano": 1_795_428_000_123_456_789}, OURS)
    assert found
    assert (found.key, found.exit_code, found.state) == (KEY, 137, "exited")
    assert found.finished == "2026-11-23T10:00:00.123Z"
    assert runs.of_event({"Actor": {"ID": "c1", "Attributes": {}}, "timeNano": 1}, OURS) is None


def test_memory_seen_to_run_out_is_kept() -> None:
    assert read("exited").with_oom(True).oom
    assert read("exited", OOMKilled=True).with_oom(False).oom
    assert not read("exited").with_oom(False).oom


def test_the_wire_has_every_field() -> None:
    wire = read("exited", ExitCode=3).wire()
    assert set(wire) == {"run", "attempt", "agent", "state", "exit_code", "oom", "started", "finished", "container"}
    event = read("exited", ExitCode=3).exit_event()
    assert set(event) == {"event", "run", "attempt", "exit_code", "oom", "finished", "container"}


@given(st.datetimes(), st.integers(0, 999_999_999), st.integers(0, 9))
def test_times_of_any_precision(moment: Any, nanos: int, digits: int) -> None:
    moment = moment.replace(year=max(moment.year, 1970), microsecond=0)
    fraction = f"{nanos:09d}"[:digits]
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + "Z"
    got = runs.instant(text)
    assert got
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", got)
    assert got[:19] == text[:19]
    assert got[20:23] == (fraction + "000")[:3]


@pytest.mark.parametrize("text", ["", "0001-01-01T00:00:00Z", "yesterday", "2026-11-23 10:00:00"])
def test_docker_says_never_with_a_time(text: str) -> None:
    assert runs.instant(text) is None
