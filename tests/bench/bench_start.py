"""How long a run needs until its command's first instruction (goal 6), or until its first request to a model; and what
the launcher weighs (goal 7).

A command, against `docker run` with the same image and the same flags, and against the two bare API calls that it
consists of. The command is `date`, so that the first instruction says itself when it happened. The run has what most
have: a token, a key for git, the gateway's folder and its secret; so its output is masked. The same in the image for
models shows what its libraries cost a run that does not use them.

An agent that thinks, against `docker run` of its image with `true` and the same flags, from the request to the moment
at which the model's server has the first one. The server is on this machine.

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
from tests.host.launcher.launcher_world import World, build_base, build_llm, docker, exit_of, new_run
from tests.support.model_server import ModelServer, Say, key_of
from tests.support.projects import toml

PROMPT = b"You were started by hand. Look for new work and act on it."
DATE = ["date", "+%s%N"]
PROVIDERS = ("custom", "anthropic")
COMMANDS = {"dev": "base", "dev-llm": "llm"}  # agent -> its image


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, ModelServer("0.0.0.0") as server:
        base = build_base(Path(folder) / "context")
        llm = build_llm(Path(folder) / "llm", base)
        print(f"the image for models adds {(size(llm) - size(base)) / 1e6:.0f} MB")
        world = World(Path(folder), base)
        try:
            prepare(world, server, llm)
            process = world.launch("--gateway", str(world.folder / "runs"))
            print(f"launcher, idle: {resident(process.pid)} MB")
            measure_commands(world, rounds)
            print(f"launcher, after these runs: {resident(process.pid)} MB")
            measure_thinking(world, server, rounds)
        finally:
            world.clean()


def prepare(world: World, server: ModelServer, llm: str) -> None:
    """A release with an agent for each thing that is measured."""
    thinkers = [f"thinks-{provider}" for provider in PROVIDERS]
    images = dict.fromkeys((*thinkers, *(agent for agent, image in COMMANDS.items() if image == "llm")), llm)
    address = docker("network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}").strip()
    models = {
        provider: {"provider": provider, "model": "scripted-1", "baseUrl": server.url(provider, address)}
        for provider in PROVIDERS
    }
    world.release(dict.fromkeys((*COMMANDS, *thinkers), ""), images=images, config=f"models = {toml(models)}\n")
    agents = world.root / "current" / "project" / "agents"
    for agent in COMMANDS:
        (agents / agent / "agent-config.toml").write_text(
            'schedule = "0 5 * * *"\ncredentials = ["github_token", "git_ssh"]\n'
            f"[harness]\ncommand = {json.dumps(DATE)}\n"
        )
    for provider in PROVIDERS:
        config = f'schedule = "0 5 * * *"\nmodels = ["{provider}"]\ncredentials = ["github_token", "git_ssh"]\n'
        (agents / f"thinks-{provider}" / "agent-config.toml").write_text(config)
        world.credential(f"{provider}_key", "default", token=key_of(provider))
    world.credential("github_token", "default", token="ghp_" + secrets.token_hex(16))
    key = "\n".join(["-----BEGIN OPENSSH PRIVATE KEY-----", *(secrets.token_hex(35) for _ in range(48))])
    world.credential("git_ssh", "default", id_rsa=key, username="Ada", email="ada@example.org")
    (world.folder / "runs").mkdir()


def measure_commands(world: World, rounds: int) -> None:
    """Print how long a command's run takes to begin."""
    model = new_run()
    world.finish(model)
    found = world.inspect(model)
    ways: dict[str, Callable[[], float]] = {
        "docker run": lambda: docker_run(found),
        "create and start": lambda: bare_calls(found),
        "al": lambda: launched(world, "dev"),
        "al, image for models": lambda: launched(world, "dev-llm"),
    }
    print(report(in_turn(ways, rounds), against="docker run"))


def measure_thinking(world: World, server: ModelServer, rounds: int) -> None:
    """Print how long it takes until a model is asked."""
    model = new_run()
    server.script(Say("done"))
    world.finish(model, f"thinks-{PROVIDERS[0]}", PROMPT)
    found = world.inspect(model)
    ways: dict[str, Callable[[], float]] = {"docker run true": lambda: docker_true(found)}
    for provider in PROVIDERS:
        ways[f"first request, {provider}"] = lambda provider=provider: asked(world, server, provider)  # type: ignore[misc]  # bound per provider
    print(report(in_turn(ways, rounds), against="docker run true"))


def in_turn(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """The seconds that each way says, round by round; the first round only warms caches."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            took = way()
            if number:
                seconds[name].append(took)
    return seconds


def launched(world: World, agent: str) -> float:
    """Through the launcher's socket, until the command's first instruction."""
    output, began = run(world, agent)
    return first(output) - began


def asked(world: World, server: ModelServer, provider: str) -> float:
    """Through the launcher's socket, until the model's server has the first request."""
    server.script(Say("done"))
    before = len(server.requests)
    _, began = run(world, f"thinks-{provider}")
    assert server.problems == []
    return server.requests[before].at - began


def run(world: World, agent: str) -> tuple[str, float]:
    """A whole run; what it printed, and when it was asked for."""
    name = new_run()
    client, _ = world.watch()
    with client:
        began = time.time()
        container = world.start(name, agent, PROMPT, secret=f"{name}.1.{secrets.token_hex(32)}")["container"]
        code = exit_of(client, name)["exit_code"]
    output = docker("logs", container)
    assert code == 0, output
    assert world.ask("remove", run=name, attempt=1)["removed"]
    return output, began


def docker_run(found: dict[str, Any]) -> float:
    """`docker run` of the command with every flag of the run that serves as the model."""
    began = time.time()
    output = docker("run", "--rm", *flags(found), "--entrypoint", DATE[0], found["Config"]["Image"], *DATE[1:])
    return first(output) - began


def docker_true(found: dict[str, Any]) -> float:
    """`docker run` of the image with `true`, from beginning to end."""
    began = time.time()
    docker("run", "--rm", *flags(found), "--entrypoint", "true", found["Config"]["Image"])
    return time.time() - began


def flags(found: dict[str, Any]) -> list[str]:
    """The options of `docker run` for a container like that one."""
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
    return words + [word for mount in mounts for word in ("--mount", mount)]


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


def size(image: str) -> int:
    """Bytes on the disk, all layers."""
    return int(docker("image", "inspect", "-f", "{{.Size}}", image))


if __name__ == "__main__":
    main()
