"""The addresses at which the world reaches a host."""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Iterable, Iterator

from alvps.ssh import Connection


def of(connection: Connection, host: str) -> tuple[str, ...]:
    """One of IPv4 and one of IPv6, as far as there are. host: what the environment calls it.

    Its own interfaces know best; behind a translating router it is what its name, or its address, leads to.
    """
    answer = connection.run(["ip", "-j", "address", "show", "scope", "global"], timeout=20)
    own = list(interfaces(answer.stdout.decode(errors="replace"))) if answer.exit_code == 0 else []
    return public((*own, *_looked_up(host)))


def interfaces(text: str) -> Iterator[str]:
    """The lasting addresses in what `ip -j address` prints (iproute2)."""
    try:
        infos = [info for link in json.loads(text) for info in link.get("addr_info", ())]
        for info in infos:
            if not (info.get("temporary") or info.get("deprecated") or info.get("tentative")):
                yield str(info.get("local", ""))
    except (ValueError, TypeError, AttributeError):
        return  # another program of that name


def public(candidates: Iterable[str]) -> tuple[str, ...]:
    """The first of each version that the whole internet can reach."""
    found: dict[int, str] = {}
    for text in candidates:
        try:
            address = ipaddress.ip_address(text.strip("[]"))
        except ValueError:
            continue
        if address.is_global and not address.is_multicast:
            found.setdefault(address.version, str(address))
    return tuple(found[version] for version in sorted(found))


def _looked_up(host: str) -> Iterator[str]:
    try:
        answers = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except OSError:
        return
    for *_, address in answers:
        yield str(address[0])
