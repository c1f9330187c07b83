"""Removes what `al provision` made, whatever kind of machine it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alvps.errors import UsageError
from alvps.project.environment import Environment
from alvps.project.environments import companion_folder, list_environments, load_environment
from alvps.provision import record
from alvps.provision.provider import Progress, Report, silent
from alvps.provision.registry import open_provider


def find(name: str) -> Environment:
    """The environment of that name, or what is recorded of one that was interrupted. Raises UsageError."""
    if name not in list_environments() and (begun := record.load(name)) is not None:
        return Environment(
            name=name,
            host=begun.host,
            port=begun.port,
            user=begun.user,
            provider=begun.provider,
            container=begun.container,
            key_path=Path(begun.key_path) if begun.key_path else None,
            # Written right after the record; without it the host is not contacted again, it is not known which it is.
            known_hosts=companion_folder(name) / "known_hosts",
        )
    return load_environment(name)


def teardown(
    environment: Environment | str,
    *,
    purge: bool = False,
    forget: bool = False,
    passphrase: Callable[[Path], str | None] | None = None,
    progress: Progress = silent,
) -> Report:
    """Removes the machine, or on one that stays what was installed there, then the environment's files.

    purge: also history, credentials and accounts on a machine that stays. forget: contact nothing, only remove the
    files here (for a machine that is gone). passphrase: as for Existing. Raises UsageError, ProvisionFailed,
    HostUnreachable, HostKeyRefused; then the files are still there and the same call can be made again.
    """
    known = find(environment) if isinstance(environment, str) else environment
    if forget:
        where = known.container or known.host
        return Report(removed=record.forget(known.name), left=(f"everything on {where}: it was not contacted",))
    if known.provider == "local":
        provider = open_provider("local", name=known.name)
    elif known.provider == "existing":
        provider = open_provider("existing", name=known.name, host=known.host, passphrase=passphrase)
    else:
        raise UsageError(f"environment {known.name!r}: this version cannot remove a {known.provider!r} machine")
    return provider.destroy(known, progress, purge=purge)
