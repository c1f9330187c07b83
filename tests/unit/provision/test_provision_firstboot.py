"""From an address to a host, over a real sshd: waited for, and what the first boot did not get done is made up for."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from alvps.errors import HostKeyRefused, HostUnreachable
from alvps.project.environment import Environment, Web
from alvps.provision import bootstrap
from alvps.provision.provider import Event, ProvisionFailed, silent
from alvps.provision.rented import firstboot
from alvps.provision.rented.firstboot import Patience, settle
from tests.support.ports import free_port
from tests.support.sshd import Sshd, make_key

DONE = 'case $* in "status --wait") exit 0 ;; *) echo "status: done" ;; esac'
FAILED = 'case $* in "status --wait") exit 1 ;; *) echo "status: error"; echo "errors: [scripts_user]" ;; esac'
NO_PATIENCE = Patience(ssh=0, boot=5, sleep=lambda _seconds: None)


class Machine:
    """An sshd whose host has this cloud-init, and a bootstrap that does what the test says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.record = folder / "bootstrap.json"
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.program("sudo", 'shift 2; exec "$@"')  # -n --
        monkeypatch.setattr(bootstrap, "RECORD", str(self.record))
        monkeypatch.setattr(bootstrap, "script", lambda: b"exit 9\n")
        self.sshd = Sshd(folder / "sshd", path=f"{self.programs}:{os.environ['PATH']}")
        self.environment = Environment(
            name="demo",
            host="127.0.0.1",
            port=self.sshd.port,
            user=getpass.getuser(),
            key_path=self.sshd.client_key,
            known_hosts=self.sshd.known_hosts,
            web=Web(expose=True),
        )

    def program(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def bootstrapped(self) -> None:
        self.record.write_text(f'{{"digest": "{bootstrap.digest()}"}}')


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    made = Machine(tmp_path, monkeypatch)
    yield made
    made.sshd.stop()


def test_a_host_that_is_ready_is_only_looked_at(machine: Machine) -> None:
    machine.program("cloud-init", DONE)
    machine.bootstrapped()
    said: list[Event] = []
    settle(machine.environment, said.append, patience=NO_PATIENCE)
    assert "status: done" in [event.text for event in said if event.detail]
    assert not [event for event in said if event.step == "bootstrap"]


def test_a_first_boot_that_failed_is_made_up_for(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror that was down for a minute is no reason to throw the server away."""
    machine.program("cloud-init", FAILED)
    arguments = machine.record.with_name("arguments")
    script = f'printf "%s\\n" "$@" >{arguments}; printf \'{{"digest": "%s"}}\' "$2" >{machine.record}\n'
    monkeypatch.setattr(bootstrap, "script", script.encode)
    settle(machine.environment, silent, patience=NO_PATIENCE)
    assert arguments.read_text().split() == ["--digest", bootstrap.digest(), "--expose"]


def test_what_cannot_be_made_up_for_is_told_with_both_logs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.program("cloud-init", FAILED)
    monkeypatch.setattr(bootstrap, "script", lambda: b'echo "bootstrap: no space left"; exit 1\n')
    with pytest.raises(ProvisionFailed, match=r"the bootstrap failed \(exit code 1\)") as caught:
        settle(machine.environment, silent, patience=NO_PATIENCE)
    assert "errors: [scripts_user]" in (caught.value.detail or "")
    assert "no space left" in (caught.value.detail or "")


def test_a_bootstrap_that_says_done_and_is_not_is_found_out(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.program("cloud-init", DONE)
    monkeypatch.setattr(bootstrap, "script", lambda: b"exit 0\n")
    with pytest.raises(ProvisionFailed, match="did not run to its end"):
        settle(machine.environment, silent, patience=NO_PATIENCE)


def test_a_cloud_init_that_never_ends_has_an_end(machine: Machine) -> None:
    machine.program("cloud-init", "sleep 60")
    with pytest.raises(ProvisionFailed, match="did not end within 0 s"):
        settle(machine.environment, silent, patience=Patience(ssh=0, boot=0.2))


def test_ssh_that_is_not_there_yet_is_waited_for(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.program("cloud-init", DONE)
    machine.bootstrapped()
    answers = [HostUnreachable("not yet"), HostUnreachable("nor now")]
    connect = firstboot.connect
    monkeypatch.setattr(firstboot, "connect", lambda *args, **options: _first(answers, connect, args, options))
    slept: list[float] = []
    settle(machine.environment, silent, patience=Patience(sleep=slept.append))
    assert slept == [1.0, 2.0]


def _first(answers: list[HostUnreachable], connect: object, args: object, options: object) -> object:
    if answers:
        raise answers.pop(0)
    return connect(*args, **options)  # type: ignore[operator,misc]  # the real one


def test_ssh_that_never_answers_ends_with_where_to_look(machine: Machine) -> None:
    nobody = Environment(
        name="demo", host="127.0.0.1", port=free_port(), known_hosts=machine.sshd.known_hosts, provider="hetzner"
    )
    with pytest.raises(HostUnreachable) as caught:
        settle(nobody, silent, patience=NO_PATIENCE)
    assert caught.value.hint == "look at the server's console at the provider"


def test_another_host_key_is_refused_at_once(machine: Machine, tmp_path: Path) -> None:
    machine.sshd.pin(make_key(tmp_path / "another"))
    with pytest.raises(HostKeyRefused):
        settle(machine.environment, silent)


def test_a_connection_that_is_lost_is_made_again(machine: Machine) -> None:
    """sshd is restarted by the very first boot that is waited for."""
    flag = machine.record.with_name("once")
    machine.program("cloud-init", f"test -e {flag} && {{ {DONE}; exit; }}; touch {flag}; kill -9 $(ps -o ppid= $PPID)")
    machine.bootstrapped()
    settle(machine.environment, silent, patience=Patience(ssh=5, boot=5))
    assert flag.exists()
    assert sum("Accepted publickey" in line for line in machine.sshd.log) == 3  # the last one verifies
