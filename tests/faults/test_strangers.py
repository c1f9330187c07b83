"""Requests without a valid signature, of every kind, from ever other addresses: they leave nothing behind."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.support.daemon_rig import release, rows
from tests.support.fake_launcher import FakeLauncher
from tests.support.faults import Figures, often
from tests.support.strangers import BODY, durable, flood, memory
from tests.support.webhooks import config, deliver, process, secret_of, store_secret, trigger

REQUESTS = often(20_000, 1_000_000)
CONNECTIONS = 4
WARM = 5_000  # requests until the daemon has seen everything once
MORE = 2 << 20  # bytes of memory


def test_strangers_cost_nothing(tmp_path: Path, figures: Figures) -> None:
    host = tmp_path
    release(host, 1, {"dev": trigger("github")}, config("github"))
    store_secret(host, "github", secret_of("github"))
    grown = seconds = 0.0

    async def scenario() -> None:
        nonlocal grown, seconds
        async with FakeLauncher(host):
            daemon = process(host)
            await daemon.up()
            pid = daemon.process.pid
            await asyncio.gather(*(flood(daemon.port, WARM // CONNECTIONS) for _ in range(CONNECTIONS)))
            stored, before, begun = durable(host), memory(pid), time.monotonic()
            await asyncio.gather(*(flood(daemon.port, REQUESTS // CONNECTIONS) for _ in range(CONNECTIONS)))
            seconds, grown = time.monotonic() - begun, memory(pid) - before
            assert durable(host) == stored
            assert (await deliver(daemon.port, "github", BODY)).status == 200
            assert daemon.terminate() == 0

    asyncio.run(scenario())
    assert len(rows(host, "SELECT delivery FROM deliveries")) == 1
    lines = len((host / "daemon.log").read_text().splitlines())
    assert lines < 20 + seconds / 30  # one a minute says how many
    assert grown <= MORE
    figures(
        f"{REQUESTS:,} unauthenticated requests in {seconds:.0f} s: 0 bytes stored, {grown / 1024:+,.0f} KiB of memory,"
        f" {lines} lines of log"
    )
