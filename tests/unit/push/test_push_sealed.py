"""Pushes to a host that encrypts its credentials: nothing else changes by it, whatever goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alvps.errors import AlError, PushFailed
from alvps.push.code_tree import CodeTree
from alvps.push.events import Event, Note
from alvps.push.push import PushResult
from alvps.push.releases import rollback
from alvps.push.session import HostSession
from tests.support.local_connection import LocalConnection
from tests.support.pushes import do_push, small_code, wanted, write
from tests.support.receiver import FakeHost

SECRET = {"gateway:github_webhook_secret/default": {"secret": "canary-hook"}}
AGENTS = {"dev": ["github_token/default"], "ops": []}
UNITS = ("action-llama-credentials.socket", "action-llama-webhook-secrets.socket")


@pytest.fixture(scope="module")
def sealing(tmp_path_factory: pytest.TempPathFactory) -> CodeTree:
    """A version that has the units which decrypt; the fixture `code` is one from before."""
    return small_code(
        tmp_path_factory.mktemp("sealing"), **{f"alvps__data__systemd__{unit}": "[Socket]\n" for unit in UNITS}
    )


def push(host: FakeHost, folder: Path, code: CodeTree, token: str, **more: Any) -> PushResult:
    values = {"github_token/default": {"token": token}}
    return do_push(host, wanted(folder, code, credentials=values, gateway=SECRET, agents=AGENTS), **more)


def change(folder: Path) -> None:
    write(folder, {"agents/ops/ACTIONS.md": "# other\n"})


def tokens(host: FakeHost) -> list[str]:
    """What is live, the webhook's last."""
    found = host.credentials()
    assert list(found) == ["github_token/default", *SECRET]
    return [value for fields in found.values() for value in fields.values()]


def test_a_changed_credential_restarts_nothing_and_the_former_one_is_gone(
    host: FakeHost, folder: Path, sealing: CodeTree
) -> None:
    assert push(host, folder, sealing, "canary-one").result == "live"
    assert host.sealed()
    assert push(host, folder, sealing, "canary-one").result == "unchanged"
    before = len(host.calls("systemctl"))
    assert push(host, folder, sealing, "canary-two").result == "live"
    assert [call for call in host.calls("systemctl")[before:] if "restart" in call] == []
    assert tokens(host) == ["canary-two", "canary-hook"]
    assert len(list(Path(host.layout["credentials"]).iterdir())) == 2
    assert host.on_disk("canary") == []
    assert host.leftovers() == []


def test_a_changed_prompt_decrypts_each_place_once_and_encrypts_nothing(
    host: FakeHost, folder: Path, sealing: CodeTree
) -> None:
    push(host, folder, sealing, "canary-one")
    before = len(host.calls("systemd-creds"))
    change(folder)
    assert push(host, folder, sealing, "canary-one").result == "live"
    assert [call[0] for call in host.calls("systemd-creds")[before:]] == ["decrypt", "decrypt"]


def test_one_agent_alone_keeps_the_others_credentials(host: FakeHost, folder: Path, sealing: CodeTree) -> None:
    push(host, folder, sealing, "canary-one")
    change(folder)
    one = wanted(folder, sealing, credentials={"github_token/default": {}}, agents=AGENTS, scope="ops")
    before = len(host.calls("systemd-creds"))
    assert do_push(host, one).result == "live"
    assert [call[0] for call in host.calls("systemd-creds")[before:]] == ["decrypt", "decrypt"]
    assert tokens(host) == ["canary-one", "canary-hook"]
    assert do_push(host, one).result == "unchanged"


def test_from_files_to_encrypted_and_back_to_a_version_that_knows_only_files(
    host: FakeHost, folder: Path, code: CodeTree, sealing: CodeTree
) -> None:
    push(host, folder, code, "canary-one")
    assert len(host.on_disk("canary")) == 2
    push(host, folder, sealing, "canary-two")
    assert host.sealed()
    assert host.on_disk("canary") == []
    with LocalConnection() as line, HostSession(line, layout=host.layout) as session:
        assert rollback(session).result == "live"
        facts = session.facts()
    assert (facts["credentials_at_rest"], facts["credentials"]) == ("files", [*SECRET, "github_token/default"])
    assert tokens(host) == ["canary-two\n", "canary-hook\n"]
    assert push(host, folder, sealing, "canary-two").result == "live"
    assert tokens(host) == ["canary-two", "canary-hook"]
    assert host.on_disk("canary") == []


def test_a_host_that_cannot_keeps_files_and_one_that_no_longer_can_says_so(
    host: FakeHost, folder: Path, sealing: CodeTree
) -> None:
    notes: list[Event] = []
    host.flag("units-broken")
    push(host, folder, sealing, "canary-one", progress=notes.append)
    assert tokens(host) == ["canary-one\n", "canary-hook\n"]
    assert [note for note in notes if isinstance(note, Note)] == []  # `al doctor` says so, and not every push
    host.unflag("units-broken")
    push(host, folder, sealing, "canary-two", progress=notes.append)
    assert tokens(host) == ["canary-two", "canary-hook"]
    host.flag("units-broken")
    push(host, folder, sealing, "canary-three", progress=notes.append)
    assert tokens(host) == ["canary-three\n", "canary-hook\n"]
    (said,) = [note.text for note in notes if isinstance(note, Note)]
    assert said.startswith("this host cannot encrypt its credentials any more, they lie there as files: systemd-run")
    assert said.endswith("Unknown assignment: LoadCredentialEncrypted")


def test_a_host_that_lost_its_key_is_given_all_of_it_anew(host: FakeHost, folder: Path, sealing: CodeTree) -> None:
    push(host, folder, sealing, "canary-one")
    host.unflag("host-key")
    change(folder)
    assert push(host, folder, sealing, "canary-one").result == "live"
    assert tokens(host) == ["canary-one", "canary-hook"]


def test_a_release_that_does_not_serve_takes_its_credentials_along(
    host: FakeHost, folder: Path, sealing: CodeTree
) -> None:
    push(host, folder, sealing, "canary-one")
    host.flag("refuse-reload", "no")
    with pytest.raises(PushFailed, match="serves again"):
        push(host, folder, sealing, "canary-two")
    assert tokens(host) == ["canary-one", "canary-hook"]
    assert len(list(Path(host.layout["credentials"]).iterdir())) == 2


def test_a_new_version_that_fails_goes_back_to_the_files_of_the_former(
    host: FakeHost, folder: Path, code: CodeTree, sealing: CodeTree
) -> None:
    push(host, folder, code, "canary-one")
    host.flag("good", host.live() or "")
    host.flag("bad", "new")
    with pytest.raises(PushFailed, match="serves again"):
        push(host, folder, sealing, "canary-two")
    assert tokens(host) == ["canary-one\n", "canary-hook\n"]
    assert host.leftovers() == []


@pytest.mark.parametrize("step", ["switch release", "verify"])
def test_a_power_cut_leaves_a_set_that_can_be_read(
    host: FakeHost, folder: Path, code: CodeTree, sealing: CodeTree, step: str
) -> None:
    push(host, folder, code, "canary-one")
    with pytest.raises(AlError):
        push(host, folder, sealing, "canary-two", crash_at=step)
    assert tokens(host) == ["canary-two", "canary-hook"]
    assert push(host, folder, sealing, "canary-three").result == "live"
    assert tokens(host) == ["canary-three", "canary-hook"]
    assert host.on_disk("canary") == []
    assert host.leftovers() == []


def test_more_than_systemd_hands_over_is_refused_before_anything_is_made(
    host: FakeHost, folder: Path, sealing: CodeTree
) -> None:
    with pytest.raises(AlError, match="together; a host keeps up to 1048576"):
        push(host, folder, sealing, "x" * 1_048_500)
    assert (host.credentials(), host.releases()) == ({}, [])
