"""Logs of a host: a query becomes journalctl words, its JSON lines become entries, entries become text."""

from alvps.logs.entry import Entry
from alvps.logs.query import Query
from alvps.logs.render import render
from alvps.logs.stream import stream

__all__ = ["Entry", "Query", "render", "stream"]
