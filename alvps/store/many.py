"""Many rows with few statements: SQLite takes a list of rows at once, and Python then takes its lock back once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

MOST = 64  # rows of a statement; with 24 columns far below SQLite's limit of 32,766 parameters


def insert(connection: sqlite3.Connection, head: str, rows: Sequence[Sequence[object]], tail: str = "") -> int:
    """Insert the rows; gives how many went in. `head` is "INSERT INTO table (columns)", `tail` an ON CONFLICT clause.

    In powers of two, so that few different statements are prepared, and those are remembered.
    """
    done = inserted = 0
    while done < len(rows):
        count = 1 << min(len(rows) - done, MOST).bit_length() - 1
        part = rows[done : done + count]
        marks = ", ".join(["(" + ", ".join("?" * len(part[0])) + ")"] * count)
        values = [value for row in part for value in row]
        inserted += connection.execute(f"{head} VALUES {marks} {tail}", values).rowcount
        done += count
    return inserted
