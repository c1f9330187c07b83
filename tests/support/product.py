"""The product as a user has it: the wheel in a virtual environment, run as a process, with a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Outcome:
    """What one `al` command did."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"{' '.join(self.argv)} -> {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


@dataclass
class Product:
    """An installed `al` and the home folder it works in."""

    venv: Path
    home: Path
    extra_env: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        dropped = ("PYTHON", "AL_", "PYTEST", "SSH_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
        return kept | {"HOME": str(self.home), "PATH": f"{self.venv / 'bin'}:{kept['PATH']}"} | self.extra_env

    def argv(self, *words: str) -> list[str]:
        return [str(self.venv / "bin" / "al"), *words]

    def start(self, *words: str, cwd: Path | None = None, **options: object) -> subprocess.Popen[str]:
        """Start `al` and return the process; its standard streams are pipes."""
        return subprocess.Popen(
            self.argv(*words),
            cwd=cwd or self.home,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,  # type: ignore[call-overload]  # passed on as they are
        )

    def run(self, *words: str, cwd: Path | None = None, stdin: str = "", timeout: float = 180) -> Outcome:
        """Run `al` to its end."""
        done = subprocess.run(
            self.argv(*words),
            cwd=cwd or self.home,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Outcome(("al", *words), done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, cwd: Path | None = None, stdin: str = "", timeout: float = 180) -> str:
        """Run `al`, which must succeed; its standard output."""
        outcome = self.run(*words, cwd=cwd, stdin=stdin, timeout=timeout)
        assert outcome.code == 0, str(outcome)
        return outcome.out


def install(folder: Path) -> Path:
    """The wheel (ALVPS_WHEEL, else built now) in a new virtual environment under `folder`; the environment's path."""
    wheel = os.environ.get("ALVPS_WHEEL") or build(folder / "wheel")
    venv = folder / "venv"
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    into = ["--python", str(venv / "bin" / "python")]
    subprocess.run([str(uv), "pip", "install", "--quiet", "--compile-bytecode", *into, str(wheel)], check=True)
    return venv


def build(out: Path) -> Path:
    """Build the wheel of this tree into `out` and return its path."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))
