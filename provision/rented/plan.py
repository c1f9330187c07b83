"""What renting a server would do: the provider's lists are read, nothing is made anywhere."""

from __future__ import annotations

from pathlib import Path

from alvps.project.environment import Web
from alvps.project.environments import companion_folder
from alvps.provision import bootstrap
from alvps.provision.cloud import Cloud
from alvps.provision.cloudinit import FirstBoot, user_data
from alvps.provision.provider import Plan
from alvps.provision.rented.begun import Wanted
from alvps.provision.rented.keys import public_line
from alvps.provision.rented.order import check
from alvps.ssh.hostkeys import KeyPair
from alvps.ssh.known_hosts import HostKey

_LATER = "(made when the server is ordered)"


def plan(cloud: Cloud, name: str, wanted: Wanted, key_path: Path | None, web: Web) -> Plan:
    """Raises UsageError and CloudError as `create` would before it makes anything."""
    choice = check(cloud.offers(), wanted)
    own = None if key_path is None else public_line(key_path, name)
    boot = FirstBoot(
        hostname=name,
        authorized_key=own or _LATER,
        host_key=KeyPair(private=_LATER, public=_LATER, key=HostKey(type="", blob=b"")),
        bootstrap=bootstrap.script(),
        web=web,
    )
    key = f"use the SSH key {key_path}" if key_path else f"make an SSH key pair in {companion_folder(name)}"
    dns = (f"see to the address records of {web.domain}",) if web.domain else ()
    order = f"order the server {name}: {choice}, for {choice.price} a month (net)"
    return Plan(
        provider=cloud.name,
        environment=name,
        price=f"{choice.price} a month, net",
        steps=(
            f"{key} and hand its public half to {cloud.name}",
            f"make a firewall that opens {', '.join(map(str, bootstrap.ports(web)))} (TCP), and ping",
            f"{order}, with its host key and the bootstrap in its user-data",
            *dns,
            "wait until it runs, SSH shows that host key, and cloud-init and the bootstrap are through",
            f"write the environment {name}",
        ),
        user_data=user_data(boot),
    )
