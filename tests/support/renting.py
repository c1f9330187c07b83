"""`al` as somebody uses it who rents a server from a fake cloud: a home folder of its own, and what must hold."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cloud import Hetzner, Vultr
from tests.support.product import Outcome, Product

Cloud = Hetzner | Vultr
NAME = "box"
# What a person asks for, and the paths that the provider's API has for it.
OPTIONS = {
    "hetzner": ("--plan", "cx23", "--region", "nbg1", "--image", "debian-12"),
    "vultr": ("--plan", "vc2-1c-2gb", "--region", "fra", "--image", "debian-12"),
}
SERVERS = {"hetzner": "/servers", "vultr": "/instances"}
KEYS = {"hetzner": "/ssh_keys", "vultr": "/ssh-keys"}


@dataclass
class Renter:
    """One person with one account. Every output is looked through for the API key."""

    product: Product
    cloud: Cloud

    @property
    def provider(self) -> str:
        return type(self.cloud).__name__.lower()

    @property
    def servers(self) -> str:
        return SERVERS[self.provider]

    @property
    def folder(self) -> Path:
        """The environment's companion folder."""
        return self.product.home / ".action-llama" / "environments" / NAME

    @property
    def words(self) -> tuple[str, ...]:
        return ("provision", self.provider, "--name", NAME, *OPTIONS[self.provider], "--yes")

    def al(self, *words: str, **options: Any) -> Outcome:
        """Run `al`; what it said is free of secrets and of tracebacks."""
        outcome = self.product.run(*words, **options)
        self.fit_to_be_seen(outcome.out + outcome.err)
        return outcome

    def provision(self, *more: str) -> Outcome:
        return self.al(*self.words, *more, timeout=300)

    def teardown(self) -> Outcome:
        return self.al("teardown", NAME, "--yes", timeout=300)

    def interrupted(self, when: Callable[[], None], *more: str) -> Outcome:
        """Ctrl-C as soon as `when()` has returned."""
        process = self.product.start(*self.words, *more)
        try:
            when()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        self.fit_to_be_seen(out + err)
        return Outcome(("al", *self.words), process.returncode, out, err)

    def pinned(self, timeout: float = 60.0) -> None:
        """Until the host key is pinned: from then on `al` waits for SSH. Raises TimeoutError."""
        end = time.monotonic() + timeout
        while not (self.folder / "known_hosts").exists():
            if time.monotonic() > end:
                raise TimeoutError("no host key was pinned")
            time.sleep(0.05)

    def made_once(self) -> None:
        """One server, one key, one firewall, whatever happened."""
        for path in (self.servers, KEYS[self.provider], "/firewalls"):
            assert self.cloud.count("POST", path) == 1, (path, self.cloud.asked("POST", path))
        assert self.cloud.problems == []

    def nothing_left(self) -> None:
        """At the provider and here."""
        assert self.cloud.left() == []
        assert not self.folder.exists()
        assert not self.folder.with_suffix(".toml").exists()

    def torn_down(self) -> None:
        """`al teardown` works and leaves nothing."""
        outcome = self.teardown()
        assert outcome.code == 0, str(outcome)
        self.nothing_left()
        assert self.cloud.problems == []

    def fit_to_be_seen(self, said: str) -> None:
        assert self.cloud.token not in said
        assert "Traceback" not in said, said
        assert "PRIVATE KEY" not in said


def renter(product: Product, cloud: Cloud, home: Path) -> Renter:
    """Somebody new."""
    home.mkdir()
    env = {
        "HCLOUD_ENDPOINT": cloud.url,
        "HCLOUD_TOKEN": cloud.token,
        "VULTR_ENDPOINT": cloud.url,
        "VULTR_API_KEY": cloud.token,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    return Renter(Product(venv=product.venv, home=home, extra_env=env), cloud)


def by_ssh(renter: Renter, host: str, *command: str) -> str:
    """What OpenSSH's own client gets from the host, with nothing but the environment's files."""
    argv = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"]
    files = ["-o", f"UserKnownHostsFile={renter.folder / 'known_hosts'}", "-i", str(renter.folder / "id_ed25519")]
    done = subprocess.run(
        [*argv, *files, f"root@{host}", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout
