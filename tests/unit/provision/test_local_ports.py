"""The port that a local VPS gets."""

from __future__ import annotations

import socket

import pytest

from alvps.provision.local.ports import first_free
from tests.support.ports import free_port


def test_none_that_is_used() -> None:
    free = free_port()
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        used = listener.getsockname()[1]
        assert first_free([used, free]) == free
        with pytest.raises(OSError, match="no free port"):
            first_free([used])
