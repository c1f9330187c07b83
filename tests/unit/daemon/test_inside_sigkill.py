"""The daemon's process is killed between a run's question and its answer; what was answered is still so afterwards.

Several runs take locks, call, say and give back as fast as the daemon answers. Each keeps what it was told; what it
asked and got no answer to may be so or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.support.daemon_rig import Guest, Process, ask, behave, guest, ledger, release, rows, until
from tests.support.fake_launcher import FakeLauncher

ROUNDS = int(os.environ.get("AL_KILLS", "4"))
WORKERS = 5
KEYS = ("one", "two", "three")


class Told:
    """What all the runs together were told."""

    def __init__(self) -> None:
        self.holders: dict[str, str] = {}  # who was told that it has the lock, and has not begun to give it back
        self.tokens: dict[str, int] = defaultdict(int)
        self.calls: list[str] = []
        self.asked = self.answers = 0
        self.enough = False
        # What may be a run's status, and its return value: the last that was answered, and those in doubt.
        self.said: dict[str, set[str | None]] = defaultdict(lambda: {None})
        self.given: dict[str, set[str | None]] = defaultdict(lambda: {None})

    def took(self, key: str, run: str, token: int) -> None:
        assert self.holders.get(key) in (None, run), f"{key} is held twice"
        if self.holders.get(key) is None:
            assert token >= self.tokens[key]
            self.tokens[key] = token
        assert token == self.tokens[key]
        self.holders[key] = run


async def work(who: Guest, told: Told) -> None:
    """Ask for something, again and again."""
    mine: str | None = None  # the lock that it may have, whatever it was told
    while not told.enough:
        told.asked += 1
        words = f"{who.run} {told.asked}"
        what = random.choice(("lock", "call", "status", "return"))
        with contextlib.suppress(OSError):  # no daemon, or none any more
            if what == "lock":
                mine = await (give_back if mine and random.random() < 0.5 else take)(who, told, mine)
            elif what == "call":
                told.calls.append(await who.call("target", words))
                told.answers += 1
            else:
                kept = told.said if what == "status" else told.given
                field = "text" if what == "status" else "value"
                kept[who.run].add(words)
                await who.fine("POST", f"/signals/{what}", {field: words})
                kept[who.run] = {words}
                told.answers += 1
        await asyncio.sleep(0.002)


async def take(who: Guest, told: Told, mine: str | None) -> str | None:
    """Take a lock, the one it has or any; gives the one that it may have then."""
    key = mine or random.choice(KEYS)
    try:
        status, answer = await who.ask("POST", "/locks/acquire", {"resourceKey": key, "ttl": 86_400})
    except OSError:
        return key
    told.answers += 1
    if status == 409 and answer.get("reason") == f"already holding lock on {key}":
        raise AssertionError(answer)
    if status == 409:
        return answer["reason"].rpartition(" ")[2] if "reason" in answer else None
    told.took(key, who.run, answer["token"])
    return key


async def give_back(who: Guest, told: Told, mine: str | None) -> str | None:
    """Give the lock back that it may have."""
    assert mine
    if told.holders.get(mine) == who.run:
        del told.holders[mine]
    try:
        status, _ = await who.ask("POST", "/locks/release", {"resourceKey": mine})
    except OSError:
        return mine
    told.answers += 1
    assert status in {200, 404, 409}
    return None


def test_what_was_answered_is_so(tmp_path: Path) -> None:
    host = tmp_path
    agents = {"worker": f"manual = true\nscale = {WORKERS}", "target": "manual = true\nscale = 4"}
    release(host, 1, agents, "workQueueSize = 500")
    behave(host, worker={"seconds": 10_000}, target={"seconds": 0.05})
    told = Told()
    runs: list[str] = []

    async def scenario() -> None:
        async with FakeLauncher(host):
            daemon = Process(host)
            try:
                await daemon.up()
                for _ in range(WORKERS):
                    _, answer = await ask(host, "POST", "/runs", {"agent": "worker"})
                    runs.append(answer["run"])
                guests = [await guest(host, run) for run in runs]
                workers = [asyncio.create_task(work(who, told)) for who in guests]
                for _ in range(ROUNDS):
                    before = told.answers
                    await until(
                        lambda before=before: (
                            told.answers > before + random.randrange(20, 60) or any(w.done() for w in workers)
                        )
                    )
                    daemon.kill()
                    daemon = Process(host)
                    await daemon.up()
                told.enough = True
                await asyncio.gather(*workers)
                check(host, told, runs)
                pending = "SELECT call FROM calls WHERE finished IS NULL"
                await until(lambda: not rows(host, pending), "the end of all calls")
            finally:
                daemon.terminate()
        found = {row["call"]: row for row in rows(host, "SELECT * FROM calls")}
        assert set(told.calls) <= set(found)
        assert {row["state"] for row in found.values()} == {"completed"}
        answering = [row["run"] for row in found.values()]
        started = [entry["run"] for entry in ledger(host, "start")]
        assert sorted(started) == sorted([*runs, *answering])  # each once

    asyncio.run(scenario())
    print(f"{told.answers} answers, {len(told.calls)} calls, {ROUNDS} kills")


def check(host: Path, told: Told, runs: list[str]) -> None:
    held: dict[str, Any] = {row["key"]: row for row in rows(host, "SELECT * FROM locks")}
    for key, run in told.holders.items():
        assert held[key]["run"] == run
        assert held[key]["token"] == told.tokens[key]
    assert len({row["run"] for row in held.values()}) == len(held)
    fence = int(rows(host, "SELECT value FROM facts WHERE name = 'fence'")[0]["value"])
    assert all(row["token"] <= fence for row in held.values())
    for run in runs:
        (row,) = rows(host, "SELECT status, value FROM runs LEFT JOIN returns USING (run) WHERE runs.run = ?", run)
        assert row["status"] in told.said[run]
        assert row["value"] in told.given[run]
