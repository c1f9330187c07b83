"""Credentials on a host with real systemd: encrypted on its disk, given to those they are for, mended by a push."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alvps.credentials import Credential, FileStore
from alvps.project import load
from alvps.project.environment import Environment
from alvps.push.push import PushResult, push
from tests.support.host_webhooks import deliver, steady
from tests.support.projects import write_project
from tests.support.vps import Vps

LAUNCHERS, DAEMONS = "/var/lib/action-llama-launcher/credentials", "/var/lib/action-llama-gateway/credentials"
READER: dict[str, object] = {
    "script": 'echo "it is $(printf %s "$GITHUB_TOKEN" | sha256sum | cut -c1-12)"',
    "credentials": ["github_token"],
    "scale": 4,
}


class Pushed:
    """A project with an agent that reads a token, and a source of webhooks with secrets."""

    def __init__(self, vps: Vps, environment: Environment, folder: Path) -> None:
        self.vps = vps
        self._environment = environment
        self._folder = folder
        self.store = FileStore(folder.parent / "credentials")

    def push(self, token: str, *, hooks: dict[str, str] | None = None, text: str = "# reader\n") -> PushResult:
        secrets = hooks or {"default": "canary-hook"}
        self.store.put(Credential(type="github_token", instance="default", fields={"token": token}))
        for name, secret in secrets.items():
            self.store.put(Credential(type="generic_webhook_secret", instance=name, fields={"secret": secret}))
        source = {"demo": {"type": "generic", "header": "x-signature-256", "credential": list(secrets)}}
        waiter: dict[str, object] = {"webhooks": [{"source": "demo", "actions": ["wanted"]}], "script": "true"}
        write_project(self._folder, {"reader": {**READER, "actions": text}, "waiter": waiter}, webhooks=source)
        return push(load(self._folder), self._environment, replace=True, store=self.store)

    def start(self) -> str:
        """Start the reader; the run's id."""
        ask = ["curl", "-sS", "--unix-socket", "/run/action-llama/control.sock", "http://al/runs"]
        done = self.vps.inside(*ask, "-H", "content-type: application/json", "--data-binary", '{"agent": "reader"}')
        return str(json.loads(done.stdout)["run"])

    def end(self, run: str) -> dict[str, Any]:
        """How it ended."""
        deadline = time.monotonic() + 60
        while True:
            found: dict[str, Any] = self.vps.control(f"/runs/{run}")
            if found["state"] not in {"queued", "starting", "running"}:
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.2)

    def token_of(self, run: str) -> str:
        """What the run had for a token, hashed."""
        assert self.end(run)["state"] == "completed"
        said = [str(entry["MESSAGE"]) for entry in self.vps.journal(f"AL_RUN={run}", "AL_COMPONENT=agent")]
        (line,) = [text for text in said if text.startswith("it is ")]
        return line.removeprefix("it is ")

    def current(self) -> list[str]:
        """The folders that the live set is in."""
        return self.vps.sh(f"readlink {LAUNCHERS}/current {DAEMONS}/current").split()

    def pids(self) -> list[str]:
        return self.vps.sh("systemctl show -P MainPID action-llama action-llama-launcher").split()


@pytest.fixture
def pushed(vps: Vps, environment: Environment, project_folder: Path) -> Pushed:
    return Pushed(vps, environment, project_folder)


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:12]


def in_plain(vps: Vps, text: str) -> list[str]:
    """Every file of the host's in which that text stands, and "journal" if it does there."""
    files = vps.inside("grep", "-rlsaF", "--exclude-dir=proc", "--exclude-dir=sys", text, "/", timeout=300).stdout
    journal = vps.sh(f"journalctl --no-pager -o export | grep -caF {text} || true")
    return files.splitlines() + (["journal"] if journal != "0" else [])


def test_encrypted_and_nowhere_in_plain(pushed: Pushed) -> None:
    vps = pushed.vps
    assert pushed.push("canary-token-one").result == "live"
    names = pushed.current()
    assert len(set(names)) == 1
    assert names[0].startswith("sealed-")
    assert pushed.token_of(pushed.start()) == hashed("canary-token-one")
    assert deliver(vps, b'{"action": "wanted"}', secret="canary-hook", delivery="sealed-1")[0] == 200
    assert pushed.push("canary-token-one").result == "unchanged"
    assert in_plain(vps, "canary-token-one") == []
    assert in_plain(vps, "canary-hook") == []
    for place in (LAUNCHERS, DAEMONS):
        assert vps.sh(f"ls -A {place} | wc -l; stat -Lc '%a %U' {place}/current/set.cred") == "2\n600 root"
    assert vps.sh("systemctl list-units --failed --no-legend 'action-llama*'") == ""


@pytest.mark.parametrize(
    ("account", "socket", "given"),
    [
        ("action-llama-launcher", "credentials", True),
        ("action-llama", "credentials", False),
        ("nobody", "credentials", False),
        ("action-llama", "webhook-secrets", True),
        ("action-llama-launcher", "webhook-secrets", False),
        ("nobody", "webhook-secrets", False),
    ],
)
def test_only_those_they_are_for_are_given_them(pushed: Pushed, account: str, socket: str, given: bool) -> None:
    pushed.push("canary-token-one")
    ask = f"s=socket.socket(socket.AF_UNIX);s.connect('/run/action-llama-{socket}.sock');print(s.recv(9))"
    done = pushed.vps.inside("runuser", "-u", account, "--", "python3", "-c", f"import socket;{ask}")
    assert (done.returncode == 0, "PermissionError" in done.stderr) == (given, not given)
    assert ('{"set"' in done.stdout) == given


def test_a_run_that_starts_during_the_push_has_the_old_or_the_new_one(pushed: Pushed) -> None:
    pushed.push("canary-token-old")
    pids = pushed.pids()
    results: list[PushResult] = []
    pushing = threading.Thread(target=lambda: results.append(pushed.push("canary-token-new")))
    pushing.start()
    runs = [pushed.start()]
    while pushing.is_alive():
        runs.append(pushed.start())
        time.sleep(0.1)
    pushing.join()
    assert [result.result for result in results] == ["live"]
    had = [pushed.token_of(run) for run in runs]
    assert set(had) <= {hashed("canary-token-old"), hashed("canary-token-new")}
    assert pushed.token_of(pushed.start()) == hashed("canary-token-new")
    assert pushed.pids() == pids  # neither was started anew
    assert in_plain(pushed.vps, "canary-token") == []


def test_secrets_of_webhooks_are_exchanged_and_none_is_refused(pushed: Pushed) -> None:
    pushed.push("canary-token-one", hooks={"default": "canary-hook-old"})
    pids = pushed.pids()
    found: dict[str, Any] = {}
    with steady(pushed.vps, found, rate=50, secret="canary-hook-old"):
        pushed.push("canary-token-one", hooks={"default": "canary-hook-old", "next": "canary-hook-new"})
    assert list(found["status"]) == ["200"], found["bad"]
    found.clear()
    with steady(pushed.vps, found, rate=50, secret="canary-hook-new"):
        pushed.push("canary-token-one", hooks={"default": "canary-hook-new"})
    assert list(found["status"]) == ["200"], found["bad"]
    assert pushed.pids() == pids
    assert deliver(pushed.vps, b'{"a": 1}', secret="canary-hook-old", delivery="late")[0] == 401


def test_a_lost_key_is_said_and_mended_by_a_push(pushed: Pushed) -> None:
    vps = pushed.vps
    pushed.push("canary-token-one")
    name = pushed.current()
    vps.sh("rm /var/lib/systemd/credential.secret; systemctl restart action-llama-launcher action-llama")
    reason, of_webhooks = vps.control("/ready")["reasons"]
    assert "cannot be decrypted" in reason
    assert "`al push` sends them anew" in reason
    assert of_webhooks.startswith("webhooks: the credentials on this host's disk cannot be decrypted")
    assert any("cannot be decrypted" in warning for warning in vps.control("/status")["warnings"])
    run = pushed.start()
    end = time.monotonic() + 30  # a start is tried again and again, and each try takes a moment
    while (waiting := vps.control(f"/runs/{run}"))["state"] != "queued" or waiting["reason"] is None:
        assert time.monotonic() < end, waiting
        time.sleep(0.1)
    assert waiting["reason"] == reason
    assert pushed.push("canary-token-one").result == "live"
    assert pushed.current() == name
    assert vps.control("/ready")["reasons"] == []
    assert pushed.token_of(run) == hashed("canary-token-one")
    assert deliver(vps, b'{"action": "wanted"}', secret="canary-hook", delivery="mended")[0] == 200


@pytest.fixture
def without_systemd_creds(vps: Vps) -> Iterator[None]:
    """A host on which systemd-creds fails, as where there is none."""
    vps.sh("mount --bind /bin/false /usr/bin/systemd-creds")
    yield
    vps.sh("umount -q /usr/bin/systemd-creds || true")


@pytest.mark.usefixtures("without_systemd_creds")
def test_a_host_that_cannot_encrypt_works_the_same(pushed: Pushed) -> None:
    vps = pushed.vps
    pushed.push("canary-token-files")
    assert all(name.startswith("set-") for name in pushed.current())
    wrong = f"find {LAUNCHERS}/ ! -type l ( ! -user action-llama-launcher -o -perm /077 )".split(" ")
    assert vps.inside(*wrong).stdout == ""
    value = f"{LAUNCHERS}/current/github_token/default/token"
    assert vps.sh(f"stat -c '%a %U' {value}; cat {value}").split() == [
        "600",
        "action-llama-launcher",
        "canary-token-files",
    ]
    assert vps.inside("runuser", "-u", "action-llama", "--", "cat", value).returncode != 0
    assert in_plain(vps, "canary-token-files") == [vps.sh(f"realpath {value}")]
    pids = pushed.pids()
    pushed.push("canary-token-other")
    assert pushed.pids() == pids
    assert pushed.token_of(pushed.start()) == hashed("canary-token-other")
    assert deliver(vps, b'{"action": "wanted"}', secret="canary-hook", delivery="files")[0] == 200

    vps.sh("umount /usr/bin/systemd-creds")
    assert pushed.push("canary-token-other", text="# changed\n").result == "live"
    assert all(name.startswith("sealed-") for name in pushed.current())
    assert in_plain(vps, "canary-token") == []
    assert pushed.token_of(pushed.start()) == hashed("canary-token-other")
