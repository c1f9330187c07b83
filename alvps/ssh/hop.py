"""One SSH connection of the way, to the target or to a hop before it: paramiko's client with al's own policies."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import paramiko

from alvps.errors import AlError, HostUnreachable
from alvps.ssh.auth import Strategy
from alvps.ssh.channel import Channel
from alvps.ssh.dial import Wire, unreachable
from alvps.ssh.known_hosts import HostKey
from alvps.ssh.policy import StrictPolicy
from alvps.ssh.sending import Sending
from alvps.ssh.settings import Settings
from alvps.ssh.target import Passphrase, Timeouts
from alvps.ssh.transport import WatchedTransport

if TYPE_CHECKING:
    from typing_extensions import Self

_PARAMIKO_ERRORS = (paramiko.SSHException, OSError, EOFError)


class Hop:
    """An open connection to one host."""

    def __init__(self, settings: Settings, client: paramiko.SSHClient, transport: WatchedTransport) -> None:
        self.settings = settings
        self.transport = transport
        self._client = client
        self._wire: Wire | None = None
        self._fabric: Any = None

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        over: Wire | Hop,
        pinned: Path | None,
        timeouts: Timeouts,
        passphrase: Passphrase | None,
    ) -> Hop:
        """Connect over a wire, which then belongs to the hop, or through the hop before.

        Raises HostUnreachable, HostKeyRefused.
        """
        strategy = Strategy(settings, timeout=timeouts.auth, passphrase=passphrase)
        with _Attempt(settings, over, strategy) as attempt:
            policy = StrictPolicy(settings, pinned)

            def transport_factory(sock: Any, **_: object) -> WatchedTransport:
                types = policy.preferred_types()
                return attempt.start(WatchedTransport(sock, settings=settings, timeouts=timeouts, host_key_types=types))

            options: dict[str, Any] = {
                "transport_factory": transport_factory,
                "auth_strategy": strategy,
                # paramiko's one limit for banner and key exchange together; the transport has one for each.
                "timeout": timeouts.banner + timeouts.key_exchange,
            }
            client = paramiko.SSHClient()
            client.set_missing_host_key_policy(policy)
            fabric = None
            if isinstance(over, Wire):
                client.connect(
                    settings.hostname, settings.port, settings.user, sock=cast("paramiko.Channel", over.sock), **options
                )
            else:
                from alvps.ssh.gateway import open_through

                fabric = open_through(over.as_gateway(), settings, client, options)
            hop = cls(settings, client, attempt.succeed())
        hop._fabric = fabric  # its own class
        hop._wire = over if isinstance(over, Wire) else None  # its own class
        hop.transport.watch()
        return hop

    def as_gateway(self) -> Any:
        """fabric's Connection of this hop."""
        if self._fabric is None:
            from alvps.ssh.gateway import wrap

            self._fabric = wrap(self.settings, self._client)
        return self._fabric

    def execute(self, line: str) -> Channel:
        """Start a line of shell. Raises HostUnreachable."""
        try:
            channel = self.transport.open_session()
            channel.al_sending = Sending(channel)  # type: ignore[attr-defined]  # found there when the host closes it
            channel.exec_command(line)
        except _PARAMIKO_ERRORS as error:
            if self._ended_by(error):
                raise self.lost() from error
            raise unreachable("channel open", self.settings, _words(error)) from error
        return Channel(channel, self.lost, line)

    def dial(self, address: tuple[str, int]) -> paramiko.Channel:
        """A connection from this hop to an address. Raises AlError if it cannot make it, HostUnreachable."""
        try:
            channel = self.transport.open_channel("direct-tcpip", address, ("127.0.0.1", 0))
        except _PARAMIKO_ERRORS as error:
            if self._ended_by(error):
                raise self.lost() from error
            raise AlError(
                f"{self.settings.label} cannot connect to {address[0]}:{address[1]}: {_words(error)}"
            ) from error
        channel.al_sending = Sending(channel)  # type: ignore[attr-defined]  # found there when the host closes it
        return channel

    def _ended_by(self, error: Exception) -> bool:
        # A transport that just read the connection's end lets its channels know before it says that it is not active.
        return isinstance(error, EOFError) or not self.transport.is_active()

    @property
    def ended(self) -> str | None:
        """Why the connection ended; None while it has not."""
        return None if self.transport.is_active() else self.transport.died_of or "the connection was cut"

    def lost(self) -> HostUnreachable:
        """The error for a connection that ended by itself."""
        why = self.transport.died_of or "the connection was cut"
        return HostUnreachable(f"{self.settings.label}: connection lost: {why}")

    def close(self) -> None:
        self.transport.hang_up()
        self._client.close()
        if self._wire is not None:
            self._wire.close()


def exchange_keys(settings: Settings, kind: str, *, over: Wire | Hop, timeouts: Timeouts) -> HostKey | None:
    """The host's key of one type, proven by a key exchange; None when it has none. Nothing more is said to it.

    Raises HostUnreachable.
    """
    with _Attempt(settings, over) as attempt:
        sock = over.sock if isinstance(over, Wire) else attempt.tunnel(over, timeouts)
        transport = attempt.start(
            WatchedTransport(sock, settings=settings, timeouts=timeouts, host_key_types=(kind,), only=True)
        )
        try:
            transport.start_client(timeout=timeouts.banner + timeouts.key_exchange)
            key = transport.get_remote_server_key()
        except paramiko.ssh_exception.IncompatiblePeer as error:
            if "host key" in str(error):
                return None
            raise
        return HostKey(type=key.get_name(), blob=key.asbytes())


class _Attempt:
    """One try to connect: cleans up unless it succeeded, and turns paramiko's errors into one that names the step."""

    def __init__(self, settings: Settings, over: Wire | Hop, strategy: Strategy | None = None) -> None:
        self._settings = settings
        self._over = over
        self._strategy = strategy
        self._transport: WatchedTransport | None = None
        self._succeeded = False
        self._began = time.monotonic()

    def start(self, transport: WatchedTransport) -> WatchedTransport:
        self._transport = transport
        return transport

    def succeed(self) -> WatchedTransport:
        assert self._transport is not None
        self._succeeded = True
        return self._transport

    def tunnel(self, gateway: Hop, timeouts: Timeouts) -> paramiko.Channel:
        address = (self._settings.hostname, self._settings.port)
        return gateway.transport.open_channel("direct-tcpip", address, ("", 0), timeout=timeouts.channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if self._succeeded:
            return
        problem = self._explain(error) if isinstance(error, _PARAMIKO_ERRORS) else None
        if self._transport is not None:
            self._transport.hang_up()
        if isinstance(self._over, Wire):
            self._over.close()
        if problem is not None:
            raise problem from error

    def _explain(self, error: BaseException) -> AlError:
        """The step that failed is read off how far the connection got."""
        settings, transport, what = self._settings, self._transport, _words(error)
        detail = self._over.said() if isinstance(self._over, Wire) else None
        if transport is None:
            hop = self._over.settings.label if isinstance(self._over, Hop) else "nothing"
            return unreachable(f"tcp connect through {hop}", settings, what)
        seconds = time.monotonic() - self._began
        if not transport.remote_version.startswith("SSH-"):
            cause = error.__context__  # paramiko's own words leave out whether it was a time-out
            if isinstance(cause, TimeoutError) or "No existing session" in what:
                what = f"nothing was heard within {seconds:.0f} s; is it an SSH server?"
            elif isinstance(cause, EOFError):
                what = "the host hung up at once"
            return unreachable("ssh banner", settings, what, detail=detail)
        if not transport.initial_kex_done:
            if "No existing session" in what:
                what = f"not done within {seconds:.0f} s"
            elif isinstance(error, EOFError):
                what = "the host hung up"
            return unreachable("key exchange", settings, what, detail=detail)
        return _refused(settings, self._strategy, what)


def _refused(settings: Settings, strategy: Strategy | None, what: str) -> HostUnreachable:
    tried = strategy.attempts if strategy is not None else None
    start = f"cannot reach {settings.label}: step authentication:"
    if tried is None:
        return HostUnreachable(f"{start} {what}")
    lines = [*(f"offered {label}" for label in tried.offered), *(f"skipped {note}" for note in tried.skipped)]
    detail = "\n".join(lines) or None
    if tried.locked:
        names = " ".join(str(path) for path in tried.locked)
        return HostUnreachable(
            f"{start} {names} needs a passphrase", hint=f"unlock it first: ssh-add {names}", detail=detail
        )
    if not tried.offered:
        return HostUnreachable(
            f"{start} there is no key to offer",
            hint="name a key file, or add one to the agent with ssh-add",
            detail=detail,
        )
    last = what.strip().splitlines()[-1]
    return HostUnreachable(
        f"{start} the host accepted none of the keys ({last})",
        hint=f"is one of them in the authorized_keys of {settings.user}?",
        detail=detail,
    )


def _words(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__
