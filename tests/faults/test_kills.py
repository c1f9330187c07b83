"""The daemon is killed at random moments while everything that starts runs does so; two ledgers tell the truth.

One is the clients': what the daemon acknowledged, synced before the next kill. The other is the launcher's: what ever
happened to a container. Nothing acknowledged is lost, no run has two containers at once, nothing that ended runs again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.daemon_rig import (
    PATIENCE,
    Process,
    ask,
    behave,
    guest,
    launcher_process,
    ledger,
    release,
    rows,
    until,
)
from tests.support.faults import Figures, often
from tests.support.webhooks import config, payload, process, secret_of, sender, signed, store_secret, trigger

KILLS = often(8, 520)
EACH = often(60, 230)  # acknowledgements between two kills
SENDERS = 8
WORKERS = 2
# By agent: what its containers exit with, by attempt. 120: the work was not begun, so it is tried again.
EXITS = {"dev": [0], "ops": [3], "shy": [120, 0], "hand": [1], "target": [0]}


class Clients:
    """Everybody who asks the daemon for work, and what they were told."""

    def __init__(self, host: Path) -> None:
        self.host = host
        self.port = 0
        self.enough = False
        self.told: dict[str, set[str]] = {"delivery": set(), "run": set(), "call": set()}
        self.sent: Counter[str] = Counter()
        self.file = os.open(host / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def acknowledged(self, kind: str, name: str) -> None:
        os.write(self.file, f"{kind} {name}\n".encode())
        self.told[kind].add(name)

    def count(self) -> int:
        return sum(map(len, self.told.values()))

    async def deliver(self, name: int) -> None:
        """A provider: sends each delivery until it is acknowledged, now and then once more."""
        deliveries = self.deliveries(name)
        delivery, body, headers, times = next(deliveries)
        while not self.enough:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                async with sender(self.port) as connection:
                    while not self.enough:
                        self.sent[delivery] += 1
                        reply = await connection.send("github", body, headers)
                        assert reply.status in (200, 503), reply
                        if reply.status == 503:  # no room at present
                            await asyncio.sleep(0.02)
                            continue
                        self.acknowledged("delivery", delivery)
                        times -= 1
                        if times == 0:
                            delivery, body, headers, times = next(deliveries)
            await asyncio.sleep(0.01)

    def deliveries(self, name: int) -> Iterator[tuple[str, bytes, list[tuple[str, str]], int]]:
        """Id, body, headers, and how often it is to be sent."""
        for number in itertools.count():
            text = f"{name} {number} " + "x" * random.randrange(3000)
            action = random.choice(("opened", "closed"))
            body = json.dumps(payload("github", action=action, text=text)).encode()
            times = 2 if random.random() < 0.05 else 1
            yield f"{name}-{number}", body, signed("github", body, delivery=f"{name}-{number}"), times

    async def start(self) -> None:
        """A person with `al run`."""
        while not self.enough:
            with contextlib.suppress(OSError):
                status, answer = await ask(self.host, "POST", "/runs", {"agent": "hand"})
                if status == 202:
                    self.acknowledged("run", answer["run"])
            await asyncio.sleep(0.01)

    async def call(self, run: str) -> None:
        """A run that calls another agent."""
        who = await guest(self.host, run)
        while not self.enough:
            with contextlib.suppress(OSError):
                status, answer = await who.ask("POST", "/calls", {"targetAgent": "target", "context": "please"})
                if status == 200:
                    self.acknowledged("call", answer["callId"])
            await asyncio.sleep(0.01)


def test_nothing_acknowledged_is_lost_and_nothing_runs_twice(tmp_path: Path, figures: Figures) -> None:
    host = tmp_path
    agents = {
        "dev": "scale = 4\n" + trigger("github", actions=["opened"]),
        "ops": "scale = 4\n" + trigger("github", actions=["closed"]),
        "shy": 'schedule = "* * * * *"\n' + trigger("github", actions=["edited"]),
        "hand": "scale = 4\nmanual = true",
        "target": "scale = 4\nmanual = true",
        "worker": f"scale = {WORKERS}\nmanual = true\ntimeout = 86400",
    }
    release(host, 1, agents, config("github", more="workQueueSize = 200\nscale = 20\n"))
    store_secret(host, "github", secret_of("github"))
    behave(host, worker={"seconds": 86_400}, **{name: {"seconds": 0.01, "exits": EXITS[name]} for name in EXITS})
    clients = Clients(host)
    begun = time.time()
    ready: list[float] = []
    workers: list[str] = []

    async def begin() -> Process:
        daemon = process(host)
        clients.port = daemon.port
        return daemon

    launchers = 0

    async def scenario() -> None:
        nonlocal launchers
        launcher = launcher_process(host)
        daemon = await begin()
        try:
            await daemon.up()
            answers = [await ask(host, "POST", "/runs", {"agent": "worker"}) for _ in range(WORKERS)]
            workers.extend(answer["run"] for _, answer in answers)
            tasks = [asyncio.create_task(clients.deliver(name)) for name in range(SENDERS)]
            tasks += [asyncio.create_task(clients.start())]
            tasks += [asyncio.create_task(clients.call(run)) for run in workers]
            for number in range(KILLS):
                if random.random() < 0.1:  # while it starts
                    await asyncio.sleep(random.uniform(0, 0.6))
                else:
                    enough = clients.count() + random.randrange(1, 2 * EACH)
                    reached = lambda enough=enough: clients.count() >= enough or failed(tasks)  # noqa: E731 - one line
                    await until(reached, "acknowledgements", 6 * PATIENCE)
                    await asyncio.sleep(random.uniform(0, 0.01))
                os.fsync(clients.file)
                daemon.kill()
                if number % 50 == 5:
                    launcher.send_signal(signal.SIGKILL)
                    launcher.wait(PATIENCE)
                    launcher = launcher_process(host)
                    launchers += 1
                at = time.monotonic()
                daemon = await begin()
                with contextlib.suppress(AssertionError):
                    await daemon.up()
                ready.append(time.monotonic() - at)
            await daemon.up()
            clients.enough = True
            await asyncio.gather(*tasks)
            for run in workers:
                await ask(host, "POST", f"/runs/{run}/kill")
            await drained(lambda: not rows(host, "SELECT run FROM runs WHERE finished IS NULL LIMIT 1"))
            await drained(lambda: not json.loads((host / "containers.json").read_bytes()))
        finally:
            daemon.terminate()
            launcher.kill()
            launcher.wait(PATIENCE)

    asyncio.run(scenario())
    counts = check(host, clients, workers)
    assert ticks(host, begun) >= (time.time() - begun) // 60 - 1
    told = {kind: len(names) for kind, names in clients.told.items()}
    figures(
        f"{KILLS} kills, {launchers} of the launcher with it; {clients.count():,} acknowledged ({told['delivery']:,}"
        f" deliveries, {told['run']:,} runs by hand, {told['call']:,} calls): 0 lost; {counts['runs']:,} runs in"
        f" {counts['containers']:,} containers: none twice at once, none again; {ticks(host, begun)} ticks decided"
        f" once each; up again after {sorted(ready)[len(ready) // 2]:.2f} s (median), {max(ready):.2f} s at most"
    )


def failed(tasks: list[asyncio.Task[None]]) -> list[BaseException]:
    return [error for task in tasks if task.done() and not task.cancelled() and (error := task.exception())]


async def drained(condition: Callable[[], bool]) -> None:
    """Like `until`, with more patience: there may be a queue."""
    end = time.monotonic() + 10 * PATIENCE
    while not condition():
        assert time.monotonic() < end, "the queue does not get shorter"
        await asyncio.sleep(0.1)


def check(host: Path, clients: Clients, workers: list[str]) -> Counter[str]:
    """Compare the clients' ledger, the database and the launcher's ledger."""
    runs = {row["run"]: row for row in rows(host, "SELECT * FROM runs")}
    deliveries = {row["delivery_id"]: row for row in rows(host, "SELECT * FROM deliveries")}
    calls = {row["call"]: row for row in rows(host, "SELECT * FROM calls")}
    for kind, found in (("delivery", deliveries), ("run", runs), ("call", calls)):
        assert not clients.told[kind] - set(found), "acknowledged and not there"
    assert set(deliveries) <= set(clients.sent), "nobody sent that"

    work = Counter(row["delivery"] for row in runs.values() if row["delivery"])
    assert set(work.values()) == {1}, "a delivery was worked on twice"
    for name in clients.told["delivery"]:
        assert work[deliveries[name]["delivery"]] == 1, "acknowledged, and nobody did it"
    for row in calls.values():
        assert runs[row["run"]]["call"] == row["call"]
        assert row["finished"]

    alive: dict[str, int] = {}
    over: dict[str, list[int]] = {}
    for entry in ledger(host, "start", "exit"):
        run, attempt = entry["run"], entry["attempt"]
        if entry["what"] == "exit":
            assert alive.pop(run) == attempt
            over.setdefault(run, []).append(entry["exit_code"])
            continue
        assert run not in alive, "two containers at once"
        assert attempt == len(over.get(run, ())) + 1, "an attempt has run before"
        assert not [code for code in over.get(run, ()) if code != 120], "it had ended, and runs again"
        alive[run] = attempt
    assert not alive
    for run, row in runs.items():
        if run in workers:
            continue
        if run not in over:  # a call whose caller was stopped at the end, or that had only been queued
            assert row["agent"] == "target", row
            assert row["state"] == "killed", row
            continue
        assert over[run] == EXITS[row["agent"]], row
        assert (row["exit_code"], row["attempt"]) == (over[run][-1], len(over[run])), row
        assert row["state"] == ("failed" if row["exit_code"] else "completed"), row
    return Counter(runs=len(runs), containers=sum(map(len, over.values())))


def ticks(host: Path, begun: float) -> int:
    """Each minute since the first tick has one decision; gives how many."""
    found = rows(host, "SELECT first, nominal FROM ticks WHERE agent = 'shy'")
    minutes = sorted(minute for row in found for minute in range(row["first"], row["nominal"] + 60, 60))
    assert all(later - earlier == 60 for earlier, later in itertools.pairwise(minutes)), minutes
    return len(minutes)
