"""How long a run needs until its command's first instruction (goal 6), and what the launcher weighs (goal 7).

Against `docker run` with the same image and the same flags, and against the two bare API calls that it consists of.
The command is `date`, so that the first instruction says itself when it happened. The run has what most have: a token,
a key for git, the gateway's folder and its secret; so its output is masked.

Usage: script/bench start [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alvps.launcher import docker_sdk
from tests.bench.measure import report
from tests.host.launcher.launcher_world import World, build_base, docker, exit_of, new_run

DATE = ["date", "+%s%N"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), build_base(Path(folder) / "context"))
        try:
            measure(world, rounds)
        finally:
            world.clean()


def measure(world: World, rounds: int) -> None:
    """Print the figures."""
    world.release({"dev": ""})
    config = world.root / "current" / "project" / "agents" / "dev" / "agent-config.toml"
    config.write_text(
        f'schedule = "0 5 * * *"\ncredentials = ["github_token", "git_ssh"]\n[harness]\ncommand = {json.dumps(DATE)}\n'
    )
    world.credential("github_token", "default", token="ghp_" + secrets.token_hex(16))
    key = "\n".join(["-----BEGIN OPENSSH PRIVATE KEY-----", *(secrets.token_hex(35) for _ in range(48))])
    world.credential("git_ssh", "default", id_rsa=key, username="Ada", email="ada@example.org")
    gateway = world.folder / "runs"
    gateway.mkdir()
    process = world.launch("--gateway", str(gateway))
    print(f"launcher, idle: {resident(process.pid)} MB")
    model = new_run()
    world.finish(model)
    found = world.inspect(model)
    ways: dict[str, Callable[[], float]] = {
        "docker run": lambda: docker_run(world, found),
        "create and start": lambda: bare_calls(found),
        "al": lambda: launched(world),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            took = way()
            if number:  # the first round only warms caches
                seconds[name].append(took)
    print(report(seconds, against="docker run"))
    print(f"launcher, after {rounds} runs: {resident(process.pid)} MB")


def launched(world: World) -> float:
    """Through the launcher's socket."""
    run = new_run()
    client, _ = world.watch()
    with client:
        began = time.time()
        container = world.start(run, secret=f"{run}.1.{secrets.token_hex(32)}")["container"]
        exit_of(client, run)
    took = first(docker("logs", container)) - began
    assert world.ask("remove", run=run, attempt=1)["removed"]
    return took


def docker_run(world: World, found: dict[str, Any]) -> float:
    """`docker run` with every flag of the run that serves as the model."""
    host, config = found["HostConfig"], found["Config"]
    words = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", config["User"]]
    words += ["--network", host["NetworkMode"], "--cgroupns", "private", "--ipc", "private", "--hostname", "dev"]
    words += ["--memory", str(host["Memory"]), "--memory-swap", str(host["MemorySwap"]), "--no-healthcheck"]
    words += ["--pids-limit", str(host["PidsLimit"]), "--oom-score-adj", str(host["OomScoreAdj"])]
    words += ["--log-driver", host["LogConfig"]["Type"]]
    words += [word for name, value in host["LogConfig"]["Config"].items() for word in ("--log-opt", f"{name}={value}")]
    words += [
        word for each in host["Ulimits"] for word in ("--ulimit", f"{each['Name']}={each['Soft']}:{each['Hard']}")
    ]
    words += [word for path, options in host["Tmpfs"].items() for word in ("--tmpfs", f"{path}:{options}")]
    words += [word for name, value in config["Labels"].items() for word in ("--label", f"{name}={value}")]
    mounts = [f"type=bind,src={mount['Source']},dst={mount['Target']},readonly" for mount in host["Mounts"]]
    words += [word for mount in mounts for word in ("--mount", mount)]
    began = time.time()
    output = docker("run", "--rm", *words, "--entrypoint", DATE[0], world.image, *DATE[1:])
    return first(output) - began


def bare_calls(found: dict[str, Any]) -> float:
    """The two calls without anything around them, on a connection that is open already."""
    client = docker_sdk.load().APIClient(base_url="unix:///var/run/docker.sock", version="auto")
    body = {name: found["Config"][name] for name in ("Image", "User", "Labels", "Hostname")}
    body |= {"Entrypoint": DATE, "Cmd": [], "HostConfig": found["HostConfig"]}
    began = time.time()
    container = client.create_container_from_config(body)["Id"]
    client.start(container)
    client.wait(container)
    took = first(client.logs(container).decode()) - began
    client.remove_container(container)
    client.close()
    return took


def first(output: str) -> float:
    """The time that `date` printed."""
    return int(next(line for line in output.splitlines() if line.isdigit())) / 1e9


def resident(pid: int) -> float:
    """RSS in MB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1024, 1)


if __name__ == "__main__":
    main()
