"""How long a push takes, against `ssh HOST true` with the same key in the same run (goals 1 and 2), and its bytes (3).

Usage: script/bench push [--rounds N]
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import tempfile
from pathlib import Path

import tomli

from tests.bench.measure import alternate, report
from tests.support.product import Product, install
from tests.support.projects import write_project

NAME = "bench"


def main() -> None:
    """Make a VPS, measure, print, remove it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        product = Product(venv=install(Path(folder)), home=home)
        product.ok("provision", "local", "--name", NAME, timeout=600)
        try:
            measure(product, Path(folder) / "demo", rounds)
        finally:
            product.ok("teardown", NAME, "--yes")


def measure(product: Product, project: Path, rounds: int) -> None:
    """Print the figures."""
    write_project(project, {"voice": {"script": "echo hello"}})
    first = json.loads(product.ok("push", "-E", NAME, "--json", cwd=project, timeout=600))
    print(f"first push to the new host: {first['seconds']:.1f} s")
    prompt = project / "agents" / "voice" / "ACTIONS.md"
    numbers = itertools.count()

    def unchanged() -> None:
        assert "nothing changed" in product.ok("push", "-E", NAME, cwd=project)

    def changed() -> None:
        prompt.write_text(f"# Say number {next(numbers)}\n")
        assert "is live" in product.ok("push", "-E", NAME, cwd=project)

    ssh = ssh_argv(product)

    def ssh_true() -> None:
        subprocess.run([*ssh, "true"], check=True, capture_output=True)

    for name, push in (("al push, nothing changed", unchanged), ("al push, one prompt", changed)):
        print(report(alternate({"ssh HOST true": ssh_true, name: push}, rounds=rounds), against="ssh HOST true"))
    wire(product, project)


def wire(product: Product, project: Path) -> None:
    """Bytes on the channel for one changed file of 2,000 (goal 3: changed bytes x 1.1 + 16 KB)."""
    data = project / "data"
    data.mkdir()
    for number in range(2000):
        (data / f"file-{number:04}.txt").write_text(f"{number}\n" * 200)
    product.ok("push", "-E", NAME, cwd=project)
    changed = data / "file-1000.txt"
    changed.write_text("something else\n" * 700)
    result = json.loads(product.ok("push", "-E", NAME, "--json", cwd=project))
    limit = int(changed.stat().st_size * 1.1) + 16 * 1024
    total = result["bytes_sent"] + result["bytes_received"]
    print(f"one changed file of 2,000 ({changed.stat().st_size} bytes): {total} bytes both ways, goal {limit}")


def ssh_argv(product: Product) -> list[str]:
    """`ssh` to the bench host, with the very key and pinned host key that al uses."""
    path = product.home / ".action-llama" / "environments" / f"{NAME}.toml"
    server = tomli.loads(path.read_text())["server"]
    options = ["-F", "none", "-i", server["keyPath"], "-p", str(server["port"]), "-o", "IdentitiesOnly=yes"]
    options += ["-o", f"UserKnownHostsFile={server['knownHosts']}", "-o", "StrictHostKeyChecking=yes"]
    return ["ssh", *options, f"{server['user']}@{server['host']}"]


if __name__ == "__main__":
    main()
