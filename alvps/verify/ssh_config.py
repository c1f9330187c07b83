"""The settings with which the `ssh` command reaches an environment's host as `al` itself does; ssh_config(5)."""

from __future__ import annotations

from pathlib import Path

from alvps.project.environment import Environment

# Read after ours: of each setting the first value counts, so a jump host of the user's own configuration works.
_INCLUDED = ("~/.ssh/config", "/etc/ssh/ssh_config")


def render(environment: Environment, control: Path) -> str:
    """The file's text. `control`: the socket of the one connection that all commands share; a short path."""
    lines = [
        f"Host {environment.host}",
        f"User {_quoted(environment.user)}",
        f"Port {environment.port}",
        "BatchMode yes",
        "StrictHostKeyChecking yes",
        # What people set for their own sessions there is not for these.
        "RequestTTY no",
        "RemoteCommand none",
        "PermitLocalCommand no",
        "ForwardAgent no",
        "ClearAllForwardings yes",
        "ControlMaster auto",
        f"ControlPath {_quoted(control)}",
        "ControlPersist 60",
    ]
    if environment.key_path is not None:
        lines += [f"IdentityFile {_quoted(environment.key_path)}", "IdentitiesOnly yes"]
    if environment.known_hosts is not None:
        lines += [f"UserKnownHostsFile {_quoted(environment.known_hosts)}", "GlobalKnownHostsFile none"]
    return "\n".join([*lines, "Match all", *(f"Include {path}" for path in _INCLUDED), ""])


def _quoted(value: object) -> str:
    """A word as ssh reads it: in quotes, `%` doubled because it begins a token."""
    return '"' + str(value).replace("%", "%%") + '"'
