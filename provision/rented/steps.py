"""The steps of renting a server: each makes one thing, and has on disk what it made before it returns.

They are functions of the record of what is being made; provider.py calls them in order.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from alvps.project.environment import Dns, Environment, Rented
from alvps.project.environments import companion_folder
from alvps.provision import bootstrap, record
from alvps.provision.cloud import Cloud, CloudError, Order, OrderUnanswered, Server, SshKey
from alvps.provision.cloudinit import FirstBoot, user_data
from alvps.provision.provider import Event, Progress, ProvisionFailed
from alvps.provision.record import Record
from alvps.provision.rented.begun import Begun
from alvps.provision.rented.keys import public_line, user_key
from alvps.provision.rented.order import Choice
from alvps.provision.timing import timed
from alvps.ssh.hostkeys import generate, known_hosts_line, parse_public, write_pin


def authorized(made: Record, server: Server | None) -> str:
    """The public line of the key that the server lets in. Raises ProvisionFailed when that key is gone."""
    path = key_path(made)
    if server is not None and not path.exists():
        raise ProvisionFailed(f"the server {server.id} lets only the key {path} in, and that file is gone")
    return public_line(path, made.name) if made.key_path else user_key(path, made.name)


def key_path(made: Record) -> Path:
    """The private key file that the server lets in."""
    return Path(made.key_path) if made.key_path else companion_folder(made.name) / "id_ed25519"


def access(cloud: Cloud, made: Record, public: str, progress: Progress) -> tuple[Record, SshKey]:
    """Key and firewall at the provider, as they have to be, whatever was there before."""
    label, web = f"al-{made.name}-{made.instance}", begun_of(made).web
    with timed(progress, "ssh key", f"the SSH key is at {cloud.name}"):
        key = cloud.ssh_key(name=label, public_key=public, instance=made.instance)
    made = note(made, ssh_key=key.id if key.ours else None)
    ports = bootstrap.ports(web)
    with timed(progress, "firewall", f"the firewall opens {', '.join(map(str, ports))}"):
        firewall = cloud.firewall(name=label, ports=ports, instance=made.instance)
    return note(made, firewall=firewall), key


def order(
    cloud: Cloud, made: Record, choice: Choice, *, public: str, key: SshKey, progress: Progress
) -> tuple[Record, Server]:
    """The server, ordered once. Its host key is made here, and its private half is in the user-data alone."""
    begun, host_key = begun_of(made), generate(made.name)
    assert begun.firewall is not None
    made = note(made, host_keys=(*begun.host_keys, host_key.key.line()), ordered=time.time())
    boot = FirstBoot(
        hostname=made.name,
        authorized_key=public,
        host_key=host_key,
        bootstrap=bootstrap.script(),
        web=begun.web,
    )
    wanted = Order(
        name=made.name,
        instance=made.instance,
        plan=choice.plan.id,
        region=choice.region.id,
        image=choice.image.id,
        ssh_key=key.id,
        firewall=begun.firewall,
        user_data=user_data(boot),
    )
    with timed(progress, "order", f"a server is ordered: {choice}"):
        try:
            server = cloud.create_server(wanted)
        except OrderUnanswered:
            raise
        except CloudError:
            note(made, ordered=None)
            raise
    return made, server


def pin(made: Record, server: Server, progress: Progress) -> Record:
    """The address, on disk, and the host keys pinned for it."""
    address = _address(server)
    if made.host not in {"", address}:
        text = f"the server {server.id} has another address now: {address}, it was {made.host}"
        progress(Event(step="address", text=text, note=True))
    made = replace(made, host=address)
    record.save(made)
    lines = [known_hosts_line(address, made.port, parse_public(line)) for line in begun_of(made).host_keys]
    write_pin(companion_folder(made.name) / "known_hosts", lines)
    return made


def names(made: Record, server: Server, token: str | None, progress: Progress) -> Record:
    """The domain's address records, before the server asks for a certificate."""
    domain = begun_of(made).web.domain
    if domain is None:
        return made
    addresses = tuple(filter(None, (server.address, server.address6)))
    if token is None:
        kinds = " and ".join(f"{'AAAA' if ':' in address else 'A'} {address}" for address in addresses)
        text = f"make these DNS records for {domain}: {kinds} (with a credential cloudflare_api_token, al does it)"
        progress(Event(step="dns", text=text, note=True))
        return made
    from alvps.provision import dns

    latest = made

    def on_made(known: Dns) -> None:
        nonlocal latest
        latest = note(latest, dns=known)

    with timed(progress, "dns", f"{domain} points to {', '.join(addresses)}"):
        on_made(dns.ensure(domain, addresses, token, known=begun_of(made).dns, on_made=on_made))
    return latest


def environment(made: Record, server: Server) -> Environment:
    """What the environment's file will say."""
    begun = begun_of(made)
    return Environment(
        name=made.name,
        host=made.host,
        key_path=key_path(made),
        known_hosts=companion_folder(made.name) / "known_hosts",
        provider=made.provider,
        rented=Rented(
            server=server.id,
            ssh_key=begun.ssh_key,
            firewall=begun.firewall,
            region=server.region,
            instance=made.instance,
        ),
        web=begun.web,
        dns=begun.dns,
    )


def note(made: Record, **what: object) -> Record:
    """The record with these things of `Begun`, on disk."""
    noted = replace(made, rented=replace(begun_of(made), **what))  # type: ignore[arg-type]  # the names of its fields
    record.save(noted)
    return noted


def late(made: Record, progress: Progress) -> float:
    """Seconds for which the server of an order that was not answered may still not show; said, for it is a wait."""
    seconds = begun_of(made).late(time.time())
    if seconds:
        progress(
            Event(step="check", text=f"an order was not answered: looking for its server, {seconds:.0f} s at most")
        )
    return seconds


def begun_of(made: Record) -> Begun:
    """What was asked of the provider and what it made; every record of a rented server has it."""
    assert made.rented is not None
    return made.rented


def _address(server: Server) -> str:
    assert server.address is not None  # wait_running's promise
    return server.address
