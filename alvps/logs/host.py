"""The journal of a host that is itself unwell: what the system says, where `al logs` has what agents say.

journalctl: matches on one field are alternatives, those on several must all hold, `+` joins groups (journalctl(1)).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from alvps.errors import AlError

if TYPE_CHECKING:
    from alvps.ssh import Connection

# Whatever they say. Not docker.service, in whose name is what containers print; the engine's own lines are told apart.
UNITS = (
    "action-llama.service",
    "action-llama-launcher.service",
    "containerd.service",
    "caddy.service",
    "cloud-init-local.service",
    "cloud-init.service",
    "cloud-config.service",
    "cloud-final.service",
    "unattended-upgrades.service",
    "apt-daily-upgrade.service",
    "systemd-journald.service",
    "systemd-oomd.service",
    "systemd-timesyncd.service",
)
_IDENTIFIERS = ("dockerd",)
# Of everybody else only warnings and worse, and not what comes over the journal's own socket: Docker sends there what
# runs write to standard error, as errors.
_GRAVE = ("0", "1", "2", "3", "4")
_FROM = ("syslog", "stdout", "driver", "audit")


def argv(*, lines: int, follow: bool, everything: bool, as_json: bool) -> list[str]:
    """The journalctl words: the last so many lines, and with `follow` every one to come."""
    words = ["journalctl", "--quiet", "--no-pager", f"--lines={lines}"]
    words.append("--output=json" if as_json else "--output=short-iso")
    words += ["--follow"] if follow else []
    return words if everything else [*words, *_matches()]


def _matches() -> list[str]:
    groups = (
        [f"_SYSTEMD_UNIT={unit}" for unit in UNITS],
        [f"UNIT={unit}" for unit in (*UNITS, "docker.service", "ssh.service", "ssh.socket", "sshd.service")],
        [f"SYSLOG_IDENTIFIER={name}" for name in _IDENTIFIERS],
        ["_TRANSPORT=kernel"],
        [*(f"PRIORITY={level}" for level in _GRAVE), *(f"_TRANSPORT={way}" for way in _FROM)],
    )
    return [word for number, group in enumerate(groups) for word in (["+"] * (number > 0) + group)]


def lines(connection: Connection, words: Sequence[str]) -> Iterator[str]:
    """The command's lines as they come. Raises HostUnreachable, AlError when the journal cannot be read."""
    privileged = [] if connection.user == "root" else ["sudo", "-n", "--"]
    with connection.open([*privileged, *words]) as channel:
        for line in channel.stdout:
            yield line.decode(errors="replace").rstrip("\n")
        code = channel.wait(10)
        said = channel.stderr.read().decode(errors="replace").strip()
    if code:
        raise AlError(
            f"the journal of {connection.host_label} cannot be read: the command ended with status {code}",
            hint="it needs root, or a user who may run journalctl through sudo without a password",
            detail=said or None,
        )
