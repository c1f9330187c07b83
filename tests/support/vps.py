"""A local VPS made by the product itself, and ways to look into it that do not go through the product."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.product import Product


@dataclass(frozen=True)
class Vps:
    """A host that `al provision local` made."""

    product: Product
    name: str

    @property
    def container(self) -> str:
        return f"al-vps-{self.name}"

    def inside(self, *argv: str, stdin: str | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root, through Docker: works while SSH is broken on purpose."""
        return subprocess.run(
            ["docker", "exec", "-i", self.container, *argv],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def sh(self, script: str, timeout: float = 60) -> str:
        """Run a shell script inside; it must succeed; its output."""
        done = self.inside("sh", "-ec", script, timeout=timeout)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def control(self, path: str, method: str = "GET") -> Any:
        """One request to the daemon's control socket, by curl."""
        url = f"http://localhost{path}"
        done = self.inside("curl", "-sS", "-X", method, "--unix-socket", "/run/action-llama/control.sock", url)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def release(self) -> str:
        """The id of the live release."""
        return Path(self.sh("readlink /opt/action-llama/current")).name

    def journal(self, *matches: str) -> list[dict[str, Any]]:
        """The journal's entries that match."""
        done = self.inside("journalctl", "-o", "json", "--no-pager", *matches)
        return [json.loads(line) for line in done.stdout.splitlines()]
