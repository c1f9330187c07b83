"""`al doctor` and `al verify` against a host that is well, and one where things were really broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.projects import write_project
from tests.support.vps import Vps

# What a machine that was made a minute ago cannot know: it never fetched the lists of updates.
FRESH = {"updates-waiting"}
WEAK = "ProtectSystem=no PrivateUsers=no SystemCallFilter= CapabilityBoundingSet=~ ProtectProc=default"
LISTEN = "python3 -m http.server 9999 --bind 0.0.0.0 >/dev/null 2>&1 & echo $! >/run/test-9999.pid"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that needs nothing."""
    return write_project(tmp_path_factory.mktemp("doctor") / "demo", {"reader": {"script": "true"}})


def doctor(vps: Vps, folder: Path, *options: str, code: int) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The level of what is not ok, by id; and what was mended."""
    outcome = vps.product.run("doctor", "-E", vps.name, "--json", *options, cwd=folder)
    assert outcome.code == code, str(outcome)
    told = json.loads(outcome.out)
    return {one["id"]: one["level"] for one in told["findings"] if one["level"] != "ok"}, told["mended"]


def verify(vps: Vps, *, code: int) -> dict[str, str]:
    """The reason of each check that did not pass, by id."""
    outcome = vps.product.run("verify", "-E", vps.name, "--json")
    assert outcome.code == code, str(outcome)
    checks = json.loads(outcome.out)
    assert len(checks) > 30
    return {check["id"]: check["reason"] for check in checks if check["result"] != "passed"}


@contextmanager
def broken(vps: Vps, script: str, *, mended_by: str) -> Iterator[None]:
    vps.sh(script)
    try:
        yield
    finally:
        vps.sh(mended_by)


def test_a_healthy_host(installed: Vps, folder: Path) -> None:
    assert verify(installed, code=0) == {}
    found, mended = doctor(installed, folder, code=0)
    assert found.keys() <= FRESH
    assert mended == []


def test_the_users_own_pytest_has_no_say(installed: Vps, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("raise SystemExit('conftest.py was read')")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    theirs = {"PYTEST_ADDOPTS": "--no-such-option", "PYTEST_PLUGINS": "no_such_plugin"}
    product = replace(installed.product, extra_env=theirs)
    outcome = product.run("verify", "-E", installed.name, cwd=tmp_path)
    assert outcome.code == 0, str(outcome)
    assert outcome.out.splitlines()[0] == "✓ action-llama.socket is active and starts at boot"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conftest.py", "pytest.ini"]


def test_what_is_broken_is_found_and_mended(installed: Vps, folder: Path) -> None:
    with broken(
        installed,
        "systemctl stop action-llama.service action-llama-firewall.service; systemctl disable -q action-llama.socket;"
        "echo '{}' >/etc/action-llama/bootstrap.json; rm /etc/systemd/journald.conf.d/50-action-llama.conf",
        mended_by="systemctl enable -q action-llama.socket; systemctl start action-llama-firewall action-llama",
    ):
        found, _ = doctor(installed, folder, code=1)
        assert {"unit-active", "unit-enabled", "bootstrap", "firewall"} <= found.keys()
        found, mended = doctor(installed, folder, "--fix", code=0)
        assert found.keys() <= FRESH
        fixes = ("bootstrap", "enable", "units", "firewall")
        assert {one["fix"]: one["mended"] for one in mended} == dict.fromkeys(fixes, True)
        assert "journal: persistent" in mended[0]["text"]


def test_everything_was_stopped_by_hand_and_stays_so(installed: Vps, folder: Path) -> None:
    installed.product.ok("stop", "-E", installed.name)
    try:
        found, mended = doctor(installed, folder, "--fix", code=1)
        assert found["unit-active"] == "error"
        assert mended == []
        outcome = installed.product.run("doctor", "-E", installed.name, cwd=folder)
        assert "✗ units: everything is stopped on the host\n      → al start\n" in outcome.out
    finally:
        installed.product.ok("start", "-E", installed.name)


def test_a_sandbox_that_was_weakened_and_no_firewall(installed: Vps, folder: Path) -> None:
    drop_in = "/etc/systemd/system/action-llama.service.d"
    with broken(
        installed,
        f"mkdir {drop_in}; printf '%s\\n' [Service] {WEAK} >{drop_in}/mine.conf; systemctl daemon-reload;"
        "systemctl stop action-llama-firewall",
        mended_by=f"rm -r {drop_in}; systemctl daemon-reload; systemctl start action-llama-firewall",
    ):
        found, _ = doctor(installed, folder, code=1)
        assert found["unit-sandbox"] == "error"
        reasons = verify(installed, code=1)
        assert reasons["sandbox-action-llama.service"].startswith("systemd-analyze security says ")
        assert reasons["firewall"] == "the table inet action_llama is not in the kernel"


def test_a_port_that_is_open_and_listened_on(installed: Vps, folder: Path) -> None:
    rule = "/etc/action-llama/firewall.d/mine.nft"
    with broken(
        installed,
        f"echo 'tcp dport 9999 accept' >{rule}; systemctl reload action-llama-firewall; {LISTEN}",
        mended_by=f"kill $(cat /run/test-9999.pid); rm {rule}; systemctl reload action-llama-firewall",
    ):
        assert verify(installed, code=1) == {"listeners": "port 9999 (python3)"}
        found, _ = doctor(installed, folder, code=0)
        assert "firewall-ports" not in found  # a file of the owner's says so
        installed.sh(f"rm {rule}")
        found, _ = doctor(installed, folder, "--strict", code=1)
        assert found["firewall-ports"] == "warning"
        installed.sh(f"touch {rule}")


def test_secrets_that_others_could_read(installed: Vps) -> None:
    place = "/var/lib/action-llama-launcher"
    with broken(
        installed,
        f"chmod 755 {place} {place}/credentials; chmod o+r $(find {place}/credentials -type f | head -n 1)",
        mended_by=f"chmod -R go= {place}",
    ):
        reasons = verify(installed, code=1)
        assert reasons["credentials-nobody"] == "nobody can list them"
        assert reasons["credential-files"].startswith(f"{place}/credentials")
        assert reasons[f"state-{place}-action-llama-launcher"] == "it is action-llama-launcher 755"


def test_credentials_that_cannot_be_decrypted_any_more(installed: Vps, folder: Path) -> None:
    key = "/var/lib/systemd/credential.secret"
    with broken(installed, f"mv {key} {key}.away", mended_by=f"mv {key}.away {key}"):
        assert doctor(installed, folder, code=1)[0]["credentials-readable"] == "error"


def test_a_host_that_does_not_answer(installed: Vps, folder: Path) -> None:
    installed.inside("systemctl", "stop", "ssh.service", "ssh.socket")
    try:
        found, _ = doctor(installed, folder, code=1)
        assert found == {"host": "error"}
        assert installed.product.run("verify", "-E", installed.name).code == 3
    finally:
        installed.sh("systemctl start ssh.service")


def test_as_a_user_who_must_use_sudo(installed: Vps, folder: Path) -> None:
    home = installed.product.home / ".action-llama" / "environments"
    text = (home / f"{installed.name}.toml").read_text().replace('user = "root"', 'user = "dan"')
    with broken(
        installed,
        "useradd -m dan; echo 'dan ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/dan;"
        "install -d -o dan -m 700 /home/dan/.ssh; install -o dan -m 600 /root/.ssh/authorized_keys /home/dan/.ssh/",
        mended_by="rm /etc/sudoers.d/dan; userdel -r dan 2>/dev/null",
    ):
        (home / "dan.toml").write_text(text)
        (home / "dan.toml").chmod(0o600)
        try:
            assert verify(Vps(installed.product, "dan"), code=0) == {}
            assert doctor(Vps(installed.product, "dan"), folder, code=0)[0].keys() <= FRESH
            installed.sh("rm /etc/sudoers.d/dan")
            outcome = installed.product.run("verify", "-E", "dan")
            assert outcome.code == 1
            assert "the checks need root" in outcome.err
            installed.sh("touch /etc/sudoers.d/dan")
        finally:
            (home / "dan.toml").unlink()
