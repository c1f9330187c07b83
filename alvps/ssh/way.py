"""The way to a host, walked hop by hop.

Everything slow at its start overlaps: `ssh -G` and the first TCP connection run while paramiko is imported.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from alvps.ssh import route
from alvps.ssh.dial import Wire, dial
from alvps.ssh.known_hosts import HostKey
from alvps.ssh.route import Route
from alvps.ssh.settings import Settings
from alvps.ssh.slim import warm_up
from alvps.ssh.target import Passphrase, Target, Timeouts

if TYPE_CHECKING:
    from typing_extensions import Self

    from alvps.ssh.hop import Hop


class Way:
    """The hops to one target. Leaving it closes them, unless `arrive` handed them out."""

    def __init__(self, target: Target, timeouts: Timeouts, *, passphrase: Passphrase | None = None) -> None:
        """Raises HostUnreachable, UsageError."""
        self._timeouts = timeouts
        self._pinned = target.known_hosts
        self._passphrase = passphrase
        self._hops: list[Hop] = []
        start = _Start(target, timeouts)
        try:
            warm_up()  # what `start` overlaps with
        except BaseException:
            start.abandon()
            raise
        self._wire: Wire | None
        self._route, self._wire = start.result()

    @property
    def target(self) -> Settings:
        return self._route.target

    def arrive(self) -> tuple[Hop, ...]:
        """Connect and authenticate to every hop and the target. The caller closes them.

        Raises HostUnreachable, HostKeyRefused.
        """
        for settings in self._route.hops:
            self._go_to(settings)
        hops, self._hops = tuple(self._hops), []
        return hops

    def show_key(self, kind: str) -> HostKey | None:
        """The target's key of this type, or None when it has none. Each call is a connection of its own.

        Raises HostUnreachable, HostKeyRefused (of a hop).
        """
        from alvps.ssh.hop import exchange_keys

        for settings in self._route.hops[len(self._hops) : -1]:
            self._go_to(settings)
        return exchange_keys(self.target, kind, over=self._over(), timeouts=self._timeouts)

    def close(self) -> None:
        for hop in reversed(self._hops):
            hop.close()
        self._hops = []
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _go_to(self, settings: Settings) -> None:
        from alvps.ssh.hop import Hop

        pinned = self._pinned if settings is self.target else None
        hop = Hop.open(settings, over=self._over(), pinned=pinned, timeouts=self._timeouts, passphrase=self._passphrase)
        self._hops.append(hop)

    def _over(self) -> Wire | Hop:
        """What the next connection runs over; a wire belongs to whoever takes it."""
        if self._hops:
            return self._hops[-1]
        wire, self._wire = self._wire, None
        return wire if wire is not None else dial(self._route.hops[0], self._timeouts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Start:
    """The settings and the first connection, made in the background."""

    def __init__(self, target: Target, timeouts: Timeouts) -> None:
        self._target = target
        self._timeouts = timeouts
        self._query = route.Query(target)
        self._route: Route | None = None
        self._wire: Wire | None = None
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, daemon=True, name="al-ssh-start")
        self._thread.start()

    def result(self) -> tuple[Route, Wire]:
        try:
            self._thread.join()
        except BaseException:  # Ctrl-C
            self.abandon()
            raise
        if self._failure is not None:
            raise self._failure
        assert self._route is not None
        assert self._wire is not None
        return self._route, self._wire

    def abandon(self) -> None:
        """Close what was made so far, also when that is only made later."""
        self._query.kill()
        self._thread.join(0.2)
        if self._wire is not None:
            self._wire.close()

    def _work(self) -> None:
        try:
            self._route = route.find(self._query, self._target)
            self._wire = dial(self._route.hops[0], self._timeouts)
        except Exception as error:  # noqa: BLE001  # nothing is swallowed: `result` raises it
            self._failure = error
