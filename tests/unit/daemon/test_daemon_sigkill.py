"""The daemon's process is killed at random moments, the launcher's now and then; the launcher's ledger tells the truth.

Every accepted run is in the store, ends exactly once, and with the code that its container had.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from tests.support.daemon_rig import PATIENCE, Process, ask, behave, launcher_process, ledger, release, rows, until

ROUNDS = int(os.environ.get("AL_KILLS", "4"))
AGENTS = {"zero": 0, "one": 1, "again": 42, "shy": 120}


async def feed(host: Path, accepted: list[str], asked: Counter[str]) -> None:
    """Ask for runs as fast as the daemon answers, for as long as there is one."""
    while True:
        agent = random.choice(list(AGENTS))
        with contextlib.suppress(OSError, AssertionError, ValueError, IndexError, asyncio.TimeoutError):
            asked[agent] += 1
            status, answer = await ask(host, "POST", "/runs", {"agent": agent})
            if status == 202:
                accepted.append(answer["run"])
            elif status == 409:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.005)


def test_each_exit_is_recorded_once_none_twice_none_lost(tmp_path: Path) -> None:
    host = tmp_path
    config = "maxReruns = 2\nscale = 8\nworkQueueSize = 20"
    release(host, 1, dict.fromkeys(AGENTS, "manual = true\nscale = 3"), config)
    behave(host, **{agent: {"exit": code, "seconds": 0.15} for agent, code in AGENTS.items()})
    accepted: list[str] = []
    asked: Counter[str] = Counter()

    async def scenario() -> None:
        launcher = launcher_process(host)
        try:
            daemon = Process(host)
            await daemon.up()
            feeder = asyncio.create_task(feed(host, accepted, asked))
            for number in range(ROUNDS):
                before = len(accepted)
                await until(lambda before=before: len(accepted) > before + 3)
                await asyncio.sleep(random.uniform(0, 0.5))
                daemon.kill()
                if number % 3 == 2:
                    launcher.send_signal(signal.SIGKILL)
                    launcher.wait(PATIENCE)
                    launcher = launcher_process(host)
                daemon = Process(host)
                await daemon.up()
            feeder.cancel()
            await asyncio.wait({feeder})
            await until(lambda: not rows(host, "SELECT run FROM runs WHERE finished IS NULL"), "the end of all runs")
            await until(lambda: not json.loads((host / "containers.json").read_bytes()), "removal of all containers")
            assert daemon.terminate() == 0
        finally:
            launcher.kill()
            launcher.wait(PATIENCE)

    asyncio.run(scenario())
    check(host, accepted)


def check(host: Path, accepted: list[str]) -> None:
    found = {row["run"]: row for row in rows(host, "SELECT * FROM runs")}
    assert set(accepted) <= set(found)
    starts = Counter((entry["run"], entry["attempt"]) for entry in ledger(host, "start"))
    exits = {(entry["run"], entry["attempt"]): entry["exit_code"] for entry in ledger(host, "exit")}
    removed = Counter((entry["run"], entry["attempt"]) for entry in ledger(host, "remove"))
    assert set(starts.values()) == {1}, "an attempt was started twice"
    assert set(exits) == set(starts)
    assert removed == starts
    for run, row in found.items():
        code = AGENTS[row["agent"]]
        attempts = sorted(attempt for other, attempt in starts if other == run)
        assert attempts == ([1, 2, 3] if code == 120 else [1]), row
        assert (row["exit_code"], row["attempt"]) == (code, attempts[-1]), row
        assert row["state"] == {0: "completed", 42: "rerun"}.get(code, "failed"), row
    # A rerun is made with the exit that asks for it: no chain is broken, none has two next links.
    followers = Counter(row["rerun_of"] for row in found.values() if row["rerun_of"])
    for run, row in found.items():
        assert followers[run] == int(row["agent"] == "again" and row["reruns"] < 2), row
    alive: Counter[str] = Counter()
    for entry in sorted(ledger(host, "start", "exit"), key=lambda entry: entry["at"]):
        alive[entry["agent"]] += 1 if entry["what"] == "start" else -1
        assert alive[entry["agent"]] <= 3
        assert sum(alive.values()) <= 8
    print(f"{len(accepted)} accepted, {len(found)} runs, {len(starts)} containers, {ROUNDS} kills at {time.ctime()}")
