"""From the end of a container to the state of its run."""

from __future__ import annotations

import pytest

from alvps.daemon.outcome import Exit, Vanished, Verdict, verdict
from alvps.store.runs import LIVE, TERMINAL, Run


def run(**fields: object) -> Run:
    return Run(**{"run": "r1", "agent": "dev", "trigger": "manual", "state": "running", "queued": 1, **fields})


@pytest.mark.parametrize("code", range(256))
@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_every_code_has_a_meaning(code: int, attempt: int) -> None:
    found = verdict(Exit(exit_code=code), run(attempt=attempt), max_reruns=10)
    assert found.state in TERMINAL or found.state == "starting"
    assert found.state == {0: "completed", 42: "rerun", 124: "timed-out"}.get(
        code, "starting" if code == 120 and attempt < 3 else "failed"
    )
    assert found.rerun == (code == 42)
    if found.state not in ("completed", "starting"):
        assert found.reason
        assert found.exit_code == code


@pytest.mark.parametrize("end", [Exit(exit_code=0), Exit(exit_code=42), Exit(exit_code=120), Vanished("x")])
@pytest.mark.parametrize("stop", ["killed", "timed-out"])
def test_what_was_asked_for_counts_more_than_the_code(end: Exit | Vanished, stop: str) -> None:
    found = verdict(end, run(stop=stop, timeout=5), max_reruns=10)
    assert found.state == stop
    assert not found.rerun


def test_vanished() -> None:
    assert verdict(Vanished("gone"), run(), max_reruns=1) == Verdict(state="lost", reason="gone")


@pytest.mark.parametrize(("reruns", "again"), [(0, True), (9, True), (10, False), (11, False)])
def test_reruns_end(reruns: int, again: bool) -> None:
    assert verdict(Exit(exit_code=42), run(reruns=reruns), max_reruns=10).rerun is again


def test_only_schedules_and_people_get_reruns() -> None:
    found = verdict(Exit(exit_code=42), run(trigger="webhook"), max_reruns=10)
    assert (found.state, found.rerun, found.reason) == ("rerun", False, "a webhook run is not run again")


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [
        (0, "completed", None),
        (42, "rerun", "asked to run again"),
        (1, "failed", "exit code 1 (error)"),
        (124, "timed-out", "not done within 60 s"),
        (10, "failed", "exit code 10 (authentication)"),
        (11, "failed", "exit code 11 (permission)"),
        (12, "failed", "exit code 12 (rate limited)"),
        (13, "failed", "exit code 13 (configuration)"),
        (14, "failed", "exit code 14 (dependency)"),
        (15, "failed", "exit code 15 (unrecoverable)"),
        (16, "failed", "exit code 16 (ended by a user)"),
        (17, "failed", "exit code 17"),
        (2, "failed", "exit code 2"),
        (137, "failed", "exit code 137 (signal 9)"),
    ],
)
def test_what_an_agent_says_by_its_exit_code(code: int, state: str, reason: str | None) -> None:
    found = verdict(Exit(exit_code=code), run(timeout=60), max_reruns=10)
    assert (found.state, found.reason) == (state, reason)
    own = verdict(Exit(exit_code=code), run(timeout=60, fault="the key was refused"), max_reruns=10)
    assert own.reason == (f"{reason}: the key was refused" if state == "failed" else reason)


def test_why_it_was_stopped() -> None:
    assert verdict(Exit(exit_code=143), run(stop="killed"), max_reruns=1).reason == "killed by request"
    own = run(stop="killed", stop_reason="stopped by itself: done", fault="x")
    assert verdict(Exit(exit_code=143), own, max_reruns=1).reason == "stopped by itself: done"


def test_a_run_that_another_agent_called_is_not_run_again() -> None:
    found = verdict(Exit(exit_code=42), run(trigger="agent"), max_reruns=10)
    assert (found.state, found.rerun, found.reason) == ("rerun", False, "an agent run is not run again")


def test_live_and_terminal_states_are_apart() -> None:
    assert not set(LIVE) & set(TERMINAL)
