"""The bootstrap script without a host: its table, its refusals, and that half of it does nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alvps.provision import bootstrap
from alvps.provision.resources import resource
from tests.support.examples import examples

SCRIPT = bootstrap.script()
NOBODY = 65534


def run(script: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """As `al` runs it, but never as root: whatever it did wrong could not harm."""
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    return subprocess.run(
        ["sh", "-s", "--", *arguments], input=script, capture_output=True, check=False, cwd="/", **user
    )  # type: ignore[call-overload,no-any-return]  # mypy cannot match the dict with an overload


def test_its_parts_stand_in_the_order_in_which_they_are_needed() -> None:
    lines = SCRIPT.decode().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert lines[-1] == 'main "$@" </dev/null'
    steps = [line.strip() for line in lines[lines.index("main() {") :]]
    assert steps.index("packages") < steps.index("docker_engine") < steps.index("firewall") < steps.index("web_serve")
    defined = {line.split("()")[0] for line in lines if line.endswith("() {")}
    assert {"check", "packages", "ssh_server", "caddyfile", "main"} <= defined


def test_the_image_of_a_vps_gets_the_packages_of_the_table() -> None:
    packages = bootstrap.packages()
    assert set(packages) >= {"docker.io", "python3", "python3-venv", "git", "curl", "iptables", "ca-certificates"}
    assert len(set(packages)) == len(packages)
    assert all(package.replace("-", "").replace(".", "").isalnum() for package in packages)


def test_the_digest_is_that_of_the_text_and_changes_with_it() -> None:
    assert len(bootstrap.digest()) == 64
    assert bootstrap.digest(SCRIPT) == bootstrap.digest() != bootstrap.digest(SCRIPT + b"\n")


def test_root_is_asked_for_without_ever_waiting_for_a_password() -> None:
    assert bootstrap.argv("--check") == ["sh", "-s", "--", "--check"]
    assert bootstrap.argv("--check", user="admin") == ["sudo", "-n", "--", "sh", "-s", "--", "--check"]


SCRIPTS = (
    *sorted(resource("cloud-init").glob("*.sh")),
    *sorted(resource("docker").glob("*/*.sh")),
    resource("docker", "debian", "make-image"),
)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_script_is_posix_shell(path: Path) -> None:
    done = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.access(path, os.X_OK)


def test_its_parts_together_are_posix_shell() -> None:
    done = subprocess.run(["sh", "-n"], input=SCRIPT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_base_image_is_made_for_a_tag_that_names_a_release() -> None:
    done = subprocess.run(["sh", str(SCRIPTS[-1]), "debian:12"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "base image: the tag must be debian:RELEASE-slim, not debian:12\n")


def test_without_root_it_refuses_before_anything() -> None:
    done = run(SCRIPT, "--digest", "0" * 64)
    assert done.returncode == bootstrap.REFUSED
    assert done.stdout == b"bootstrap: refused: must run as root\n"
    assert done.stderr == b""


def test_arguments_that_it_does_not_know_are_refused() -> None:
    done = run(SCRIPT, "--nonsense")
    assert done.returncode == bootstrap.REFUSED
    assert b"--nonsense" in done.stdout


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, len(SCRIPT.rstrip()) - 1))
def test_cut_off_anywhere_it_does_nothing(length: int) -> None:
    done = run(SCRIPT[:length], "--digest", "0" * 64)
    assert b"bootstrap:" not in done.stdout


@pytest.mark.parametrize("missing", [1, 2, 10, 13, 14, 15, 20, 40])
def test_cut_off_in_its_last_line_it_does_nothing(missing: int) -> None:
    text = SCRIPT.rstrip()
    done = run(text[:-missing])
    # `main "$@"` without its redirection is still only main, which refuses: nothing may be done, it may be said.
    assert done.stdout in {
        b"",
        b"bootstrap: refused: must run as root\n",
        b"bootstrap: refused: --digest must be a sha256\n",
    }


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(0, 10**6))
def test_the_removal_cut_off_anywhere_does_nothing(seed: int) -> None:
    text = resource("cloud-init", "remove.sh").read_bytes().rstrip()
    done = run(text[: seed % (len(text) - len(b'main "$@" </dev/null'))])
    # Cut off behind `set` or `export`, the shell lists its variables.
    assert not [line for line in done.stdout.splitlines() if line.startswith((b"removed:", b"left:"))]
