"""The systemd units on the host: installed from the release's code, started and stopped as a pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alvps.host import codebase, fsio, process
from alvps.host.layout import Layout

SOCKET = "action-llama.socket"
RUNS_SOCKET = "action-llama-runs.socket"
DASHBOARD_SOCKET = "action-llama-dashboard.socket"
SOCKETS = (SOCKET, RUNS_SOCKET, DASHBOARD_SOCKET)
UNSEALING = ("action-llama-credentials.socket", "action-llama-webhook-secrets.socket")
DAEMON = "action-llama.service"
LAUNCHER = "action-llama-launcher.service"
SERVICES = (LAUNCHER, DAEMON)
_KINDS = (".service", ".socket", ".timer", ".path", ".target", ".slice", ".mount")
_QUICK_SECONDS = 10.0


def unseal(layout: Layout, code_digest: str) -> bool:
    """Whether that code has the units that decrypt credentials; an early version has not."""
    return set(UNSEALING) <= set(_of(layout, code_digest))


def sockets(layout: Layout) -> tuple[str, ...]:
    """The listeners that are installed: what was pushed by an early version has fewer."""
    return (*SOCKETS, *(name for name in UNSEALING if fsio.is_plain_file(f"{layout.units}/{name}")))


def changed(layout: Layout, code_digest: str) -> list[str]:
    """The units of that code that are not installed as they are there."""
    return [name for name, text in _of(layout, code_digest).items() if _read(f"{layout.units}/{name}") != text]


def install(layout: Layout, code_digest: str, *, deadline_in: float) -> list[str]:
    """Install what differs and have systemd read it. Returns the names. Raises OSError, process.ProgramFailed."""
    names = changed(layout, code_digest)
    if names:
        texts = _of(layout, code_digest)
        fsio.make_folder(layout.units)
        for name in names:
            fsio.write_file(f"{layout.units}/{name}", texts[name])
        _systemctl(layout, "daemon-reload", timeout=deadline_in)
        _systemctl(layout, "enable", "--quiet", *sockets(layout), *SERVICES, timeout=deadline_in)
    return names


def restart(layout: Layout, installed: Iterable[str] = (), *, timeout: float) -> None:
    """Start both services anew and wait until they say they are up. Raises process.ProgramFailed.

    `installed`: units that were changed; listeners among them are started anew as well, the others stay, so connections
    queue meanwhile. In one transaction: systemd refuses to start a listener under a service that has it, and between a
    stop and a start somebody who connects would start the service again.
    """
    # A service that crashed often is held down by its start limit; this push may be the cure.
    _systemctl(layout, "reset-failed", *SERVICES, timeout=timeout, check=False)
    listeners = [name for name in installed if name in (*SOCKETS, *UNSEALING)]
    _systemctl(layout, "restart", *listeners, *SERVICES, timeout=timeout)


def stop(layout: Layout) -> None:
    """Stop everything and do not start it at the next boot."""
    names = (DAEMON, LAUNCHER, *sockets(layout))
    _systemctl(layout, "disable", "--now", "--quiet", *names, timeout=_QUICK_SECONDS, check=False)


def halt(layout: Layout, *, timeout: float) -> None:
    """Stop everything until somebody starts it or the host boots. Raises process.ProgramFailed.

    The listeners first: as long as systemd has one, a connection starts the daemon again.
    """
    _systemctl(layout, "stop", *sockets(layout), timeout=timeout)
    _systemctl(layout, "stop", DAEMON, LAUNCHER, timeout=timeout)
    # A daemon that crashed in between was started anew, and brought its listeners along.
    _systemctl(layout, "stop", *sockets(layout), timeout=timeout)


def begin(layout: Layout, before: Mapping[str, str], *, timeout: float) -> None:
    """Start everything and wait until both services say they are up. Raises process.ProgramFailed.

    `before`: the `states`. Systemd refuses to start a listener while its service runs without.
    """
    if before[DAEMON] == "active" and any(before[name] != "active" for name in SOCKETS):
        _systemctl(layout, "stop", DAEMON, timeout=timeout)
    _systemctl(layout, "reset-failed", *SERVICES, timeout=timeout, check=False)
    _systemctl(layout, "start", *sockets(layout), timeout=timeout)
    _systemctl(layout, "start", *SERVICES, timeout=timeout)


def enable(layout: Layout) -> None:
    """Have everything start at boot. Raises process.ProgramFailed."""
    _systemctl(layout, "enable", "--quiet", *sockets(layout), *SERVICES, timeout=_QUICK_SECONDS)


def states(layout: Layout) -> dict[str, str]:
    """ActiveState of each unit."""
    names = (*sockets(layout), LAUNCHER, DAEMON)
    argv = [layout.systemctl, "show", "--property=ActiveState", "--value", *names]
    try:
        lines = process.run(argv, timeout=_QUICK_SECONDS, check=False, merge=False).output.decode().split()
    except process.ProgramFailed:
        lines = []
    return dict(zip(names, lines + ["unknown"] * len(names), strict=False))


def journal_tail(layout: Layout, since: float) -> str:
    """What both services wrote since that moment (seconds since the epoch): the last 40 lines."""
    names = [f"--unit={name}" for name in SERVICES]
    options = ["--lines=40", "--no-pager", "--output=short-iso", "--quiet"]
    argv = [layout.journalctl, *names, f"--since=@{int(since)}", *options]
    try:
        result = process.run(argv, timeout=_QUICK_SECONDS, check=False)
    except process.ProgramFailed as error:
        return str(error)
    return result.tail


def _systemctl(layout: Layout, *arguments: str, timeout: float, check: bool = True) -> None:
    process.run([layout.systemctl, *arguments], timeout=timeout, check=check)


def _of(layout: Layout, code_digest: str) -> dict[str, bytes]:
    folder = layout.at("code", code_digest, codebase.UNITS)
    found = {}
    for name in fsio.names_in(folder):
        text = _read(f"{folder}/{name}") if name.endswith(_KINDS) else None
        if text is not None:
            found[name] = text
    return found


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, IsADirectoryError):
        return None
