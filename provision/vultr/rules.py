"""Which rules a host's firewall group has, and what has to change until it has them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alvps.provision.vultr.domain import NumberedRule, Rule

_EVERYBODY = {"v4": "0.0.0.0", "v6": "::"}  # noqa: S104  # nothing is bound: from anywhere
_ANYWHERE = 0  # subnet_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """missing: to be added, first; surplus: ids to be removed then, so that SSH is never closed in between."""

    missing: tuple[Rule, ...]
    surplus: tuple[int, ...]


def wanted(ports: Iterable[int]) -> tuple[Rule, ...]:
    """These TCP ports and ping, for everybody, by IPv4 and IPv6."""
    return tuple(
        Rule(ip_type=ip_type, protocol=protocol, port=port, subnet=subnet, subnet_size=_ANYWHERE)
        for ip_type, subnet in _EVERYBODY.items()
        for protocol, port in (("icmp", ""), *(("tcp", str(port)) for port in sorted(set(ports))))
    )


def change(found: Iterable[NumberedRule], ports: Iterable[int]) -> Change:
    """From the rules that there are to those that are wanted; of two alike the later one goes."""
    target = wanted(ports)
    kept: set[Rule] = set()
    surplus = []
    for one in found:
        if one.rule in target and one.rule not in kept:
            kept.add(one.rule)
        else:
            surplus.append(one.id)
    return Change(missing=tuple(rule for rule in target if rule not in kept), surplus=tuple(surplus))
