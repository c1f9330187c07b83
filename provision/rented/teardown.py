"""Removes a rented server and everything that was made for it, finished or interrupted; the files here go last."""

from __future__ import annotations

from dataclasses import dataclass

from alvps.project.environment import Dns, Environment
from alvps.provision import dns_removal, record
from alvps.provision.cloud import Cloud
from alvps.provision.provider import Event, Progress, ProvisionFailed, Report
from alvps.provision.rented import steps


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """Ids, each once: those on disk, and what carries the instance at the provider."""

    servers: tuple[str, ...]
    firewalls: tuple[str, ...]
    ssh_keys: tuple[str, ...]


def destroy(cloud: Cloud, environment: Environment, progress: Progress, *, dns_token: str | None) -> Report:
    """What is gone already counts as removed by somebody else; a server among that is named in the report.

    Raises CredentialsMissing before anything is removed, CloudError, and ProvisionFailed when nothing of it is there:
    so it looks for an API key of another project, and a server that nobody remembers is billed on. Then the files are
    still there, and the same call goes on.
    """
    dns = _dns(environment)
    dns_removal.require_token(dns, dns_token)
    progress(Event(step="remove", text=f"removing what was made at {cloud.name}"))
    made = _made(cloud, environment, progress)
    removed = []
    # In this order: a firewall cannot go before the server that it guards.
    for kind, ids, delete in (
        ("server", made.servers, cloud.delete_server),
        ("firewall", made.firewalls, cloud.delete_firewall),
        ("ssh key", made.ssh_keys, cloud.delete_ssh_key),
    ):
        for id_ in ids:
            if delete(id_):
                record.note_removal(environment.name)
                removed.append(f"{kind} {id_}")
    if made.servers and not removed and not record.removal_begun(environment.name):
        raise ProvisionFailed(
            f"nothing of {environment.name} (server {', '.join(made.servers)}) is at {cloud.name} for this API key",
            hint=f"is it another project's key? if all of it is gone: al teardown {environment.name} --forget",
        )
    removed += dns_removal.removed(dns, dns_token)
    left = tuple(
        f"server {id_}: {cloud.name} has none of that id for this API key; it is gone, or another project's"
        for id_ in made.servers
        if f"server {id_}" not in removed
    )
    return Report(removed=(*removed, *record.forget(environment.name)), left=left)


def _made(cloud: Cloud, environment: Environment, progress: Progress) -> _Made:
    written, begun = environment.rented, record.load(environment.name)
    noted = begun.rented if begun else None
    instance = written.instance if written else begun.instance if begun else None
    late = steps.late(begun, progress) if begun and noted else 0.0
    found = cloud.find_server(instance, late=late) if instance else None
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


def _ids(*known: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, known)))
