"""Every filter of every provider, over HTTP: payloads in the documented shapes, signed and sent to a whole daemon."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.support.daemon_rig import release, rows
from tests.support.fake_launcher import FakeLauncher
from tests.support.webhooks import (
    SIGNED_IN,
    TYPES,
    config,
    deliver,
    port_of,
    running,
    secret_of,
    signature,
    store_secret,
    trigger,
)
from tests.unit.webhooks.payloads import NOW
from tests.unit.webhooks.test_webhook_match import DELIVERIES, HELD


def started(host: Path, delivery: str) -> set[str]:
    """The agents that the delivery started."""
    query = "SELECT agent FROM delivery_agents WHERE delivery = ? AND run IS NOT NULL"
    return {row["agent"] for row in rows(host, query, delivery)}


def test_each_filter_lets_through_what_it_should_and_nothing_near_it(tmp_path: Path) -> None:
    agents = {}
    for number, (name, field, has, near) in enumerate(HELD):
        source = DELIVERIES[name][0]
        agents[f"has-{number}"] = trigger(source, **{field: [has]})
        agents[f"near-{number}"] = trigger(source, **{field: [near]})
    release(tmp_path, 1, agents, config(*TYPES))
    for type_ in TYPES:
        store_secret(tmp_path, type_, secret_of(type_))
    began = time.monotonic()

    async def scenario() -> None:
        # The payloads are of their own time, and Linear's say so: the daemon lives then.
        async with FakeLauncher(tmp_path), running(tmp_path, lambda: NOW + time.monotonic() - began) as daemon:
            for name, (type_, headers, body) in DELIVERIES.items():
                proof = [(SIGNED_IN[type_], signature(type_, body, secret_of(type_)))]
                form = any(header.lower() == "content-type" for header, _ in headers)
                content = [] if form else [("Content-Type", "application/json")]
                reply = await deliver(port_of(daemon), type_, body, [*content, *headers, *proof])
                assert reply.status == 200, (name, reply)
                found = started(tmp_path, reply.headers["al-delivery"])
                own = [number for number, held in enumerate(HELD) if held[0] == name]
                assert {f"has-{number}" for number in own} <= found, name
                assert not {f"near-{number}" for number in own} & found, name

    asyncio.run(scenario())
