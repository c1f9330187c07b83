"""`al doctor --fix` against the real receiver with a stand-in for systemctl: order, lock, and what is said."""

from __future__ import annotations

import fcntl
import hashlib
import json
from pathlib import Path

import pytest

from alvps.errors import AlError, HostBusy
from alvps.host.mend import _acts
from alvps.provision import bootstrap
from alvps.push.code_tree import CodeTree
from alvps.push.mending import Mended, mend
from alvps.push.session import HostSession
from tests.support.local_connection import LocalConnection
from tests.support.pushes import PROJECT, do_push, wanted, write
from tests.support.receiver import FakeHost

SOCKETS = ["action-llama.socket", "action-llama-runs.socket", "action-llama-dashboard.socket"]
SERVICES = ["action-llama-launcher.service", "action-llama.service"]


def ask(host: FakeHost, code: CodeTree, *fixes: str) -> tuple[Mended, ...]:
    with LocalConnection() as line, HostSession(line, layout=host.layout, code=code.digest) as session:
        return mend(session, fixes)


@pytest.fixture
def pushed(host: FakeHost, code: CodeTree, tmp_path: Path) -> str:
    """The id of the live release."""
    release = do_push(host, wanted(write(tmp_path / "project", PROJECT), code)).release
    assert release
    (host.state / "calls").unlink()
    return release


def systemctl(host: FakeHost) -> list[list[str]]:
    return [words for words in host.calls("systemctl") if words[0] != "show"]


def test_what_is_needed_first_is_mended_first(host: FakeHost, code: CodeTree, pushed: str) -> None:
    host.unflag("serving")
    done = ask(host, code, "firewall", "units", "enable", "docker", "units")
    assert [(one.fix, one.mended) for one in done] == [
        (name, True) for name in ("docker", "enable", "units", "firewall")
    ]
    assert done[2].text == f"the units were started; {pushed} is ready"
    assert systemctl(host) == [
        ["reset-failed", "docker.service", "docker.socket"],
        ["start", "docker.service"],
        ["enable", "--quiet", *SOCKETS, *SERVICES],
        ["reset-failed", *SERVICES],
        ["start", *SOCKETS],
        ["start", *SERVICES],
        ["enable", "--quiet", "action-llama-firewall.service"],
        ["reload-or-restart", "action-llama-firewall.service"],
    ]
    assert host.serving() == pushed


def test_what_cannot_be_mended_is_said_and_the_rest_goes_on(host: FakeHost, code: CodeTree, pushed: str) -> None:
    host.unflag("serving")
    host.flag("bad", pushed)
    units, firewall = ask(host, code, "units", "firewall")
    assert not units.mended
    assert units.text == "systemctl ended with code 1: Job for action-llama.service failed."
    assert firewall.mended


def test_the_bootstrap_is_run_and_what_it_did_is_said(
    host: FakeHost, code: CodeTree, pushed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pushed
    script = b'echo "bootstrap: swap: 1 GB"; echo noise; echo "bootstrap: done $1 $2" >&2\n'
    monkeypatch.setattr(bootstrap, "script", lambda: script)
    (run,) = ask(host, code, "bootstrap")
    digest = hashlib.sha256(script).hexdigest()
    assert run == Mended(
        fix="bootstrap", mended=True, text=f"the bootstrap was run: swap: 1 GB; done --digest {digest}"
    )
    monkeypatch.setattr(bootstrap, "script", lambda: b"echo 'bootstrap: no room'; exit 3\n")
    (run,) = ask(host, code, "bootstrap")
    assert not run.mended
    assert run.text == "the bootstrap of the host failed: sh ended with code 3: bootstrap: no room"


def test_nothing_can_be_started_before_the_first_push(host: FakeHost, code: CodeTree) -> None:
    (units,) = ask(host, code, "units")
    assert units == Mended(fix="units", mended=False, text="no release is live, so there is nothing to start")


def test_a_switch_that_was_cut_is_decided(host: FakeHost, code: CodeTree, pushed: str) -> None:
    (host.root / "pending.json").write_text(json.dumps({"new": "20200101T000000Z-000000", "old": pushed}))
    (switch,) = ask(host, code, "switch")
    assert switch.mended
    assert f"{pushed} serves again" in switch.text
    assert not (host.root / "pending.json").exists()


def test_old_releases_and_images_are_removed(host: FakeHost, code: CodeTree, pushed: str) -> None:
    stranger, old = host.state / "images/somebody:1", host.state / f"images/al-agent:{'0' * 16}"
    stranger.write_text("sha256:" + "1" * 64)
    old.write_text("sha256:" + "2" * 64)
    (prune,) = ask(host, code, "prune")
    assert prune.mended
    assert stranger.exists()
    assert not old.exists()
    assert host.live() == pushed


def test_not_beside_a_push(host: FakeHost, code: CodeTree, pushed: str) -> None:
    assert pushed
    host.layout["lock_seconds"] = 0.5  # who holds it is the push before, still tidying up
    with (host.root / "lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(HostBusy):
            ask(host, code, "firewall")
    assert systemctl(host) == []


def test_an_unknown_fix_does_nothing(host: FakeHost, code: CodeTree, pushed: str) -> None:
    assert pushed
    with pytest.raises(AlError, match="cannot mend everything"):
        ask(host, code, "everything", "units")
    assert systemctl(host) == []


def test_every_fix_that_a_finding_names_exists() -> None:
    from typing import get_args

    from alvps.doctor.findings import Fix

    assert set(get_args(Fix)) == {"modes", *_acts(b"")}
