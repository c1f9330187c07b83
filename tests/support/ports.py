"""Ports that tests listen on."""

from __future__ import annotations

import os
import socket
from itertools import cycle, islice

# Each process that runs tests has its own, and takes one after the other: none is given out twice at a time. The kernel
# takes others for outgoing connections (from 32768 on), and so does a local VPS (from 20000 on).
_COUNT = 900
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw10").removeprefix("gw")) % 11
_PORTS = cycle(range(10_000 + _COUNT * _WORKER, 10_000 + _COUNT * (_WORKER + 1)))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing uses, and that no other test gets soon."""
    for port in islice(_PORTS, _COUNT):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
