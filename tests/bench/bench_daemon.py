"""The daemon at rest and under a herd: memory, start time, lateness and durability of ticks, CPU of many schedules.

    script/bench daemon [--python PATH] [--agents N]

`--python` is an interpreter with only the host's packages, as on a host; by default the one that runs this.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support import fake_launcher
from tests.support.daemon_rig import behave, options, release, rows


def status(process: subprocess.Popen[bytes], name: str) -> int:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def cpu(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def started(python: str, host: Path) -> tuple[subprocess.Popen[bytes], float]:
    """The daemon, and the seconds until READY=1."""
    chosen = options(host)
    notify = host / "notify.sock"
    notify.unlink(missing_ok=True)
    ready = asyncio.Event()

    class Listener(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _addr: object) -> None:
            if b"READY=1" in data:
                ready.set()

    import socket

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(notify))
    listener.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Listener, sock=listener)
    begin = time.monotonic()
    process = subprocess.Popen(  # noqa: ASYNC220 - nothing else is to happen meanwhile
        [
            python,
            *("-m", "alvps.daemon", "--root", str(chosen.root), "--state", str(chosen.state), "--run", str(chosen.run)),
            *("--launcher", str(chosen.launcher), "--listen", f"127.0.0.1:{chosen.listen[1]}"),
        ],
        env={**os.environ, "NOTIFY_SOCKET": str(notify)},
        stderr=(host / "daemon.log").open("ab"),
    )
    await asyncio.wait_for(ready.wait(), 60)
    took = time.monotonic() - begin
    transport.close()
    return process, took


async def idle(python: str, agents: dict[str, str], title: str, seconds: float = 5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        host = Path(folder)
        release(host, 1, agents)
        async with fake_launcher.FakeLauncher(host):
            process, took = await started(python, host)
            begun = cpu(process)
            await asyncio.sleep(1)
            before = cpu(process)
            await asyncio.sleep(seconds)
            used = (cpu(process) - before) / seconds
            rss = status(process, "VmRSS") / 1024
            print(f"{title}: start {took:.2f} s ({begun:.2f} s of CPU), RSS {rss:.1f} MB, idle CPU {used:.2%}")
            begin = time.monotonic()
            process.terminate()
            process.wait(10)
            print(f"  stop {time.monotonic() - begin:.2f} s")


async def herd(python: str, count: int) -> None:
    """All agents on the next whole minute; the times are those that the store has."""
    with tempfile.TemporaryDirectory() as folder:
        host = Path(folder)
        release(host, 1, {f"a{n}": 'schedule = "* * * * *"' for n in range(count)}, "scale = 4")
        behave(host, _all={"seconds": 600})
        async with fake_launcher.FakeLauncher(host):
            process, _ = await started(python, host)
            minute = (time.time() // 60 + 1) * 60
            print(f"waiting {minute - time.time():.0f} s for the minute …", flush=True)
            await asyncio.sleep(minute - time.time() - 0.5)

            def durable() -> bool:
                return bool(rows(host, "SELECT count(*) AS n FROM runs")[0]["n"] >= count)

            while not durable():  # noqa: ASYNC110 - the database of another process
                await asyncio.sleep(0.005)
            late = time.time() - minute
            decided = rows(host, "SELECT min(decided) AS first FROM ticks")[0]["first"] / 1000 - minute
            print(
                f"{count} ticks at once: decided after {decided * 1000:.0f} ms, all durable after {late * 1000:.0f} ms"
            )
            process.terminate()
            process.wait(10)


def spread(count: int) -> dict[str, str]:
    """Different lines, none due soon."""
    hour = (time.gmtime().tm_hour + 2) % 24
    return {f"a{n}": f'schedule = "{n % 60} {hour} {n // 60 % 28 + 1} * *"' for n in range(count)}


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--agents", type=int, default=1000)
    chosen = parser.parse_args()
    await idle(chosen.python, {"dev": "manual = true"}, "1 agent")
    same = {f"a{n}": f'schedule = "{n % 60} 3 * * *"' for n in range(chosen.agents)}
    await idle(chosen.python, same, f"{chosen.agents} agents, 60 different lines")
    await idle(chosen.python, spread(chosen.agents), f"{chosen.agents} agents, each its own line")
    await idle(chosen.python, spread(chosen.agents * 10), f"{chosen.agents * 10} agents, up to 1680 lines", 10)
    await herd(chosen.python, chosen.agents)


if __name__ == "__main__":
    asyncio.run(main())
