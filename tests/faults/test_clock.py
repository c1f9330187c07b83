"""Somebody sets the clock of the host while the daemon works: by an hour, a day, three days, to and fro (libfaketime).

Locks go by a clock that nobody can set. Of a schedule each nominal instant is decided once, whichever way the clock
came there; runs that are under way keep their time. The daemon notices within half a minute, which is what takes time
here.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import Counter
from pathlib import Path

from alvps.daemon.ticker import LOOK_UP
from tests.support.daemon_rig import Guest, Process, ask, behave, guest, release, rows, until
from tests.support.fake_launcher import FakeLauncher
from tests.support.faults import FULL, Figures

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
HOUR, DAY = 3600, 86_400
JUMPS = (HOUR, -HOUR, HOUR, DAY, HOUR - DAY) if FULL else (HOUR, -HOUR)
FAR = (3 * DAY, -3 * DAY) if FULL else ()
SOON = 3  # seconds
AGENTS = {"latest": "latest", "all": "all", "none": "none"}  # by name, what is done about ticks that were missed


class Clock:
    """The clock of the daemon."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock"
        self.offset = 0.0
        self.set(time.time())

    def now(self) -> float:
        return time.time() + self.offset

    def set(self, wanted: float, before: float = SOON) -> None:
        """To the minute of that moment, so many seconds before its end."""
        self.offset = wanted // 60 * 60 + 60 - before - time.time()
        new = self.file.with_suffix(".new")
        new.write_text(f"{self.offset:+.6f}")
        new.replace(self.file)

    def environ(self) -> dict[str, str]:
        assert LIBRARY, "the package faketime is not installed"
        clock = {"FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1"}
        return {"LD_PRELOAD": str(LIBRARY), "FAKETIME_DONT_FAKE_MONOTONIC": "1", **clock}


class Host:
    """A daemon with that clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock(folder)
        self.daemon = Process(folder, **self.clock.environ())
        self.jumps = 0

    async def jump(self, seconds: float) -> None:
        """Set the clock; goes on when the daemon has noticed, shortly before a full minute."""
        self.clock.set(self.clock.now() + seconds, LOOK_UP + SOON)
        self.jumps += 1
        await until(lambda: self.noticed() >= self.jumps, "the daemon's notice", 2 * LOOK_UP)

    def kill(self) -> None:
        """Kill the daemon, and take away what libfaketime leaves of it in memory."""
        self.daemon.kill()
        for name in ("faketime_shm", "sem.faketime_sem"):
            Path(f"/dev/shm/{name}_{self.daemon.process.pid}").unlink(missing_ok=True)

    def noticed(self) -> int:
        return (self.folder / "daemon.log").read_text().count("clock was set")

    async def full_minute(self) -> None:
        """Until the clock has shown one, and what it owes is decided."""
        minute = math.ceil(self.clock.now() / 60) * 60
        await until(lambda: self.clock.now() > minute, "a full minute", 70)
        await until(lambda: all(self.decided(agent)[-1:] >= [minute] for agent in AGENTS), "decisions")

    def decided(self, agent: str) -> list[int]:
        """Every minute that has a decision, in order; one that has two is there twice."""
        found = rows(self.folder, "SELECT first, nominal FROM ticks WHERE agent = ?", agent)
        return sorted(minute for row in found for minute in range(row["first"], row["nominal"] + 1, 60))

    def check(self) -> int:
        """Each minute from the first to the last has one decision; gives how many there are."""
        for agent in AGENTS:
            minutes = self.decided(agent)
            assert all(later - earlier == 60 for earlier, later in itertools.pairwise(minutes)), (agent, minutes)
            runs = rows(self.folder, "SELECT nominal FROM runs WHERE agent = ? AND trigger = 'schedule'", agent)
            assert set(Counter(row["nominal"] for row in runs).values()) <= {1}, "a tick ran twice"
        return len(minutes)


async def lock_of(holder: Guest, other: Guest, key: str) -> bool:
    """Whether the first has the lock and the second cannot get it."""
    status, answer = await other.ask("POST", "/locks/acquire", {"resourceKey": key, "ttl": 1})
    if status == 200:
        await other.fine("POST", "/locks/release", {"resourceKey": key})
        return False
    assert answer.get("holder") == "worker", answer
    return bool((await holder.fine("GET", "/locks"))["locks"])


def test_the_clock_is_set(tmp_path: Path, figures: Figures) -> None:
    agents = {name: f'schedule = "* * * * *"\ncatchup = "{how}"\n' for name, how in AGENTS.items()}
    release(
        tmp_path, 1, {**agents, "worker": f"manual = true\nscale = 3\ntimeout = {DAY}\n"}, "workQueueSize = 10000\n"
    )
    behave(tmp_path, worker={"seconds": DAY})
    counts: list[int] = []

    async def scenario() -> None:
        async with FakeLauncher(tmp_path):
            host = Host(tmp_path)
            await host.daemon.up()
            started = [(await ask(tmp_path, "POST", "/runs", {"agent": "worker"}))[1]["run"] for _ in range(3)]
            holder, other, third = [await guest(tmp_path, run) for run in started]
            await holder.fine("POST", "/locks/acquire", {"resourceKey": "long", "ttl": 600})
            await host.full_minute()
            for seconds in JUMPS:
                token = await third.fine("POST", "/locks/acquire", {"resourceKey": "short", "ttl": 1})
                taken = time.monotonic()
                before = {agent: host.decided(agent) for agent in AGENTS}
                await host.jump(seconds)
                if seconds > 0:
                    await host.full_minute()
                else:  # these instants have had their decision when they first came
                    minute = math.ceil(host.clock.now() / 60) * 60 + 1
                    await until(lambda minute=minute: host.clock.now() > minute, "a full minute", 70)
                    assert {agent: host.decided(agent) for agent in AGENTS} == before
                counts.append(host.check())
                assert await lock_of(holder, other, "long"), seconds
                assert time.monotonic() > taken + 1
                again = await other.fine("POST", "/locks/acquire", {"resourceKey": "short", "ttl": 600})
                assert again["token"] > token["token"], "its time was over, by the clock that counts"
                await other.fine("POST", "/locks/release", {"resourceKey": "short"})
            # Far back: the clock had been wrong, and nothing would fire until it gets there again.
            for seconds in FAR:
                await host.jump(seconds)
                await host.full_minute()
                counts.append(host.check() if seconds > 0 else counts[-1])
            assert await lock_of(holder, other, "long")
            states = rows(tmp_path, "SELECT state, attempt FROM runs WHERE agent = 'worker'")
            assert [(row["state"], row["attempt"]) for row in states] == [("running", 1)] * 3
            host.kill()
            host.clock.set(host.clock.now() + HOUR)
            host.daemon = Process(tmp_path, **host.clock.environ())
            await host.daemon.up()
            await host.full_minute()
            assert await lock_of(holder, other, "long")
            assert host.daemon.terminate() == 0
            jumps.append(host.jumps + 1)

    jumps: list[int] = []
    asyncio.run(scenario())
    figures(
        f"the clock set {jumps[0]} times, by {'up to three days' if FULL else 'an hour'} forwards and back:"
        f" {counts[-1]:,} minutes of each of {len(AGENTS)} schedules decided once; locks neither lengthened nor cut;"
        " no run ended"
    )
