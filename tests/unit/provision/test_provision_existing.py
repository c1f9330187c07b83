"""An existing server: only confirmed host keys are pinned; what the world shall see is told to it and to DNS."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from alvps.errors import CredentialsMissing, HostKeyRefused
from alvps.project.environment import Web
from alvps.project.environments import load_environment
from alvps.provision import addresses, bootstrap
from alvps.provision import existing as existing_module
from alvps.provision.existing import Existing
from alvps.provision.provider import Event, silent
from alvps.ssh.hostkeys import generate
from tests.support.cloudflare import TOKEN, FakeCloudflare, serving
from tests.support.sshd import Sshd

KEYS = tuple(generate().key for _ in range(2))


def existing(**options: object) -> Existing:
    return Existing(name="demo", host="example.org", **options)  # type: ignore[arg-type]  # each test gives valid ones


@pytest.mark.parametrize("form", ["{}", "{}=", " {} "])
@pytest.mark.parametrize("bare", [True, False])
def test_an_expected_fingerprint_pins_that_key_alone(form: str, bare: bool) -> None:
    fingerprint = KEYS[1].fingerprint
    written = form.format(fingerprint.removeprefix("SHA256:") if bare else fingerprint)
    assert existing(fingerprint=written)._confirmed(KEYS) == (KEYS[1],)


def test_another_fingerprint_is_refused_and_what_was_shown_is_told() -> None:
    with pytest.raises(HostKeyRefused, match="nothing was sent") as caught:
        existing(fingerprint=generate().key.fingerprint, confirm=lambda _keys: True)._confirmed(KEYS)
    for key in KEYS:
        assert key.fingerprint in (caught.value.detail or "")


def test_a_confirmed_host_has_all_its_keys_pinned() -> None:
    asked: list[object] = []

    def confirm(keys: object) -> bool:
        asked.append(keys)
        return True

    assert existing(confirm=confirm)._confirmed(KEYS) == KEYS
    assert asked == [KEYS]


@pytest.mark.parametrize("options", [{}, {"confirm": lambda _keys: False}])
def test_without_a_yes_nothing_is_pinned(options: dict[str, object]) -> None:
    with pytest.raises(HostKeyRefused, match="was not confirmed"):
        existing(**options)._confirmed(KEYS)


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A server with sudo and a bootstrap that writes down what it was told."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(addresses, "of", lambda _connection, _host: ("203.0.113.7",))
    programs, told = tmp_path / "programs", tmp_path / "told"
    programs.mkdir()
    (programs / "sudo").write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    (programs / "sudo").chmod(0o755)
    script = (
        f'printf "%s " "$@" >>{told}; echo >>{told}\n'
        f'if [ "$1" = --digest ]; then printf \'{{"digest": "%s"}}\' "$2" >{tmp_path}/record; fi\n'
    )
    monkeypatch.setattr(bootstrap, "script", script.encode)
    monkeypatch.setattr(bootstrap, "RECORD", str(tmp_path / "record"))
    (tmp_path / "remove.sh").write_text("echo removed: everything\n")  # the real one would run on this machine
    monkeypatch.setattr(existing_module, "resource", lambda *_parts: tmp_path / "remove.sh")
    running = Sshd(tmp_path / "sshd", path=f"{programs}:{os.environ['PATH']}")
    yield running
    running.stop()


def reached(sshd: Sshd, web: Web, token: str | None = None) -> Existing:
    return Existing(
        name="demo",
        host="127.0.0.1",
        user=getpass.getuser(),
        port=sshd.port,
        key_path=sshd.client_key,
        confirm=lambda _keys: True,
        web=web,
        dns_token=token,
    )


def told(tmp_path: Path) -> list[str]:
    return (tmp_path / "told").read_text().splitlines()


def test_what_the_world_shall_see_is_checked_told_and_kept(sshd: Sshd, tmp_path: Path) -> None:
    made = reached(sshd, Web(expose=True)).create(silent)
    assert told(tmp_path) == ["--check --expose ", f"--digest {bootstrap.digest()} --expose "]
    assert load_environment("demo") == made
    assert made.web == Web(expose=True)


def test_without_a_token_the_record_to_make_is_told(sshd: Sshd, tmp_path: Path) -> None:
    said: list[Event] = []
    made = reached(sshd, Web(domain="agents.example.com")).create(said.append)
    assert load_environment("demo") == made
    assert told(tmp_path)[0] == "--check --domain agents.example.com "
    (note,) = [event.text for event in said if event.note]
    assert "A 203.0.113.7" in note


def test_with_a_token_the_domain_leads_there_and_its_records_are_kept_for_the_end(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(FakeCloudflare()) as cloudflare:
        monkeypatch.setenv("CLOUDFLARE_ENDPOINT", cloudflare.endpoint)
        server = reached(sshd, Web(domain="agents.example.com"), TOKEN)
        made = server.create(silent)
        assert cloudflare.shown() == {("A", "203.0.113.7")}
        assert made.dns is not None
        assert load_environment("demo") == made
        with pytest.raises(CredentialsMissing):
            reached(sshd, Web()).destroy(made, silent)
        report = server.destroy(made, silent)
        assert "DNS record agents.example.com A 203.0.113.7" in report.removed
        assert cloudflare.records == {}
