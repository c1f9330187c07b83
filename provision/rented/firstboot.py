"""From a server that has an address to a host: SSH answers, cloud-init is through, the bootstrap ran to its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from alvps.errors import HostUnreachable
from alvps.project.environment import Environment
from alvps.provision import bootstrap
from alvps.provision.onhost import run_bootstrap
from alvps.provision.provider import Event, Progress, ProvisionFailed
from alvps.provision.remote import run_script
from alvps.provision.timing import timed
from alvps.provision.verify import found_digest, target, verify
from alvps.ssh import Connection, Timeouts, connect
from alvps.ssh.target import Passphrase

# Shows what cloud-init prints while it works, then what it says about itself.
_WAIT = b"""\
{
  tail -n +1 -F /var/log/cloud-init-output.log 2>/dev/null &
  cloud-init status --wait >/dev/null 2>&1
  sleep 0.2
  kill $!
  cloud-init status --long
} </dev/null
"""


class Settle(Protocol):
    """What `settle` is to its caller."""

    def __call__(self, environment: Environment, progress: Progress, *, passphrase: Passphrase | None = None) -> None:
        """Raises HostUnreachable, HostKeyRefused, ProvisionFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds. ssh: until the first connection. boot: for cloud-init. clock, sleep: for tests."""

    ssh: float = 300.0
    boot: float = 1800.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def settle(
    environment: Environment,
    progress: Progress,
    *,
    passphrase: Passphrase | None = None,
    patience: Patience | None = None,
) -> None:
    """Waits for the server, whose host key is pinned, and mends what its first boot did not get done.

    Raises HostUnreachable when SSH never answers, HostKeyRefused, and ProvisionFailed with the end of the log.
    """
    limits = patience or Patience()
    digest = bootstrap.digest()
    end = limits.clock() + limits.ssh + limits.boot
    while True:
        connection = _reach(environment, progress, passphrase, limits)
        try:
            with connection:
                said = _cloud_init(connection, progress, limits)
                if found_digest(connection) != digest:
                    _again(connection, environment, said, progress)
            break
        except HostUnreachable:
            if limits.clock() >= end:
                raise
    with timed(progress, "connect", f"a new SSH connection to {environment.host} is verified"):
        verify(environment, digest=digest, passphrase=passphrase)


def _reach(environment: Environment, progress: Progress, passphrase: Passphrase | None, limits: Patience) -> Connection:
    progress(Event(step="ssh", text=f"waiting for SSH at {environment.host}"))
    end, pause = limits.clock() + limits.ssh, 0.0
    with timed(progress, "ssh", f"SSH at {environment.host} shows the pinned host key"):
        while True:
            answer = _try(environment, passphrase)
            if isinstance(answer, Connection):
                return answer
            pause = min(pause + 1.0, 5.0)
            if limits.clock() + pause > end:
                answer.hint = "look at the server's console at the provider"
                raise answer
            progress(Event(step="ssh", text=answer.message, detail=True))
            limits.sleep(pause)


def _try(environment: Environment, passphrase: Passphrase | None) -> Connection | HostUnreachable:
    try:
        return connect(target(environment), timeouts=Timeouts(tcp=5.0), passphrase=passphrase)
    except HostUnreachable as error:
        return error


def _cloud_init(connection: Connection, progress: Progress, limits: Patience) -> str:
    """Waits for its end; the last lines of its log and what it says about itself."""
    progress(Event(step="cloud-init", text="first boot"))
    with timed(progress, "cloud-init", "the first boot is over"):
        outcome = run_script(
            connection,
            bootstrap.argv(user=connection.user),
            _WAIT,
            on_line=lambda line: _show(line, progress),
            timeout=limits.boot,
        )
    return outcome.tail


def _show(line: str, progress: Progress) -> None:
    if not line.startswith("ci-info:"):  # tables of addresses and keys
        progress(Event(step="cloud-init", text=line.removeprefix("bootstrap: "), detail=True))


def _again(connection: Connection, environment: Environment, said: str, progress: Progress) -> None:
    """The bootstrap over SSH: a mirror that was down at first boot, or an al that is newer than the server."""
    progress(Event(step="bootstrap", text="the first boot did not get everything done; running the bootstrap again"))
    try:
        run_bootstrap(connection, environment.web, progress)
    except ProvisionFailed as error:
        error.detail = f"{said}\n{error.detail or ''}".rstrip()
        raise
