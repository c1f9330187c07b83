"""The database's shape and how an older file gets there.

A migration is never edited once released; a new one is appended. `oldest` is the oldest schema whose code still works
with a file of that form: a release that was rolled back opens the newer file when it is not older than that.
Times are milliseconds since 1970 UTC, nominal instants of schedules are seconds.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from alvps.store.errors import StoreTooNew

APPLICATION_ID = 0x616C7670  # "alvp", so that `file` and we can tell it from somebody else's database


@dataclass(frozen=True, slots=True)
class Migration:
    """One step forward."""

    script: tuple[str, ...]
    oldest: int


FIRST = Migration(
    oldest=1,
    script=(
        """CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID""",
        """CREATE TABLE runs (
            run TEXT PRIMARY KEY,
            agent TEXT NOT NULL,
            trigger TEXT NOT NULL,
            state TEXT NOT NULL,
            attempt INTEGER NOT NULL DEFAULT 1,
            prompt TEXT,              -- what the person gave to a manual run
            nominal INTEGER,          -- the schedule's instant, for trigger 'schedule'
            rerun_of TEXT,            -- the run that asked for this one
            reruns INTEGER NOT NULL DEFAULT 0,
            release TEXT,             -- that it was started from
            timeout INTEGER,          -- seconds, as the release said at the start
            stop TEXT,                -- the state that a requested stop leads to: 'killed' or 'timed-out'
            queued INTEGER NOT NULL,
            started INTEGER,
            finished INTEGER,
            exit_code INTEGER,
            reason TEXT               -- of the present state, for people
        ) STRICT, WITHOUT ROWID""",
        # Small for ever: finished runs are not in it.
        """CREATE INDEX runs_live ON runs(agent, run) WHERE finished IS NULL""",
        """CREATE INDEX runs_last ON runs(agent, finished) WHERE finished IS NOT NULL""",
        """CREATE INDEX runs_old ON runs(finished) WHERE finished IS NOT NULL""",
        """CREATE INDEX runs_agent ON runs(agent, run)""",
        """CREATE TABLE schedules (
            agent TEXT PRIMARY KEY,
            expression TEXT NOT NULL,
            zone TEXT NOT NULL,
            position INTEGER NOT NULL -- every nominal instant up to here has its decision, or came before the schedule
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE ticks (
            agent TEXT NOT NULL,
            schedule TEXT NOT NULL,   -- expression and zone
            nominal INTEGER NOT NULL, -- of a row that stands for several: the last
            first INTEGER NOT NULL,   -- of a row that stands for several: the first
            count INTEGER NOT NULL DEFAULT 1,
            more INTEGER NOT NULL DEFAULT 0, -- 1: count is only what was counted, there were more
            decision TEXT NOT NULL,
            reason TEXT,
            run TEXT,
            decided INTEGER NOT NULL,
            PRIMARY KEY (agent, schedule, nominal)
        ) STRICT, WITHOUT ROWID""",
        """CREATE INDEX ticks_last ON ticks(agent, nominal)""",
        """CREATE INDEX ticks_old ON ticks(decided)""",
        """CREATE TABLE pauses (scope TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    ),
)

SECOND = Migration(
    oldest=1,
    script=(
        "ALTER TABLE runs ADD COLUMN depth INTEGER NOT NULL DEFAULT 0",  # how many calls led here
        "ALTER TABLE runs ADD COLUMN call TEXT",  # the call that this run answers
        "ALTER TABLE runs ADD COLUMN delivery TEXT",  # the webhook delivery that started it
        "ALTER TABLE runs ADD COLUMN status TEXT",  # what the run last said with al-status
        "ALTER TABLE runs ADD COLUMN fault TEXT",  # why it failed, in the run's own words
        "ALTER TABLE runs ADD COLUMN stop_reason TEXT",  # why it is to be stopped, if not by a person's request
        """CREATE INDEX runs_call ON runs(call) WHERE call IS NOT NULL""",
        """CREATE INDEX runs_delivery ON runs(delivery) WHERE delivery IS NOT NULL""",
        # With the state in it, counting an agent's queue reads nothing but this.
        """CREATE INDEX runs_waiting ON runs(agent, state) WHERE state = 'queued'""",
        """CREATE TABLE returns (run TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT""",
        """CREATE TABLE usage (
            run TEXT PRIMARY KEY,
            agent TEXT NOT NULL,
            model TEXT,
            requests INTEGER NOT NULL,
            input_tokens INTEGER NOT NULL,
            output_tokens INTEGER NOT NULL,
            cache_read_tokens INTEGER NOT NULL,
            cache_write_tokens INTEGER NOT NULL,
            tool_calls INTEGER NOT NULL,
            cost INTEGER,             -- millionths of a USD; NULL: the model's prices are not known
            updated INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
        """CREATE INDEX usage_agent ON usage(agent, updated)""",
        # Kept beside `usage` and in the same transactions: a run that goes past midnight counts for both days with
        # what it used in each.
        """CREATE TABLE days (
            agent TEXT NOT NULL,
            day INTEGER NOT NULL,     -- days since 1970 UTC
            runs INTEGER NOT NULL DEFAULT 0, -- that were begun
            requests INTEGER NOT NULL DEFAULT 0,
            tokens INTEGER NOT NULL DEFAULT 0,
            cost INTEGER NOT NULL DEFAULT 0, -- millionths of a USD
            PRIMARY KEY (agent, day)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE calls (
            call TEXT PRIMARY KEY,
            caller TEXT NOT NULL,     -- the run that called
            caller_agent TEXT NOT NULL,
            target TEXT NOT NULL,     -- the agent that is called
            run TEXT NOT NULL,        -- the run that answers; a rerun takes its place
            context TEXT NOT NULL,
            state TEXT NOT NULL,      -- 'pending', 'completed' or 'error'
            value TEXT,
            error TEXT,
            created INTEGER NOT NULL,
            finished INTEGER
        ) STRICT""",
        """CREATE INDEX calls_caller ON calls(caller)""",
        """CREATE INDEX calls_run ON calls(run)""",
        """CREATE INDEX calls_pending ON calls(call) WHERE finished IS NULL""",
        """CREATE INDEX calls_old ON calls(finished) WHERE finished IS NOT NULL""",
        """CREATE TABLE locks (
            key TEXT PRIMARY KEY,
            run TEXT NOT NULL UNIQUE, -- one lock for each run
            agent TEXT NOT NULL,
            token INTEGER NOT NULL,   -- the fencing token, from facts 'fence'
            since INTEGER NOT NULL,
            ttl INTEGER NOT NULL,     -- milliseconds
            expires INTEGER NOT NULL, -- milliseconds of CLOCK_BOOTTIME of the boot with this id
            boot TEXT NOT NULL
        ) STRICT""",
        """CREATE TABLE deliveries (
            delivery TEXT PRIMARY KEY, -- made like a run's id: in the order in which they came
            source TEXT NOT NULL,
            type TEXT NOT NULL,
            digest BLOB NOT NULL,     -- SHA-256 of source, the provider's delivery id and the signed bytes
            delivery_id TEXT,         -- the provider's
            event TEXT,
            action TEXT,
            decision TEXT NOT NULL,   -- 'matched', 'no-match', 'ignored', 'refused' or 'queue-full'
            reason TEXT,
            matched INTEGER NOT NULL, -- how many agents, as the first answer said
            skipped INTEGER NOT NULL,
            times INTEGER NOT NULL DEFAULT 1, -- how often it came
            received INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
        """CREATE UNIQUE INDEX deliveries_digest ON deliveries(digest)""",
        """CREATE INDEX deliveries_old ON deliveries(received)""",
        # Apart, so that lists and look-ups do not read past the bodies. With rowids: a body is larger than what a
        # WITHOUT ROWID table keeps in its pages.
        """CREATE TABLE delivery_bodies (
            delivery TEXT PRIMARY KEY,
            headers TEXT NOT NULL,    -- JSON; those that the provider's parser reads, no signature
            body BLOB NOT NULL,       -- zlib
            context TEXT              -- JSON, what an agent is told; NULL: the event starts nothing
        ) STRICT""",
        """CREATE TABLE delivery_agents (
            delivery TEXT NOT NULL,
            round INTEGER NOT NULL,   -- 0: as it came; then one for each replay
            agent TEXT NOT NULL,
            decision TEXT NOT NULL,   -- 'queued', 'no-match', 'disabled' or 'queue-full'
            reason TEXT,
            run TEXT,                 -- the last one, when the first was lost
            decided INTEGER NOT NULL,
            PRIMARY KEY (delivery, round, agent)
        ) STRICT, WITHOUT ROWID""",
    ),
)

MIGRATIONS: tuple[Migration, ...] = (FIRST, SECOND)


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Bring the file to the newest form, each step in its own transaction. Raises StoreTooNew."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        row = connection.execute("SELECT value FROM facts WHERE name = 'oldest'").fetchone()
        if row is None or int(row[0]) > len(migrations):
            raise StoreTooNew(
                f"the database has schema {version}, this version knows schemas up to {len(migrations)}",
                hint="push a release with the newer version again, or restore a copy of the older database",
            )
        return
    for number, migration in enumerate(migrations[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migration.script:
                connection.execute(statement)
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('oldest', ?)", (str(migration.oldest),))
            connection.execute(f"PRAGMA user_version = {number}")  # takes no parameter; an int of ours
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
