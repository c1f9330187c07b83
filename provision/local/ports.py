"""Where a local VPS listens."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

# Below those that the kernel takes for outgoing connections (ip(7): ip_local_port_range), or one of them could have the
# port just when the VPS is started, today or after a restart of this machine.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing uses right now. Raises OSError when there is none."""
    return first_free(random.sample(_PORTS, 100))


def first_free(ports: Iterable[int]) -> int:
    """The first of these TCP ports of 127.0.0.1 that nothing uses right now. Raises OSError when there is none."""
    for port in ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("there is no free port on 127.0.0.1")
