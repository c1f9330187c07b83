"""The daemon is killed at random moments while senders send; what each of them was told, they keep, and it is true."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
from collections import Counter
from pathlib import Path

from tests.support.daemon_rig import Process, behave, ledger, release, rows, until
from tests.support.fake_launcher import FakeLauncher
from tests.support.webhooks import Reply, config, payload, process, secret_of, sender, signed, store_secret, trigger

KILLS = int(os.environ.get("AL_KILLS", "10"))
SENDERS = 6


class Provider:
    """Sends each delivery until it is acknowledged, as a provider with redelivery does."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, list[Reply]] = {}  # the provider's id of a delivery -> every 200 that came
        self.sent: Counter[str] = Counter()
        self.port = 0

    async def run(self, name: int) -> None:
        number = 0
        while True:
            number += 1
            body = json.dumps(payload("github", text=f"{name} {number} " + "x" * random.randrange(20_000))).encode()
            await self.until_acknowledged(f"{name}-{number}", body)

    async def until_acknowledged(self, delivery: str, body: bytes) -> None:
        headers = signed("github", body, delivery=delivery)
        again = random.random() < 0.1  # the acknowledgement is lost on the way: it is sent once more
        while delivery not in self.acknowledged or again:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                async with sender(self.port) as connection:
                    self.sent[delivery] += 1
                    reply = await connection.send("github", body, headers)
                    assert reply.status in (200, 503), reply
                    if reply.status == 200:
                        again = again and delivery not in self.acknowledged
                        self.acknowledged.setdefault(delivery, []).append(reply)
            await asyncio.sleep(0.005)


def test_nothing_acknowledged_is_lost_and_nothing_runs_twice(tmp_path: Path) -> None:
    host = tmp_path
    more = "scale = 6\nworkQueueSize = 30\n"
    agents = {"dev": "scale = 3\n" + trigger("github"), "ops": "scale = 3\n" + trigger("github", actions=["opened"])}
    release(host, 1, agents, config("github", more=more))
    store_secret(host, "github", secret_of("github"))
    behave(host, _all={"seconds": 0.02})
    provider = Provider()

    async def begin() -> Process:
        daemon = process(host)
        await daemon.up()
        provider.port = daemon.port
        return daemon

    async def scenario() -> None:
        async with FakeLauncher(host):
            daemon = await begin()
            senders = [asyncio.create_task(provider.run(name)) for name in range(SENDERS)]
            for _ in range(KILLS):
                before = len(provider.acknowledged)
                await until(lambda before=before: len(provider.acknowledged) > before + 5, "acknowledgements")
                await asyncio.sleep(random.uniform(0, 0.1))
                daemon.kill()
                daemon = await begin()
            for task in senders:
                task.cancel()
            await asyncio.wait(senders)
            assert not [task for task in senders if not task.cancelled() and task.exception()]
            await until(lambda: not rows(host, "SELECT run FROM runs WHERE finished IS NULL"), "the end of all runs")
            assert daemon.terminate() == 0

    asyncio.run(scenario())
    check(host, provider)


def check(host: Path, provider: Provider) -> None:
    stored = {row["delivery_id"]: row for row in rows(host, "SELECT * FROM deliveries")}
    assert set(provider.acknowledged) <= set(stored), "acknowledged and not there"
    assert set(stored) <= set(provider.sent), "nobody sent that"
    assert sum(row["times"] for row in stored.values()) <= provider.sent.total()
    for delivery, replies in provider.acknowledged.items():
        for reply in replies:
            assert reply.headers["al-delivery"] == stored[delivery]["delivery"]
            assert (reply.body["matched"], reply.body["skipped"]) == (2, 0)
    starts = Counter(entry["run"] for entry in ledger(host, "start"))
    work = Counter()
    for run in rows(host, "SELECT run, agent, delivery, state FROM runs"):
        assert run["state"] == "completed", run
        assert starts[run["run"]] == 1
        work[run["delivery"], run["agent"]] += 1
    assert set(work.values()) == {1}, "a delivery was worked on twice by one agent"
    for delivery in provider.acknowledged:
        for agent in ("dev", "ops"):
            assert work[stored[delivery]["delivery"], agent] == 1, "acknowledged, and nobody did it"
    for table in ("delivery_bodies", "delivery_agents"):
        there = {row["delivery"] for row in rows(host, f"SELECT DISTINCT delivery FROM {table}")}
        assert there == {row["delivery"] for row in stored.values()}, "half a delivery"
    print(f"{len(provider.acknowledged)} acknowledged, {provider.sent.total()} sent, {KILLS} kills")
