"""How long each command of an agent takes, next to `curl` with the same request over the same socket, in turn.

The commands are laid out and compiled as in the base image, and started by their first line, with this machine's
/usr/bin/python3 (the image's is Debian's too). Goal: at most twice curl's time. The gateway answers at once.

Usage: script/bench commands [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.measure import alternate, machine
from tests.support.agent_commands import Commands, environment, install
from tests.support.fake_gateway import SECRET, FakeGateway, Reply, Request

GOAL = 2.0
# What is called, and the request that it makes; None: it makes none.
CASES: dict[str, tuple[list[str], tuple[str, dict[str, str] | None] | None]] = {
    "al-rerun": ([], ("/signals/rerun", {})),
    "al-status": (["half done"], ("/signals/status", {"text": "half done"})),
    "al-return": (["a value"], ("/signals/return", {"value": "a value"})),
    "al-exit": (["3"], None),
    "al-call": (["reviewer", "look at it"], ("/calls", {"targetAgent": "reviewer", "context": "look at it"})),
    "al-check": (["c1"], ("/calls/c1", None)),
    "al-wait": (["c1"], ("/calls/c1?wait=300", None)),
    "rlock": (["repo#1"], ("/locks/acquire", {"resourceKey": "repo#1"})),
    "runlock": (["repo#1"], ("/locks/release", {"resourceKey": "repo#1"})),
    "rlock-heartbeat": (["repo#1"], ("/locks/heartbeat", {"resourceKey": "repo#1"})),
    "al-shutdown": (["enough"], ("/shutdown", {"reason": "enough"})),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        commands = install(Path(folder, "app"), "/usr/bin/python3")
        with FakeGateway(answer, folder=Path(folder)) as gateway:
            measure(commands, gateway, rounds)


def answer(request: Request) -> Reply:
    """The document of a success."""
    if request.path.startswith("/calls/"):
        return Reply(body={"status": "completed", "returnValue": "a value"})
    return Reply(body={"ok": True, "callId": "c1", "killed": True})


def measure(commands: Commands, gateway: FakeGateway, rounds: int) -> None:
    """Print a line per command: its median, curl's for the same request, and the median of the ratios."""
    env = environment({**gateway.env, "AL_SIGNAL_DIR": str(commands.app / "signals")})
    ways: dict[str, Callable[[], None]] = {"python3 -ISE": lambda: run(["/usr/bin/python3", "-ISE", "-c", ""], env)}
    for name, (arguments, request) in CASES.items():
        argv = [str(commands.app / "bin" / name), *arguments]
        ways[name] = lambda argv=argv: run(argv, env)  # type: ignore[misc]  # bound per command
        if request is not None:
            words = curl(str(gateway.path), *request)
            ways[f"curl {name}"] = lambda words=words: run(words, env)  # type: ignore[misc]  # as above
    seconds = alternate(ways, rounds=rounds)
    print(machine())
    print(f"{'':<16} command    curl   (ms, median of {rounds})   ratio (median of the rounds; goal {GOAL})")
    empty = statistics.median(seconds["python3 -ISE"]) * 1000
    print(f"{'python3 -ISE':<16} {empty:7.1f}        (an empty program: what no command can go below)")
    for name, (_, request) in CASES.items():
        against = seconds[f"curl {name}" if request else "curl al-rerun"]  # al-exit only writes a file
        ratio = statistics.median(a / b for a, b in zip(seconds[name], against, strict=True))
        own, other = statistics.median(seconds[name]) * 1000, statistics.median(against) * 1000
        print(f"{name:<16} {own:7.1f} {other:7.1f}   {ratio:5.2f}{'' if ratio <= GOAL else '   over the goal'}")


def curl(path: str, target: str, document: dict[str, str] | None) -> list[str]:
    """The same request: the header with the token, the body."""
    words = ["curl", "--silent", "--show-error", "--unix-socket", path, "--connect-timeout", "5", "--max-time", "10"]
    words += ["--header", f"Authorization: Bearer {SECRET}"]
    if document is not None:
        words += ["--header", "Content-Type: application/json", "--data-binary", json.dumps(document)]
    return [*words, f"http://gateway{target}"]


def run(argv: list[str], env: dict[str, str]) -> None:
    """To its end, which must be a success."""
    subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
