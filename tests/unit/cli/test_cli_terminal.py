"""How things look on a terminal."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from alvps.cli.terminal import ago, span, table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "60 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (5400, "2 h"), (172800, "2 d")],
)
def test_span(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_ago_and_in() -> None:
    now = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    assert ago("2026-01-01T11:59:30Z", now) == "30 s ago"
    assert ago("2026-01-01T12:00:30Z", now) == "in 30 s"
    assert ago(None, now) == "–"


def test_table_has_no_trailing_blanks() -> None:
    assert table(("A", "LONG"), [("value", "x"), ("v", "")]) == "A      LONG\nvalue  x\nv"
