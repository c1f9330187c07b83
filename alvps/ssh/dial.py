"""A byte stream to a host: TCP, or the user's ProxyCommand. Every failure names its step and the address."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from typing import IO

from alvps.errors import HostUnreachable
from alvps.ssh.settings import Settings
from alvps.ssh.target import Timeouts

_DIAGNOSIS = {
    "tcp connect": "is the host up, is the port right, does a firewall allow it?",
    "resolve name": "check the spelling, the network and the ssh configuration",
}


class Wire:
    """A connected socket and what stands behind it. `close` ends both; it may be called more than once."""

    def __init__(self, sock: socket.socket, process: subprocess.Popen[bytes] | None, words: IO[bytes] | None) -> None:
        self.sock = sock
        self._process = process
        self._words = words

    def said(self) -> str | None:
        """The end of what a ProxyCommand wrote on standard error."""
        if self._words is None or self._words.closed:
            return None
        self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, self._words.tell() - 4096))
        return self._words.read().decode(errors="replace").strip() or None

    def close(self) -> None:
        self.sock.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._words is not None:
            self._words.close()


def dial(settings: Settings, timeouts: Timeouts) -> Wire:
    """Connect to the host itself or start its ProxyCommand. Raises HostUnreachable."""
    if settings.proxy_command is not None:
        return _command(settings)
    return Wire(_tcp(settings, timeouts), None, None)


def unreachable(step: str, settings: Settings, what: str, *, detail: str | None = None) -> HostUnreachable:
    """The error of a step on the way to a host."""
    return HostUnreachable(
        f"cannot reach {settings.label}: step {step}: {what}", hint=_DIAGNOSIS.get(step), detail=detail
    )


def _tcp(settings: Settings, timeouts: Timeouts) -> socket.socket:
    timeout = settings.connect_timeout or timeouts.tcp
    failures = []
    for family, kind, protocol, _, address in _addresses(settings, timeouts.resolve):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout)
            if settings.bind_address is not None:
                sock.bind((settings.bind_address, 0))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            sock.close()
            failures.append(f"{address[0]}: no answer within {timeout:g} s")
        except OSError as error:
            sock.close()
            failures.append(f"{address[0]}: {error.strerror or error}")
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise unreachable("tcp connect", settings, "; ".join(dict.fromkeys(failures)))


_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, "tuple[str, int] | tuple[str, int, int, int]"]


def _addresses(settings: Settings, timeout: float) -> list[_Address]:
    """getaddrinfo with a time limit, which it has not: it runs in a thread that is left behind if it hangs."""
    answer: list[_Address] = []
    failure: list[OSError] = []

    def ask(flags: int) -> None:
        try:
            found = socket.getaddrinfo(
                settings.hostname, settings.port, settings.address_family, socket.SOCK_STREAM, flags=flags
            )
            answer.extend(found)  # type: ignore[arg-type]  # typeshed allows Bluetooth's shapes, SOCK_STREAM has none
        except OSError as error:
            failure.append(error)

    ask(socket.AI_NUMERICHOST)  # an address needs no thread
    if not answer:
        failure.clear()
        thread = threading.Thread(target=ask, args=(0,), daemon=True, name="al-resolve")
        thread.start()
        thread.join(timeout)
    if answer:
        return answer
    what = failure[0].strerror if failure else f"no answer within {timeout:g} s"
    raise unreachable("resolve name", settings, f"{settings.hostname!r}: {what}")


def _command(settings: Settings) -> Wire:
    """ProxyCommand with a socket as its standard input and output.

    The keyword's value is by definition a line for the user's shell (ssh_config(5)); what al fills into it was checked.
    """
    shell = os.environ.get("SHELL") or "/bin/sh"
    ours, theirs = socket.socketpair()
    import tempfile

    words = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process that writes to it
    try:
        process = subprocess.Popen(
            [shell, "-c", f"exec {settings.proxy_command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=words,
            # Ctrl-C is for al, which then closes the connection itself.
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        words.close()
        raise unreachable("proxy command", settings, f"{shell}: {error.strerror}") from error
    finally:
        theirs.close()
    return Wire(ours, process, words)
