"""Run the entry as a process outside any container: every path begins with a temporary folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import alvps
from alvps import frames

ENTRY = Path(alvps.__file__).parent / "agent" / "entry.py"
BASE: dict[str, Any] = {"run": "r0123456789", "attempt": 1, "agent": "dev", "trigger": "manual", "timeout": 60}


@dataclass
class Box:
    """The folders that a container would have."""

    folder: Path

    def __post_init__(self) -> None:
        for name in ("credentials", "tmp", "app/static", "app/bin"):
            (self.folder / name).mkdir(parents=True)

    @property
    def signals(self) -> Path:
        return self.folder / "tmp" / "signals"

    @property
    def static(self) -> Path:
        return self.folder / "app" / "static"

    @property
    def home(self) -> Path:
        return self.folder / "tmp"

    def llm(self, script: str) -> None:
        """An LLM harness: this Python code, run in place of the image's virtual environment."""
        place = self.folder / "app" / "llm" / "bin" / "python"
        place.parent.mkdir(parents=True)
        place.write_text(f"#!{sys.executable}\n{script}\n")
        place.chmod(0o755)

    def begin(self, env: Mapping[str, str] | None = None, *, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        """The entry, waiting for its frame."""
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-E", str(ENTRY), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], **(env or {})},
        )

    def feed(self, data: bytes, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
        """Give the entry these bytes and wait for its end."""
        process = self.begin(env)
        out, err = process.communicate(data, timeout=60)
        return subprocess.CompletedProcess([], process.returncode, out, err)

    def run(
        self,
        command: Sequence[str] | str,
        prompt: bytes = b"",
        *,
        inherited: Mapping[str, str] | None = None,
        **more: Any,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command, or a shell script, to its end."""
        return self.feed(frame(command, prompt, **more), inherited)


def frame(command: Sequence[str] | str, prompt: bytes = b"", **more: Any) -> bytes:
    """The frame that a launcher would send."""
    words = ["sh", "-c", command] if isinstance(command, str) else list(command)
    return frames.pack({**BASE, "command": words, "env": {}, "credentials": [], **more}, prompt)


def step(provider: str, *, required: bool = True, timeout: int = 60, **params: Any) -> dict[str, Any]:
    """A step as it stands in the frame."""
    return {"provider": provider, "params": params, "required": required, "timeout": timeout}


def said(output: bytes) -> list[str]:
    """The texts of the entry's own lines."""
    return [line["msg"] for line in own(output)]


def own(output: bytes) -> list[dict[str, Any]]:
    """The entry's own lines."""
    return [json.loads(line) for line in output.splitlines() if line.startswith(b'{"_log":true')]


def others(output: bytes) -> bytes:
    """Everything but the entry's own lines."""
    return b"".join(line for line in output.splitlines(keepends=True) if not line.startswith(b'{"_log":true'))
