"""Runs one of our scripts on a host: sent on standard input, its output handed over line by line as it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alvps.errors import HostUnreachable
from alvps.provision.provider import ProvisionFailed
from alvps.ssh import Channel, Connection

_TAIL = 20  # lines of output in an error
_SECONDS = 1800.0  # packages over a slow line; a script that hangs longer is stuck


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the script ended and what it said, standard error last."""

    exit_code: int
    lines: tuple[str, ...]

    @property
    def tail(self) -> str:
        """The end of it, for the detail of an error."""
        return "\n".join(self.lines[-_TAIL:])


def run_script(
    connection: Connection,
    argv: Sequence[str],
    script: bytes,
    *,
    on_line: Callable[[str], None],
    timeout: float = _SECONDS,
) -> Outcome:
    """Runs `argv` with the script on its standard input. timeout: seconds.

    Raises HostUnreachable when the connection ends (the scripts can be run again), ProvisionFailed after the time.
    """
    lines: list[str] = []
    rang = threading.Event()
    with connection.open(argv) as channel:

        def ring() -> None:
            rang.set()
            channel.abort()

        alarm = threading.Timer(timeout, ring)
        alarm.daemon = True
        alarm.start()
        try:
            threading.Thread(target=_feed, args=(channel, script), daemon=True).start()
            for raw in channel.stdout:
                lines.append(raw.decode(errors="replace").rstrip())
                on_line(lines[-1])
            code = channel.wait(timeout=timeout)
            complaints = channel.stderr.read().decode(errors="replace").splitlines()
        except HostUnreachable:
            if rang.is_set():
                raise ProvisionFailed(
                    f"{connection.host_label}: the script did not end within {timeout:.0f} s",
                    detail="\n".join(lines[-_TAIL:]),
                ) from None
            raise
        finally:
            alarm.cancel()
    return Outcome(exit_code=code, lines=(*lines, *complaints))


def _feed(channel: Channel, script: bytes) -> None:
    try:
        channel.stdin.write(script)
        channel.stdin.close()
    except (HostUnreachable, ValueError):
        return  # it ended without reading everything, which its exit code tells
