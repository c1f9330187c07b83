"""Who may use the dashboard: tickets, good once and for a minute, and the sessions that they are exchanged for.

All of it is bounded, and of both only hashes are kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from alvps.gateway.kept import Kept

TICKET_FOR = 60.0  # seconds
SESSION_FOR = 12 * 3600.0  # seconds without a request
TICKETS = 32
SESSIONS = 64  # the one that was used longest ago ends for a new one
BYTES = 32  # of randomness
KEEP_EACH = 600.0  # seconds by which what is kept may be behind


@dataclass(slots=True)
class Session:
    """A login. `until`: by the clock of its Sessions. `ended` is set when who listens in it is to stop."""

    until: float
    kept: float = 0.0  # what the file has of `until`
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Sessions:
    """All tickets and sessions of a daemon. `kept`: where sessions are kept over its restart."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, kept: Kept | None = None) -> None:
        self._clock = clock
        self._kept = kept
        self._tickets: OrderedDict[bytes, float] = OrderedDict()  # until when
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()  # used longest ago first
        for key, until in sorted(kept.load().items(), key=lambda item: item[1]) if kept else ():
            if clock() < until <= clock() + SESSION_FOR:
                self._sessions[key] = Session(until, until)

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
        self._keep()
        return name

    def find(self, name: str) -> Session | None:
        """The session of that name, which by this lasts on; None if there is none."""
        key = _hash(name)
        session = self._sessions.get(key)
        if session is None or session.until <= self._clock():
            self.logout(name)
            return None
        session.until = self._clock() + SESSION_FOR
        self._sessions.move_to_end(key)
        if session.until - session.kept > KEEP_EACH:
            self._keep()
        return session

    def over(self, session: Session) -> bool:
        """Whether nobody should listen in it any longer."""
        return session.ended.is_set() or session.until <= self._clock()

    def logout(self, name: str) -> None:
        """End a session."""
        session = self._sessions.pop(_hash(name), None)
        if session is not None:
            session.ended.set()
            self._keep()

    def close(self) -> None:
        """The daemon ends: whoever listens is told. Sessions stay good, for its last answers and the next one."""
        self._tickets.clear()
        self._keep()
        for session in self._sessions.values():
            session.ended.set()

    def _keep(self) -> None:
        if self._kept:
            self._kept.save({key: session.until for key, session in self._sessions.items()})
            for session in self._sessions.values():
                session.kept = session.until


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="replace")).digest()
