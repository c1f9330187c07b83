"""One connection to one host, over any number of hops: paramiko (and fabric for hops) behind three verbs."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from alvps.errors import HostUnreachable
from alvps.ssh.channel import Channel, CommandTimeout
from alvps.ssh.target import Passphrase, Result, Target, Timeouts
from alvps.ssh.way import Way

if TYPE_CHECKING:
    import paramiko
    from typing_extensions import Self

    from alvps.ssh.hop import Hop


def connect(target: Target, *, timeouts: Timeouts | None = None, passphrase: Passphrase | None = None) -> Connection:
    """Connect and authenticate. passphrase: asked for the passphrase of a locked key file; it may answer None.

    Raises HostUnreachable (names the step, the address and the hop), HostKeyRefused (before anything was sent) and
    UsageError (the ssh configuration or the host's name is unusable).
    """
    with Way(target, timeouts or Timeouts(), passphrase=passphrase) as way:
        return Connection(way.arrive())


class Connection:
    """An authenticated connection. Closing it ends every command that runs over it."""

    def __init__(self, hops: Sequence[Hop]) -> None:
        self._hops = tuple(hops)
        self._target = self._hops[-1]

    @property
    def host_label(self) -> str:
        """`user@address:port`, for messages."""
        return self._target.settings.label

    @property
    def user(self) -> str:
        """The account on the host."""
        return self._target.settings.user

    def open(self, argv: Sequence[str]) -> Channel:
        """Start a command. Its words reach the far side as they are, whatever they contain.

        Raises HostUnreachable.
        """
        # The far side's sshd hands one line to the login shell: the only place where one is made.
        return self._target.execute(shlex.join(argv))

    def dial(self, address: tuple[str, int]) -> paramiko.Channel:
        """A connection from the host to that address. Raises AlError if the host cannot make it, HostUnreachable."""
        return self._target.dial(address)

    @property
    def lost(self) -> str | None:
        """Why the connection has ended; None while it has not."""
        return self._target.ended

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float | None = None) -> Result:
        """Run a command to its end. Of its standard error the last 64 KiB are kept.

        Raises CommandTimeout after `timeout` seconds, HostUnreachable. An exit status other than 0 is a Result.
        """
        with self.open(argv) as channel, _Alarm(channel, timeout) as alarm:
            threading.Thread(target=_feed, args=(channel, stdin), daemon=True, name="al-ssh-stdin").start()
            try:
                stdout = channel.stdout.read()
                stderr = channel.stderr.read()
                code = channel.wait()
            except HostUnreachable:
                if alarm.rang:
                    what = f"{self.host_label}: step command: {shlex.join(argv)!r} did not end within {timeout:g} s"
                    raise CommandTimeout(what) from None
                raise
            return Result(exit_code=code, stdout=stdout, stderr=stderr, signal=channel.signal)

    def close(self) -> None:
        """End the connection and those to the hops. May be called more than once."""
        for hop in reversed(self._hops):
            hop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Alarm:
    """Closes the channel after a while, which ends every read and write on it."""

    def __init__(self, channel: Channel, timeout: float | None) -> None:
        self.rang = False
        self._channel = channel
        self._timer = None if timeout is None else threading.Timer(timeout, self._ring)

    def _ring(self) -> None:
        self.rang = True
        self._channel.abort()

    def __enter__(self) -> Self:
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _feed(channel: Channel, data: bytes) -> None:
    try:
        if data:
            channel.stdin.write(data)
        channel.stdin.close()
    except (HostUnreachable, ValueError):
        return  # the command ended without reading everything; its exit status tells
