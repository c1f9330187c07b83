"""The port that a local VPS gets."""

from __future__ import annotations

import socket

import pytest

from alvps.provision.local import ports
from tests.support.ports import free_port


def test_none_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_port()
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_PORTS", [port, free])
        monkeypatch.setattr(ports.random, "sample", lambda population, _: list(population))
        assert ports.free_port() == free
        monkeypatch.setattr(ports, "_PORTS", [port])
        with pytest.raises(OSError, match="no free port"):
            ports.free_port()
