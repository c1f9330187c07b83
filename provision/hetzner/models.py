"""Between hcloud's models and ours. Pure."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Any

from hcloud.firewalls import FirewallRule

from alvps.provision.cloud import Server

_EVERYWHERE = ["0.0.0.0/0", "::/0"]


def rules(ports: tuple[int, ...]) -> list[FirewallRule]:
    """These TCP ports and ping, from everywhere. With rules, a firewall drops everything else that comes in."""
    return [
        FirewallRule(direction="in", protocol="icmp", source_ips=_EVERYWHERE),
        *(FirewallRule(direction="in", protocol="tcp", port=str(port), source_ips=_EVERYWHERE) for port in ports),
    ]


def meaning(rule: FirewallRule) -> tuple[object, ...]:
    """What a rule does, whatever its description and the order of its addresses."""
    sources, destinations = frozenset(rule.source_ips), frozenset(rule.destination_ips)
    return rule.direction, rule.protocol, rule.port, sources, destinations


def labels(instance: str) -> dict[str, str]:
    """What marks a thing as made for this instance."""
    return {"managed-by": "al", "al-instance": instance}


def selector(instance: str) -> str:
    """Finds what carries the labels; https://docs.hetzner.cloud/reference/cloud#label-selector."""
    return f"al-instance={instance}"


def server_of(found: Any, *, ticket: str | None = None) -> Server:
    """A BoundServer as ours; hcloud's annotations call every field optional."""
    net = found.public_net
    return Server(
        id=str(found.id),
        name=found.name,
        region=found.location.name,
        running=found.status == "running",
        address=net.ipv4.ip if net.ipv4 else None,
        # A server has a whole network; its own address is the first (Hetzner's images configure it so).
        address6=str(IPv6Network(net.ipv6.ip)[1]) if net.ipv6 else None,
        ticket=ticket,
    )
