"""Ports that tests listen on."""

from __future__ import annotations

import os
from itertools import cycle, islice

from alvps.provision.local.ports import first_free

# Each process that runs tests has its own, and takes one after the other: none is given out twice at a time. The kernel
# takes others for outgoing connections (from 32768 on), and so does a local VPS (from 20000 on).
_COUNT = 900
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw10").removeprefix("gw")) % 11
_PORTS = cycle(range(10_000 + _COUNT * _WORKER, 10_000 + _COUNT * (_WORKER + 1)))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing uses, and that no other test gets soon."""
    return first_free(islice(_PORTS, _COUNT))
