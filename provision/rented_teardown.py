"""Removes a rented server and everything that was made for it, finished or interrupted; the files here go last."""

from __future__ import annotations

from dataclasses import dataclass

from alvps.errors import CredentialsMissing
from alvps.project.environment import Dns, Environment
from alvps.provision import record
from alvps.provision.cloud import Cloud
from alvps.provision.provider import Event, Progress, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """Ids, each once: those on disk, and what carries the instance at the provider."""

    servers: tuple[str, ...]
    firewalls: tuple[str, ...]
    ssh_keys: tuple[str, ...]


def destroy(cloud: Cloud, environment: Environment, progress: Progress, *, dns_token: str | None) -> Report:
    """What is gone already counts as removed by somebody else and is not named in the report.

    Raises CredentialsMissing before anything is removed, CloudError; then the files are still there, and the same call
    goes on.
    """
    dns = _dns(environment)
    if dns is not None and dns_token is None:
        raise CredentialsMissing(
            f"the DNS records {', '.join(dns.records)} cannot be removed without a token; nothing was removed",
            hint="al creds add cloudflare_api_token; if they are gone, take [dns] out of the environment's file",
        )
    progress(Event(step="remove", text=f"removing what was made at {cloud.name}"))
    made = _made(cloud, environment)
    removed = [
        # In this order: a firewall cannot go before the server that it guards.
        *(f"server {id_}" for id_ in made.servers if cloud.delete_server(id_)),
        *(f"firewall {id_}" for id_ in made.firewalls if cloud.delete_firewall(id_)),
        *(f"ssh key {id_}" for id_ in made.ssh_keys if cloud.delete_ssh_key(id_)),
        *(f"DNS record {name}" for name in _without_records(dns, dns_token)),
    ]
    return Report(removed=(*removed, *record.forget(environment.name)), left=())


def _made(cloud: Cloud, environment: Environment) -> _Made:
    written, begun = environment.rented, record.load(environment.name)
    noted = begun.rented if begun else None
    instance = written.instance if written else begun.instance if begun else None
    found = cloud.find_server(instance) if instance else None
    return _Made(
        servers=_ids(written.server if written else None, noted.server if noted else None, found.id if found else None),
        firewalls=_ids(
            written.firewall if written else None,
            noted.firewall if noted else None,
            cloud.find_firewall(instance) if instance else None,
        ),
        ssh_keys=_ids(
            written.ssh_key if written else None,
            noted.ssh_key if noted else None,
            cloud.find_ssh_key(instance) if instance else None,
        ),
    )


def _dns(environment: Environment) -> Dns | None:
    begun = record.load(environment.name)
    return environment.dns or (begun.rented.dns if begun and begun.rented else None)


def _without_records(known: Dns | None, token: str | None) -> tuple[str, ...]:
    """Removes them; the names of those that there were."""
    if known is None or token is None:
        return ()
    from alvps.provision import dns

    return dns.remove(known, token)


def _ids(*known: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, known)))
