"""Timing whole processes in turn, so that a slow moment of the machine hits all of them alike."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path


def alternate(commands: Mapping[str, Callable[[], None]], *, rounds: int) -> dict[str, list[float]]:
    """Run each command once a round, after one round that does not count; seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            began = time.perf_counter()
            command()
            if number:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def report(seconds: Mapping[str, list[float]], *, against: str) -> str:
    """A line per command: minimum, median, maximum, and the median of the ratios round by round."""
    width = max(map(len, seconds))
    lines = [
        machine(),
        f"{'':<{width}}     min  median     max   ratio to `{against}` (median of {len(seconds[against])})",
    ]
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(times, seconds[against], strict=True))
        lines.append(
            f"{name:<{width}}  {min(times):6.3f}  {statistics.median(times):6.3f}  {max(times):6.3f}   {ratio:5.2f}"
        )
    return "\n".join(lines)


def machine() -> str:
    """This machine in a line."""
    memory = int(Path("/proc/meminfo").read_text().split()[1]) >> 20
    load = os.getloadavg()[0]
    system = f"{platform.platform()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} CPUs, {memory} GiB, {system}, load {load:.1f}"
