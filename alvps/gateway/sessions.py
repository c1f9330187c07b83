"""Who may use the dashboard: tickets, good once and for a minute, and the sessions that they are exchanged for.

All of it is in memory and bounded: what an end of the daemon loses is a page's login. Of both only hashes are kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

TICKET_FOR = 60.0  # seconds
SESSION_FOR = 12 * 3600.0  # seconds without a request
TICKETS = 32
SESSIONS = 64  # the one that was used longest ago ends for a new one
BYTES = 32  # of randomness


@dataclass(slots=True)
class Session:
    """A login. `until`: by the clock of its Sessions. `ended` is set when it is over, for who listens in it."""

    until: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Sessions:
    """All tickets and sessions of a daemon."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tickets: OrderedDict[bytes, float] = OrderedDict()  # until when
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()  # used longest ago first

    def ticket(self) -> str:
        """A new ticket."""
        ticket = secrets.token_urlsafe(BYTES)
        self._tickets[_hash(ticket)] = self._clock() + TICKET_FOR
        while len(self._tickets) > TICKETS:
            self._tickets.popitem(last=False)
        return ticket

    def login(self, ticket: str) -> str | None:
        """A new session for a ticket, which is used up by it; None if it is not good."""
        until = self._tickets.pop(_hash(ticket), None)
        if until is None or until <= self._clock():
            return None
        name = secrets.token_urlsafe(BYTES)
        self._sessions[_hash(name)] = Session(self._clock() + SESSION_FOR)
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)[1].ended.set()
        return name

    def find(self, name: str) -> Session | None:
        """The session of that name, which by this lasts on; None if there is none."""
        key = _hash(name)
        session = self._sessions.get(key)
        if session is None or self.over(session):
            self.logout(name)
            return None
        session.until = self._clock() + SESSION_FOR
        self._sessions.move_to_end(key)
        return session

    def over(self, session: Session) -> bool:
        """Whether it has ended, or its time has run out."""
        return session.ended.is_set() or session.until <= self._clock()

    def logout(self, name: str) -> None:
        """End a session."""
        session = self._sessions.pop(_hash(name), None)
        if session is not None:
            session.ended.set()

    def close(self) -> None:
        """End all of them."""
        self._tickets.clear()
        while self._sessions:
            self._sessions.popitem()[1].ended.set()


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="replace")).digest()
