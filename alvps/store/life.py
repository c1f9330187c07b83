"""The steps of a run's life that touch more than its own row: each is one transaction.

What a run holds ends with it: its lock is given back, the call that it answers gets its answer, and whoever it called
answers to nobody. None of that may be found half done, whatever stops in between.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from alvps.store import calls, locks, returns, runs, usage
from alvps.store.calls import Pending
from alvps.store.runs import Run

CALLER_ENDED = "the caller ended"
# How a run's end is told to the one who called it. What is not here was done as asked; a run that another one called is
# not run again, so `rerun` is such an end.
FAILURES = {"failed": "failed", "killed": "was killed", "timed-out": "ran out of time", "lost": "was lost"}


@dataclass(frozen=True, slots=True)
class Ended:
    """What came to its end with a step: calls, and runs that had only waited."""

    calls: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def begin(connection: sqlite3.Connection, run: Run, *, release: str, timeout: int, day: int) -> bool:
    """queued -> starting, counted as begun on that day."""
    if not runs.claim(connection, run.run, release=release, timeout=timeout):
        return False
    usage.count_run(connection, run.agent, day)
    return True


def put_back(connection: sqlite3.Connection, run: Run, reason: str, day: int) -> bool:
    """starting -> queued: nothing was started, and nothing was begun on that day."""
    if not runs.put_back(connection, run.run, run.attempt, reason):
        return False
    usage.count_run(connection, run.agent, day, by=-1)
    return True


def again(connection: sqlite3.Connection, run: str, attempt: int, *, now_ms: int, reason: str) -> Ended | None:
    """On to the next attempt; what this one holds and said is gone. None if it is not the present one."""
    if not runs.again(connection, run, attempt, reason):
        return None
    locks.release_of(connection, run)
    returns.forget(connection, run)
    return _abandon(connection, run, now_ms)


def finish(
    connection: sqlite3.Connection,
    run: str,
    attempt: int,
    *,
    state: str,
    now_ms: int,
    exit_code: int | None = None,
    reason: str | None = None,
) -> Ended | None:
    """starting or running -> a terminal state. None if the run, or the attempt, is over already."""
    if not runs.finish(connection, run, attempt, state=state, now_ms=now_ms, exit_code=exit_code, reason=reason):
        return None
    return _settle(connection, run, now_ms)


def drop(connection: sqlite3.Connection, run: str, *, state: str, now_ms: int, reason: str) -> Ended | None:
    """queued -> a terminal state. None if the run does not wait."""
    if not runs.drop_queued(connection, run, state=state, now_ms=now_ms, reason=reason):
        return None
    return _settle(connection, run, now_ms)


def end_call(connection: sqlite3.Connection, pending: Pending, error: str, now_ms: int) -> Ended | None:
    """End a call without its answer; the run that was to answer it is dropped unless it has begun.

    None if the call has its end already.
    """
    if not calls.fail(connection, pending.call, error, now_ms):
        return None
    dropped = runs.drop_queued(
        connection, pending.run, state="killed", now_ms=now_ms, reason=f"nobody waits for its answer: {error}"
    )
    return Ended((pending.call,), (pending.run,) if dropped else ())


def reconcile(connection: sqlite3.Connection, now_ms: int) -> Ended:
    """Set right what no code of ours leaves behind: a file that was repaired, or restored, may have it."""
    locks.release_of_ended(connection)
    ended = Ended()
    for item in calls.pending(connection):
        answering, caller = runs.get(connection, item.run), runs.get(connection, item.caller)
        if caller is None or caller.finished is not None:
            ended = _both(ended, end_call(connection, item, CALLER_ENDED, now_ms))
        elif answering is None:
            ended = _both(ended, end_call(connection, item, "the run that was to answer is not known", now_ms))
        elif answering.finished is not None:
            ended = _both(ended, _answer(connection, item.call, answering, now_ms))
    return ended


def _settle(connection: sqlite3.Connection, run: str, now_ms: int) -> Ended:
    locks.release_of(connection, run)
    row = runs.get(connection, run)
    answered = _answer(connection, row.call, row, now_ms) if row and row.call else None
    return _both(_abandon(connection, run, now_ms), answered)


def _answer(connection: sqlite3.Connection, call: str, run: Run, now_ms: int) -> Ended | None:
    if run.state in FAILURES:
        why = f": {run.reason}" if run.reason else ""
        done = calls.fail(connection, call, f"{run.agent} {FAILURES[run.state]}{why}", now_ms)
    else:
        done = calls.complete(connection, call, returns.get(connection, run.run), now_ms)
    return Ended((call,)) if done else None


def _abandon(connection: sqlite3.Connection, caller: str, now_ms: int) -> Ended:
    ended = Ended()
    for item in calls.pending_of(connection, caller):
        ended = _both(ended, end_call(connection, item, CALLER_ENDED, now_ms))
    return ended


def _both(one: Ended, other: Ended | None) -> Ended:
    return Ended(one.calls + other.calls, one.dropped + other.dropped) if other else one
