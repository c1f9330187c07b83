"""Removes what `al provision` made, whatever kind of machine it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alvps.project.environment import Environment, Rented, Web
from alvps.project.environments import companion_folder, list_environments, load_environment
from alvps.provision import record
from alvps.provision.api_keys import find_api_key
from alvps.provision.clouds import names as clouds
from alvps.provision.clouds import open_cloud
from alvps.provision.provider import Progress, Report, silent
from alvps.provision.record import Record
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
            rented=_rented(begun),
            web=begun.rented.web if begun.rented else Web(),
            dns=begun.rented.dns if begun.rented else None,
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
    files here (for a machine that is gone). passphrase: as for Existing. Raises UsageError, CredentialsMissing,
    ProvisionFailed, HostUnreachable, HostKeyRefused; then the files are still there and the same call can be made
    again.
    """
    known = find(environment) if isinstance(environment, str) else environment
    if forget:
        billed = "; it is billed until it is deleted there" if known.provider in clouds() else ""
        left = f"everything on {where(known)}: it was not contacted{billed}"
        return Report(removed=record.forget(known.name), left=(left,))
    options: dict[str, Any] = {"name": known.name}
    if known.provider != "local":
        options["dns_token"] = find_api_key("cloudflare")
    if known.provider == "existing":
        options |= {"host": known.host, "passphrase": passphrase}
    elif known.provider in clouds():
        options["cloud"] = open_cloud(known.provider)
    provider = open_provider(known.provider, **options)
    return provider.destroy(known, progress, purge=purge)


def where(environment: Environment) -> str:
    """The machine, for people."""
    if environment.container:
        return environment.container
    if environment.provider not in clouds():
        return f"{environment.user}@{environment.host}"
    rented = environment.rented
    server = f"the server {rented.server} ({environment.host})" if rented else "whatever was made"
    return f"{server} at {environment.provider}"


def _rented(begun: Record) -> Rented | None:
    """What the provider made, as far as it is known: without a server's id it is not an environment's."""
    made = begun.rented
    if made is None or made.server is None:
        return None
    return Rented(
        server=made.server,
        ssh_key=made.ssh_key,
        firewall=made.firewall,
        region=made.wanted.region,
        instance=begun.instance,
    )
