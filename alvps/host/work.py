"""What every step of a push or rollback on the host needs at hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from alvps.host.layout import Layout
from alvps.host.life import Life
from alvps.host.lock import Lock
from alvps.host.peer import Peer


class Refused(Exception):
    """A step failed in a way that the person at the laptop should read. `code` names the kind on the wire."""

    def __init__(self, code: str, message: str, *, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.detail = detail


class Work:
    """One push or rollback: where, for whom, under which lock, and whom to tell."""

    def __init__(self, layout: Layout, life: Life, peer: Peer, *, by: str, now: Callable[[], float]) -> None:
        from alvps.host.releases import iso

        self.layout = layout
        self.life = life
        self.peer = peer
        self.now = now
        self.by = by
        self.lock = Lock(layout, by=by, since=iso(now()))

    def step(self, name: str, **facts: object) -> None:
        """Begin a step: stop here if the laptop is gone, note it in the lock, tell the laptop."""
        if name == self.layout.crash_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.life.check()
        self.lock.note(name)
        self.peer.send({"t": "step", "step": name, **facts})

    def say(self, text: str) -> None:
        """Something a person should know, not tied to a step."""
        self.peer.send({"t": "note", "text": text})

    def line(self, source: str, text: str) -> None:
        """One line that a program printed."""
        self.peer.send({"t": "line", "source": source, "text": text})
