"""Who fails too often is told to wait; who succeeds is never asked."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from sanic import Request

MOST = 20  # failures of one address within WITHIN
WITHIN = 60.0  # seconds
ADDRESSES = 1024  # that are remembered; the one that failed longest ago is forgotten first


class Limiter:
    """Counts failures by address, in a bounded space."""

    def __init__(
        self,
        *,
        most: int = MOST,
        within: float = WITHIN,
        addresses: int = ADDRESSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._within = within
        self._addresses = addresses
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()  # since when, and how many

    def failed(self, address: str) -> float | None:
        """Count a failure; gives the seconds to wait (more than 0) if the address has had its share, else None."""
        now = self._clock()
        since, count = self._failures.pop(address, (now, 0))
        if now - since >= self._within:
            since, count = now, 0
        self._failures[address] = (since, min(count + 1, self._most + 1))
        if len(self._failures) > self._addresses:
            self._failures.popitem(last=False)
        return since + self._within - now if count >= self._most else None


def sender(request: Request) -> str:
    """Whom to hold responsible for a request, see `client`."""
    forwarded = request.headers.getall("x-forwarded-for", ())
    return client(request.ip, forwarded[-1] if forwarded else None)


def client(peer: str, forwarded: str | None) -> str:
    """Whom to hold responsible: the peer, or whom a proxy on this machine (loopback) names last in X-Forwarded-For.

    Of an IPv6 address the first 64 bits: one customer has at least as many addresses.
    """
    address = _address(peer)
    if forwarded is not None and (address is None or address.is_loopback):
        address = _address(forwarded.rpartition(",")[2].strip(" \t")) or address
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return str(address or "unknown")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
