"""A VPS of this room's own: made by the provider directly, under a home folder of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alvps.project.environment import Environment
from alvps.provision import bootstrap
from alvps.provision.provider import Event
from alvps.provision.registry import open_provider
from alvps.provision.teardown import teardown


@dataclass
class Machine:
    """A VPS, looked at through Docker: that works while SSH is broken on purpose."""

    environment: Environment
    events: list[Event] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # what the journal had of them right after the boot

    @property
    def container(self) -> str:
        assert self.environment.container is not None
        return self.environment.container

    @property
    def address(self) -> str:
        """On the outer engine's bridge: how somebody else on its network would come."""
        inspect = ["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.container]
        return subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()

    def run(self, *argv: str, stdin: str = "", timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "exec", "-i", self.container, *argv],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def sh(self, script: str, *, ok: bool = True) -> str:
        """A shell script inside; its output."""
        done = self.run("sh", "-ec", script)
        assert not ok or done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return (done.stdout + ("" if ok else done.stderr)).strip()

    def bootstrap(self, *options: str, script: bytes | None = None) -> subprocess.CompletedProcess[str]:
        """The bootstrap, as every caller runs it."""
        text = bootstrap.script() if script is None else script
        words = ("sh", "-s", "--", "--digest", bootstrap.digest(text), *options)
        return self.run(*words, stdin=text.decode(), timeout=300)

    def state(self) -> str:
        """What a bootstrap could change: files with their times, and which units were started anew."""
        return self.sh(
            "find /etc /opt /var/lib/action-llama* /usr/local /var/lib/dpkg -xdev -printf '%p %m %U %G %T@ %C@\\n' |"
            " sort;"
            " systemctl show -P InvocationID docker ssh systemd-journald action-llama-firewall"
        )

    def ssh(self, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """OpenSSH's own client with nothing but the environment's files."""
        env = self.environment
        return subprocess.run(
            [
                *("ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"),
                *("-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={env.known_hosts}", *options),
                *("-i", str(env.key_path), "-p", str(env.port), f"{env.user}@{env.host}", *command),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="session")
def provision_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home folder in which this room's environments are."""
    home = tmp_path_factory.mktemp("provision-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        yield home


@pytest.fixture
def in_home(provision_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(provision_home))
    return provision_home


@pytest.fixture(scope="session")
def machine(provision_home: Path) -> Iterator[Machine]:
    """One VPS for the tests that leave it as they found it."""
    name = f"test-provision-{os.getpid()}"
    events: list[Event] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(provision_home))
        try:
            environment = open_provider("local", name=name).create(events.append)
            made = Machine(environment=environment, events=events)
            made.warnings += made.sh("journalctl -b -p warning --no-pager -o cat").splitlines()
            yield made
        finally:
            teardown(name)
