"""The launcher's stand-in: whenever it ends, whoever has just connected is not left with an open connection."""

from __future__ import annotations

import asyncio
import gc
import socket
from pathlib import Path

import pytest

from alvps import frames
from tests.support.fake_launcher import FakeLauncher


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize("turns", range(8))
def test_no_connection_stays_open_behind_it(tmp_path: Path, turns: int, *, asks: bool) -> None:
    """turns: of the loop between the connection and the end; a connection left open fails the test when it is found."""

    async def scenario() -> list[socket.socket]:
        async with FakeLauncher(tmp_path) as launcher:
            clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
            for client in clients:
                client.connect(str(launcher.socket))
                if asks:
                    client.sendall(frames.pack({"verb": "watch"}))
            for _ in range(turns):
                await asyncio.sleep(0)
        return clients

    for client in asyncio.run(scenario()):
        client.close()
    gc.collect()
