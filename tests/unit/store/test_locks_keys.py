"""Names of locks are compared as they were given, byte for byte; tokens only rise, whatever happens to the locks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alvps.store import life, locks, runs
from alvps.store.locks import Busy, Lock, Moment, Taken
from alvps.store.runs import Run
from alvps.store.schema import migrate

NOW = Moment("boot", 1_000, 1_700_000_000_000)
KEY = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=40)


@contextmanager
def opened(count: int = 2) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        migrate(connection)
        for number in range(count):
            runs.add(connection, Run(run=f"r{number}", agent="dev", trigger="manual", state="running", queued=1))
        yield connection


def acquire(db: sqlite3.Connection, key: str, run: str, *, ttl: int = 1_000, now: Moment = NOW) -> Lock | Taken | Busy:
    return locks.acquire(db, key=key, run=run, attempt=1, ttl_ms=ttl, now=now)


@given(KEY, KEY)
@example("a/b#1", "A/b#1")
@example("k", "k ")
@example("k", "k\n")
@example("\u00fc", "u\u0308")
@example("1", "1.0")
@example("x", "x/")
@example("%41", "A")
def test_two_names_are_one_lock_only_if_they_are_the_same(one: str, other: str) -> None:
    with opened() as db:
        assert isinstance(acquire(db, one, "r0"), Lock)
        found = acquire(db, other, "r1")
        assert isinstance(found, Taken if one == other else Lock)
        assert {lock.key for lock in locks.held(db, NOW)} == {one, other}


def test_a_token_is_greater_than_any_before() -> None:
    with opened(6) as db:
        later = Moment("boot", NOW.ticks + 5_000, NOW.wall)
        tokens = []
        for run, now in (("r0", NOW), ("r1", later), ("r2", Moment("another", 1, NOW.wall))):
            found = acquire(db, "k", run, now=now)  # the one before has run out, in time or with its boot
            assert isinstance(found, Lock)
            tokens.append(found.token)
        life.finish(db, "r2", 1, state="failed", now_ms=1)
        for run in ("r3", "r4"):
            found = acquire(db, "k", run)
            assert isinstance(found, Lock)
            tokens.append(found.token)
            assert isinstance(locks.release(db, key="k", run=run, attempt=1, now=NOW), Lock)
        assert all(one < other for one, other in pairwise(tokens))
        # Its own, after its time was over: it may have been another's meanwhile.
        again = acquire(db, "k", "r5", ttl=10)
        anew = acquire(db, "k", "r5", now=later)
        assert isinstance(again, Lock)
        assert isinstance(anew, Lock)
        assert anew.token > again.token


@pytest.mark.parametrize("left", [1, 0])
def test_the_last_millisecond(left: int) -> None:
    with opened() as db:
        acquire(db, "k", "r0", ttl=100)
        now = Moment("boot", NOW.ticks + 100 - left, NOW.wall)
        assert isinstance(acquire(db, "k", "r1", now=now), Taken if left else Lock)


def test_prolonging_keeps_what_fencing_and_people_rely_on() -> None:
    with opened() as db:
        first = acquire(db, "k", "r0", ttl=100)
        later = Moment("boot", NOW.ticks + 50, NOW.wall + 3_600_000)  # and the wall clock was set
        assert isinstance(first, Lock)
        again = acquire(db, "k", "r0", ttl=300, now=later)
        assert again == Lock(
            key="k", run="r0", agent="dev", token=first.token, since=first.since, until=later.wall + 300
        )
        beat = locks.prolong(db, key="k", run="r0", attempt=1, ttl_ms=None, now=later)
        assert beat == again  # as long as it was taken for


def test_locks_of_runs_that_are_not_under_way_are_found_at_the_start() -> None:
    with opened(3) as db:
        for number in range(3):
            acquire(db, f"k{number}", f"r{number}")
        # As no code of ours leaves it.
        db.execute("UPDATE runs SET state = 'completed', finished = 1 WHERE run = 'r0'")
        db.execute("DELETE FROM runs WHERE run = 'r1'")
        life.reconcile(db, 5)
        assert [lock.key for lock in locks.held(db, NOW)] == ["k2"]
