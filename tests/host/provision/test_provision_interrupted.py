"""Whenever `create` is interrupted, nothing is forgotten: the same call gets to the end, or teardown removes it all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alvps.errors import UsageError
from alvps.project.environments import companion_folder, list_environments
from alvps.provision.provider import silent
from alvps.provision.record import Record, save
from alvps.provision.registry import open_provider
from alvps.provision.teardown import teardown

pytestmark = pytest.mark.host

NAME = f"test-provision-cut-{os.getpid()}"
CREATE = """
import sys
from alvps.provision.registry import open_provider
open_provider("local", name=sys.argv[1]).create(lambda event: print(event.step, event.text, flush=True))
"""


def left_behind() -> list[str]:
    """Containers and volumes with the name in them."""
    found = []
    for kind in (["container", "ls", "-a", "--format", "{{.Names}}"], ["volume", "ls", "--format", "{{.Name}}"]):
        listing = subprocess.run(["docker", *kind], capture_output=True, text=True, check=True).stdout.split()
        found += [name for name in listing if NAME in name]
    return found


def interrupt_at(step: str, number: int) -> None:
    """Runs `create` in a process of its own and interrupts it when it says that the step is there."""
    with subprocess.Popen(
        [sys.executable, "-c", CREATE, NAME], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(step):
                # To the whole group, as a terminal does it with Ctrl-C.
                os.killpg(process.pid, number)
                break
        process.communicate(timeout=60)
    assert process.returncode != 0


@pytest.mark.parametrize(
    ("step", "number"),
    [("image", signal.SIGKILL), ("volume", signal.SIGINT), ("start", signal.SIGKILL), ("boot", signal.SIGINT)],
)
def test_teardown_removes_all_of_a_half_made_vps(in_home: Path, step: str, number: int) -> None:
    interrupt_at(step, number)
    assert NAME not in list_environments()
    assert companion_folder(NAME).exists()
    teardown(NAME)
    assert left_behind() == []
    assert not companion_folder(NAME).exists()


def test_a_second_call_gets_to_the_end(in_home: Path) -> None:
    interrupt_at("boot", signal.SIGKILL)
    try:
        environment = open_provider("local", name=NAME).create(silent)
        assert environment.name in list_environments()
        with pytest.raises(UsageError, match="exists already"):
            open_provider("local", name=NAME).create(silent)
    finally:
        report = teardown(NAME)
    assert left_behind() == []
    assert f"container al-vps-{NAME}" in report.removed
    assert f"volume al-vps-{NAME}-docker" in report.removed
    assert any("al-vps-seed-" in what for what in report.left)


@pytest.mark.parametrize("record", [False, True], ids=["no record", "another's record"])
def test_a_container_of_that_name_that_is_not_ours_is_left_alone(in_home: Path, record: bool) -> None:
    container = f"al-vps-{NAME}"
    subprocess.run(
        [
            "docker",
            "create",
            "-q",
            "--name",
            container,
            "--label",
            "al.vps.instance=theirs",
            "debian:bookworm-slim",
            "true",
        ],
        capture_output=True,
        check=True,
    )
    try:
        if record:
            save(Record(name=NAME, provider="local", instance="ours", host="127.0.0.1", container=container))
        with pytest.raises(UsageError, match="did not make"):
            open_provider("local", name=NAME).create(silent)
        if record:
            with pytest.raises(UsageError, match="did not make"):
                teardown(NAME)
        assert left_behind() == [container]
    finally:
        subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=True)
        if record:
            teardown(NAME)
