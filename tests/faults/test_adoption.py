"""The daemon is killed with eight runs under way; some of them end while there is none. The next one knows of each.

Those that ended have their exit recorded with their own code; those that go on are taken over, and their exit is
recorded when it comes. All of it is decided when the daemon says that it is ready, or within two seconds of that.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import time
from collections import Counter
from pathlib import Path

from tests.support.daemon_rig import PATIENCE, Process, ask, behave, ledger, release, rows, until
from tests.support.fake_launcher import FakeLauncher
from tests.support.faults import Figures, often

KILLS = often(10, 200)
RUNS = 8
WITHIN = 2.0  # seconds from readiness to the last decision


class Host:
    """A daemon that is started again and again, the launcher that stays, and the runs under way."""

    def __init__(self, folder: Path, launcher: FakeLauncher) -> None:
        self.folder = folder
        self.launcher = launcher
        self.codes: dict[str, int] = {}  # what a run's container was made to exit with
        self.alive: list[str] = []
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.systemd.bind(str(folder / "notify"))
        self.systemd.setblocking(False)

    async def start(self) -> Process:
        """A daemon that has said that it is ready."""
        daemon = Process(self.folder, NOTIFY_SOCKET=str(self.folder / "notify"))
        await asyncio.wait_for(self.told("READY=1"), PATIENCE)
        return daemon

    async def told(self, word: str) -> None:
        """Wait until systemd is told that."""
        while word.encode() not in await asyncio.get_running_loop().sock_recv(self.systemd, 4096):
            pass

    async def fill(self) -> None:
        """Start runs until that many are under way."""
        while len(self.alive) < RUNS:
            status, answer = await ask(self.folder, "POST", "/runs", {"agent": "long"})
            assert status == 202, answer
            self.alive.append(answer["run"])
        await until(lambda: self.count("running") == RUNS, "eight runs")

    def count(self, state: str) -> int:
        return rows(self.folder, "SELECT count(*) AS n FROM runs WHERE state = ?", state)[0]["n"]

    def end(self, run: str) -> str:
        """Let the container exit."""
        self.alive.remove(run)
        self.codes[run] = random.choice((0, 1, 15, 137))
        self.launcher.end_now(run, self.codes[run])
        return run

    def recorded(self, runs: list[str]) -> bool:
        """Whether the store has the end of all of these, each with its own code."""
        if not runs:
            return True
        marks = ", ".join("?" * len(runs))
        found = rows(self.folder, f"SELECT run, finished, exit_code FROM runs WHERE run IN ({marks})", *runs)
        assert len(found) == len(runs)
        assert all(row["finished"] is None or row["exit_code"] == self.codes[row["run"]] for row in found), found
        return all(row["finished"] for row in found)

    def adopted(self) -> int:
        """How many runs the last daemon says it found running."""
        lines = re.findall(r"runs found running.*?count=(\d+)", (self.folder / "daemon.log").read_text())
        return int(lines[-1]) if lines else 0


async def one_kill(host: Host, daemon: Process) -> tuple[Process, int, float]:
    """Gives the next daemon, how many runs ended without one, and the seconds from readiness to the last decision."""
    daemon.kill()
    (host.folder / "daemon.log").write_text("")
    gone = [host.end(run) for run in random.sample(host.alive, random.randrange(RUNS))]
    daemon = await host.start()
    ready = time.monotonic()
    late = [host.end(run) for run in random.sample(host.alive, random.randrange(len(host.alive)))]  # the very next
    assert host.adopted() == RUNS - len(gone)
    await until(lambda: host.recorded(gone), "the exits of those that ended without a daemon")
    decided = time.monotonic() - ready
    await until(lambda: host.recorded(late), "the exits of those that were taken over")
    return daemon, len(gone), decided


def test_each_run_is_adopted_or_its_exit_recorded(tmp_path: Path, figures: Figures) -> None:
    release(tmp_path, 1, {"long": f"manual = true\nscale = {RUNS}"})
    behave(tmp_path, long={"seconds": 86_400})
    recorded = 0
    decided: list[float] = []

    async def scenario() -> None:
        nonlocal recorded
        async with FakeLauncher(tmp_path) as launcher:
            host = Host(tmp_path, launcher)
            daemon = await host.start()
            for _ in range(KILLS):
                await host.fill()
                daemon, gone, seconds = await one_kill(host, daemon)
                recorded += gone
                decided.append(seconds)
            left = [host.end(run) for run in list(host.alive)]
            await until(lambda: host.recorded(left), "the end of all runs")
            await until(lambda: not launcher.containers, "the removal of all containers")
            assert daemon.terminate() == 0
            host.systemd.close()

    asyncio.run(scenario())
    starts = Counter(entry["run"] for entry in ledger(tmp_path, "start"))
    assert set(starts.values()) == {1}
    assert not ledger(tmp_path, "stop", "start-again")
    assert max(decided) <= WITHIN
    figures(
        f"{KILLS} kills with {RUNS} runs under way: {KILLS * RUNS - recorded:,} adopted, {recorded:,} exits recorded"
        f" that nobody saw, 0 lost, 0 started again; last decision {sorted(decided)[KILLS // 2] * 1000:.0f} ms after"
        f" readiness (median), {max(decided) * 1000:.0f} ms at most"
    )
