"""The disk of the state is full while webhooks come and runs end: a small file system of its own.

Each delivery is either acknowledged and kept, or answered with 503 and a time to come again. When there is space again
everything goes on by itself, in the same process: what had ended meanwhile is recorded, what waited runs, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.support.daemon_rig import Process, ask, behave, ledger, release, rows, until
from tests.support.fake_launcher import FakeLauncher
from tests.support.faults import Figures
from tests.support.webhooks import Sender, config, payload, process, secret_of, sender, signed, store_secret, trigger

SIZE = 32 << 20  # bytes of the file system
SENDERS = 4
REFUSALS = 60  # until the space comes back


def as_root(*argv: str) -> None:
    subprocess.run([*([] if os.getuid() == 0 else ["sudo", "--"]), *argv], check=True)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own at that folder."""
    folder.mkdir()
    as_root("mount", "-t", "tmpfs", "-o", f"size={SIZE},uid={os.getuid()},mode=0700", "none", str(folder))
    try:
        yield folder
    finally:
        as_root("umount", str(folder))


class Providers:
    """Several senders, each of which sends a delivery until it is acknowledged."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.acknowledged: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.enough = False

    async def run(self, name: int) -> None:
        async with sender(self.port) as connection:
            number = 0
            while not self.enough:
                number += 1
                await self.one(f"{name}-{number}", connection)

    async def one(self, delivery: str, connection: Sender) -> None:
        body = json.dumps(payload("github", text=random.randbytes(4000).hex())).encode()
        while not self.enough:
            reply = await connection.send("github", body, signed("github", body, delivery=delivery))
            if reply.status == 200:
                self.acknowledged.add(delivery)
                return
            assert reply.status == 503, reply
            assert 0 < int(reply.headers["retry-after"]) <= 60
            assert "error" in reply.body
            self.refused[delivery] += 1
            await asyncio.sleep(0.01)


def fill(disk: Path) -> None:
    """Take what is free until nothing more can be written."""
    with (disk / "ballast").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def prepared(host: Path) -> None:
    agents = {"dev": "scale = 4\n" + trigger("github"), "slow": "scale = 4\nmanual = true"}
    release(host, 1, agents, config("github", more="workQueueSize = 100000\n"))
    store_secret(host, "github", secret_of("github"))
    behave(host, dev={"seconds": 0.01}, slow={"seconds": 86_400})


def test_a_full_disk(tmp_path: Path, figures: Figures) -> None:
    host = tmp_path
    prepared(host)

    async def scenario(disk: Path) -> Providers:
        async with FakeLauncher(host) as launcher:
            daemon = process(host)
            await daemon.up()
            started = [(await ask(host, "POST", "/runs", {"agent": "slow"}))[1]["run"] for _ in range(3)]
            query = "SELECT run FROM runs WHERE agent = 'slow' AND state = 'running'"
            await until(lambda: len(rows(host, query)) == 3, "the slow runs")
            providers = Providers(daemon.port)
            tasks = [asyncio.create_task(providers.run(name)) for name in range(SENDERS)]
            await until(lambda: len(providers.acknowledged) > 20, "deliveries")
            while providers.refused.total() < REFUSALS:
                fill(disk)  # again: a checkpoint may have made room
                await asyncio.sleep(0.02)
                assert not [task for task in tasks if task.done()], tasks
            for run in started:
                launcher.end_now(run, 3)
            status, answer = await ask(host, "POST", "/runs", {"agent": "slow"})
            assert (status, "cannot" in answer["error"]) == (503, True), answer
            assert (await ask(host, "GET", "/status"))[0] == 200
            (disk / "ballast").unlink()
            stuck = set(providers.refused) - providers.acknowledged
            await until(lambda: stuck <= providers.acknowledged, "the acknowledgement of what had been refused")
            providers.enough = True
            await asyncio.gather(*tasks)
            await drained(host)
            assert daemon.process.poll() is None
            assert daemon.terminate() == 0
        found = rows(host, "SELECT state, exit_code FROM runs WHERE agent = 'slow'")
        assert [(row["state"], row["exit_code"]) for row in found] == [("failed", 3)] * 3
        return providers

    with small_disk(host / "state") as disk:
        providers = asyncio.run(scenario(disk))
        check(host, providers)
    figures(
        f"{len(providers.acknowledged)} deliveries acknowledged, none lost; {providers.refused.total()} times 503 with"
        " Retry-After; 3 exits recorded later; the same process all the time"
    )


def test_a_daemon_that_starts_on_a_full_disk(tmp_path: Path) -> None:
    """It was killed, say; what it had acknowledged is there, and it takes work again when there is space."""
    host = tmp_path
    prepared(host)

    async def scenario(disk: Path) -> Providers:
        async with FakeLauncher(host):
            daemon = process(host)
            await daemon.up()
            providers = Providers(daemon.port)
            tasks = [asyncio.create_task(providers.run(name)) for name in range(SENDERS)]
            while providers.refused.total() < REFUSALS:
                if len(providers.acknowledged) > 20:
                    fill(disk)
                await asyncio.sleep(0.02)
            daemon.kill()
            await asyncio.gather(*tasks, return_exceptions=True)  # cut off
            daemon = await started_on(host)
            providers.port = daemon.port
            (disk / "ballast").unlink()
            async with sender(daemon.port) as connection:
                await providers.one("after", connection)
            await drained(host)
            assert daemon.terminate() == 0
        return providers

    with small_disk(host / "state") as disk:
        check(host, asyncio.run(scenario(disk)))


async def started_on(host: Path) -> Process:
    daemon = process(host)
    await daemon.up()
    return daemon


async def drained(host: Path) -> None:
    """All runs have their end. A write that failed is tried again after up to half a minute."""
    for _ in range(3):
        try:
            await until(lambda: not rows(host, "SELECT run FROM runs WHERE finished IS NULL"), "the end of all runs")
        except AssertionError:
            continue
        return
    raise AssertionError(rows(host, "SELECT * FROM runs WHERE finished IS NULL"))


def check(host: Path, providers: Providers) -> None:
    stored = {row["delivery_id"]: row["delivery"] for row in rows(host, "SELECT * FROM deliveries")}
    assert providers.acknowledged <= set(stored)
    work = Counter(row["delivery"] for row in rows(host, "SELECT delivery FROM runs WHERE delivery IS NOT NULL"))
    assert all(work[stored[name]] == 1 for name in providers.acknowledged)
    starts = Counter(entry["run"] for entry in ledger(host, "start"))
    assert set(starts.values()) == {1}
    assert set(starts) == {row["run"] for row in rows(host, "SELECT run FROM runs")}
