"""script/test itself, with stand-ins for what it installs and starts: its exit code says whether all tests passed."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "script" / "test"

# What the script sources: nothing is installed, two Pythons are found, and a virtual environment is the stand-in below.
LIB = """
CACHE=cache
say() { echo "==> $*" >&2; }
die() { echo "error: $*" >&2; exit 1; }
ensure_packages() { :; }
ensure_docker() { :; }
ensure_debian_image() { :; }
find_python() { echo python; }
find_pythons() { echo python; echo python; }
ensure_venv() { echo venv; }
build_wheel() { echo wheel; }
"""

# Every program of that environment: notes what it is asked for, then sleeps or fails where the test says so; what fails
# does so once the sleeper sleeps.
TOOL = """#!/bin/sh
echo "ran $*"
echo "$*" >>calls
case "$*" in *"${SLEEPS:-nothing}"*) sleep 600 & echo "$!" >new && mv new sleeper; wait ;; esac
case "$*" in *"${FAILS:-nothing}"*) while [ "${SLEEPS:-}" ] && [ ! -e sleeper ]; do sleep 0.02; done; exit 3 ;; esac
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder in ("script", "venv/bin", "cloud-init/bootstrap"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / "script" / "test")
    (tmp_path / "script" / "lib.sh").write_text(LIB)
    (tmp_path / "cloud-init" / "bootstrap" / "a.sh").write_text("")
    for name in ("ruff", "mypy", "python", "shellcheck"):
        tool = tmp_path / "venv" / "bin" / name
        tool.write_text(TOOL)
        tool.chmod(0o755)
    return tmp_path


def run(tree: Path, **environment: str) -> tuple[int, str]:
    """The exit code of the script and what it printed."""
    path = f"{tree}/venv/bin:{os.environ['PATH']}"
    script = subprocess.run(
        [tree / "script" / "test"],
        check=False,
        env={**os.environ, "PATH": path, "TMPDIR": str(tree), **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    return script.returncode, script.stdout


def test_all_passed_is_exit_code_0(tree: Path) -> None:
    code, said = run(tree)
    assert code == 0, said
    assert said.rstrip().endswith("all tests passed")
    for part, times in (
        ("check .", 1),
        ("-m pytest tests/unit ", 2),
        ("-m pytest tests/host ", 1),
        ("-m pytest tests/e2e ", 1),
    ):
        assert said.count(f"ran {part}") == times
    assert not list(tree.glob("tmp.*")), "the log of the tests on a host is left"


@pytest.mark.parametrize(
    ("fails", "named"),
    [
        ("tests/unit", "unit tests"),
        ("tests/host", "tests on a real host"),
        ("tests/e2e", "tests on a real host"),
        ("pytest", "unit tests, tests on a real host"),
    ],
)
def test_what_failed_is_the_last_line(tree: Path, fails: str, named: str) -> None:
    code, said = run(tree, FAILS=fails)
    assert code == 1, said
    assert said.rstrip().endswith(f"error: failed: {named}")
    assert "ran -m pytest tests/e2e " in said, "a failure on the host hides the journeys"
    assert said.count("ran -m pytest tests/unit ") == 2, "a failure on one Python hides the others"


@pytest.mark.parametrize("fails", ["format --check", "script/lib.sh"])  # of ruff and of shellcheck
def test_lint_that_fails_ends_all(tree: Path, fails: str) -> None:
    code, said = run(tree, FAILS=fails, SLEEPS="tests/host")
    assert code == 3, said
    assert "tests/unit" not in said
    sleeper = int((tree / "sleeper").read_text())
    with contextlib.suppress(ProcessLookupError):  # it has ended and is gone
        process = os.pidfd_open(sleeper)
        try:
            assert select.select([process], [], [], 30)[0], "the tests on a host go on"
        finally:
            os.close(process)
    assert not list(tree.glob("tmp.*"))
