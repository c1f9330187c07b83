"""The program that follows the journal on the host, run as the host runs it. A real journal: tests/host/ssh."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from alvps.logs import Query
from alvps.logs.query import follow_argv


def run(changes: dict[str, Any], source: tuple[str, str] = ("", "")) -> subprocess.CompletedProcess[str]:
    """With an empty standard input, which ends it."""
    _, isolated, option, program, words = follow_argv(Query(agent="nobody-at-all", follow=True), None)
    ask = {**json.loads(words), **changes}
    argv = [sys.executable, isolated, option, program.replace(*source), json.dumps(ask)]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)


def test_it_ends_with_its_standard_input() -> None:
    done = run({})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_cursor_that_is_none_is_an_error_that_says_so() -> None:
    done = run({"cursor": "nonsense"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "the journal cannot be followed: [Errno 22] Invalid argument\n"


def test_without_libsystemd_it_becomes_journalctl() -> None:
    done = run({"otherwise": ["echo", "journalctl's lines"]}, ("libsystemd.so.0", "libnone.so.0"))
    assert (done.returncode, done.stdout) == (0, "journalctl's lines\n")
