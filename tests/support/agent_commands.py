"""The commands of an agent's container, laid out and compiled as the base image has them, outside of any container."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import alvps

PACKAGE = Path(alvps.__file__).parent
NAMES = tuple(sorted(path.name for path in (PACKAGE / "data" / "docker" / "agent" / "bin").iterdir()))


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        """Its only line."""
        assert self.out.endswith(b"\n"), self
        assert self.out.count(b"\n") == 1, self
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Commands:
    """The folder that is /app in a container."""

    app: Path
    python: str

    def argv(self, name: str, *arguments: str | bytes) -> list[str | bytes]:
        return [self.python, "-ISE", str(self.app / "bin" / name), *arguments]

    def begin(
        self, name: str, *arguments: str | bytes, env: Mapping[str, str] | None = None, **more: Any
    ) -> subprocess.Popen[bytes]:
        """The command, with pipes."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(self.argv(name, *arguments), env=environment(env), **pipes)

    def run(self, name: str, *arguments: str | bytes, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Done:
        """The command to its end."""
        return finish(self.begin(name, *arguments, env=env), stdin)


def finish(process: subprocess.Popen[bytes], stdin: bytes = b"", seconds: float = 60) -> Done:
    """Feed a command that was begun, and wait for its end."""
    with process:
        try:
            out, err = process.communicate(stdin, timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return Done(process.returncode, out, err.decode())


def environment(env: Mapping[str, str] | None) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **(env or {})}


@lru_cache(maxsize=1)
def installed() -> Commands:
    """Laid out once per test process."""
    folder = tempfile.mkdtemp(prefix="al-commands-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return install(Path(folder, "app"))


def install(app: Path, python: str = sys.executable) -> Commands:
    """The same steps as docker/agent/Dockerfile."""
    shutil.copytree(PACKAGE / "data" / "docker" / "agent" / "bin", app / "bin")
    library = app / "lib" / "alvps" / "agent" / "commands"
    library.mkdir(parents=True)
    (library.parent.parent / "__init__.py").touch()
    shutil.copy(PACKAGE / "agent" / "__init__.py", library.parent)
    for file in (PACKAGE / "agent" / "commands").glob("*.py"):
        shutil.copy(file, library)
    steps: Sequence[str] = ("-m", "compileall", "-q", "-b", "--invalidation-mode", "unchecked-hash", str(app / "lib"))
    subprocess.run([python, "-I", *steps], check=True)
    for file in (app / "lib").rglob("*.py"):
        file.unlink()
    return Commands(app, python)
