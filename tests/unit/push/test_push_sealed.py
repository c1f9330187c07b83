"""Credentials that lie on the host encrypted: how they get there, and when they do not; nothing else changes by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alvps.errors import AlError, PushFailed
from alvps.host import credentials
from alvps.push.code_tree import CodeTree
from alvps.push.events import Event, Note
from alvps.push.releases import rollback
from alvps.push.session import HostSession
from tests.support.pushes import do_push, small_code, wanted, write
from tests.support.receiver import FakeHost, LocalConnection, fake_host

TOKEN = {"github_token/default": {"token": "canary-one", "note": "ümlaut\nand a line\n"}}
SECRET = {"gateway:github_webhook_secret/default": {"secret": "canary-hook"}}
UNITS = ("action-llama-credentials.socket", "action-llama-webhook-secrets.socket")


@pytest.fixture(scope="module")
def sealing(tmp_path_factory: pytest.TempPathFactory) -> CodeTree:
    """A version that has the units which decrypt; the fixture `code` is one from before."""
    return small_code(
        tmp_path_factory.mktemp("sealing"), **{f"alvps__data__systemd__{unit}": "[Socket]\n" for unit in UNITS}
    )


def push(host: FakeHost, folder: Path, code: CodeTree, token: str = "canary-one", **more: Any) -> Any:
    values = {"github_token/default": {**TOKEN["github_token/default"], "token": token}}
    return do_push(host, wanted(folder, code, credentials=values, gateway=SECRET, agents=AGENTS), **more)


AGENTS = {"dev": ["github_token/default"], "ops": []}


def change(folder: Path, text: str) -> None:
    write(folder, {"agents/ops/ACTIONS.md": text})


def tokens(host: FakeHost) -> list[str]:
    found = host.credentials()
    assert {name.partition(":")[0] for name in found} == {"github_token/default", "gateway"}
    return [each for fields in found.values() for name, each in fields.items() if name != "note"]


def test_encrypted_on_the_disk_and_nowhere_in_plain(host: FakeHost, folder: Path, sealing: CodeTree) -> None:
    assert push(host, folder, sealing).result == "live"
    assert host.credentials() == TOKEN | SECRET
    assert host.on_disk("canary") == []
    assert push(host, folder, sealing).result == "unchanged"
    assert host.leftovers() == []
    for root in (host.layout["credentials"], host.layout["gateway_credentials"]):
        assert oct((Path(root) / "current" / "set.cred").stat().st_mode & 0o777) == "0o600"
        assert len(list(Path(root).iterdir())) == 2  # the link, and what it points to


def test_one_name_for_each_place_so_that_neither_can_be_read_in_place_of_the_other(
    host: FakeHost, folder: Path, sealing: CodeTree
) -> None:
    push(host, folder, sealing)
    names = [word for call in host.calls("systemd-creds") for word in call if word.startswith("--name=")]
    assert names == ["--name=action-llama-credentials", "--name=action-llama-webhook-secrets"]


def test_a_changed_credential_restarts_nothing_and_the_former_one_is_gone(
    host: FakeHost, folder: Path, sealing: CodeTree
) -> None:
    push(host, folder, sealing)
    before = len(host.calls("systemctl"))
    assert push(host, folder, sealing, "canary-two").result == "live"
    assert [call for call in host.calls("systemctl")[before:] if "restart" in call] == []
    assert tokens(host) == ["canary-two", "canary-hook"]
    assert len(list(Path(host.layout["credentials"]).iterdir())) == 2


def test_a_changed_file_leaves_the_encrypted_set_as_it_is(host: FakeHost, folder: Path, sealing: CodeTree) -> None:
    push(host, folder, sealing)
    file = Path(host.layout["credentials"]) / "current" / "set.cred"
    before = (file.stat().st_ino, file.read_bytes())
    change(folder, "# other\n")
    assert push(host, folder, sealing).result == "live"
    assert (file.stat().st_ino, file.read_bytes()) == before


def test_one_agent_alone_keeps_the_others_credentials(host: FakeHost, folder: Path, sealing: CodeTree) -> None:
    push(host, folder, sealing)
    change(folder, "# other\n")
    one = wanted(folder, sealing, credentials=TOKEN, agents=AGENTS, scope="ops")
    assert do_push(host, one).result == "live"
    assert host.credentials() == TOKEN | SECRET
    assert do_push(host, one).result == "unchanged"


def test_what_an_earlier_version_left_in_files_is_encrypted_and_removed(
    host: FakeHost, folder: Path, code: CodeTree, sealing: CodeTree
) -> None:
    push(host, folder, code)
    assert not host.sealed()
    assert len(host.on_disk("canary")) == 2
    assert push(host, folder, sealing).result == "live"
    assert host.sealed()
    assert host.credentials() == TOKEN | SECRET
    assert host.on_disk("canary") == []


@pytest.mark.parametrize("broken", ["creds-broken", "units-broken", "no-key"])
def test_a_host_that_cannot_keeps_files(host: FakeHost, folder: Path, sealing: CodeTree, broken: str) -> None:
    notes: list[Event] = []
    host.flag(broken)
    assert push(host, folder, sealing, progress=notes.append).result == "live"
    assert not host.sealed()
    assert tokens(host) == ["canary-one\n", "canary-hook\n"]
    assert [note for note in notes if isinstance(note, Note)] == []  # `al doctor` says so, and not every push
    assert push(host, folder, sealing).result == "unchanged"
    host.unflag(broken)
    change(folder, "# other\n")
    push(host, folder, sealing)
    assert host.sealed()
    assert host.on_disk("canary") == []


def test_a_host_without_the_programs_keeps_files(folder: Path, sealing: CodeTree) -> None:
    with fake_host(systemd_creds="no-such-program") as host:
        host.prepare(sealing, b"echo bootstrapped\n")
        assert push(host, folder, sealing).result == "live"
        assert not host.sealed()


def test_a_host_that_no_longer_can_says_so(host: FakeHost, folder: Path, sealing: CodeTree) -> None:
    push(host, folder, sealing)
    host.flag("units-broken")
    notes: list[Event] = []
    push(host, folder, sealing, "canary-two", progress=notes.append)
    assert not host.sealed()
    assert tokens(host) == ["canary-two\n", "canary-hook\n"]
    (said,) = [note.text for note in notes if isinstance(note, Note)]
    assert said.startswith("this host cannot encrypt its credentials any more, they lie there as files: systemd-run")
    assert said.endswith("Unknown assignment: LoadCredentialEncrypted")


def test_a_host_that_lost_its_key_is_given_all_of_it_anew(host: FakeHost, folder: Path, sealing: CodeTree) -> None:
    push(host, folder, sealing)
    host.unflag("host-key")
    change(folder, "# other\n")
    assert push(host, folder, sealing).result == "live"
    assert host.sealed()
    assert host.credentials() == TOKEN | SECRET


def test_a_release_that_does_not_serve_takes_its_credentials_along(
    host: FakeHost, folder: Path, sealing: CodeTree
) -> None:
    push(host, folder, sealing)
    host.flag("refuse-reload", "no")
    with pytest.raises(PushFailed, match="serves again"):
        push(host, folder, sealing, "canary-two")
    assert tokens(host) == ["canary-one", "canary-hook"]
    assert len(list(Path(host.layout["credentials"]).iterdir())) == 2


def test_from_encrypted_back_to_files_and_from_files_back_to_encrypted(
    host: FakeHost, folder: Path, code: CodeTree, sealing: CodeTree
) -> None:
    push(host, folder, code)
    push(host, folder, sealing, "canary-two")
    with LocalConnection() as line, HostSession(line, layout=host.layout) as session:
        assert rollback(session).result == "live"
    assert not host.sealed()  # that version knows no other form
    assert tokens(host) == ["canary-two\n", "canary-hook\n"]
    with LocalConnection() as line, HostSession(line, layout=host.layout) as session:
        facts = session.facts()
    assert (facts["credentials_at_rest"], facts["credentials"]) == ("files", sorted(TOKEN | SECRET))
    assert push(host, folder, sealing, "canary-two").result == "live"
    assert tokens(host) == ["canary-two", "canary-hook"]
    assert host.on_disk("canary") == []


def test_a_new_version_that_fails_goes_back_to_the_files_of_the_former(
    host: FakeHost, folder: Path, code: CodeTree, sealing: CodeTree
) -> None:
    push(host, folder, code)
    host.flag("good", host.live() or "")
    host.flag("bad", "new")
    with pytest.raises(PushFailed, match="serves again"):
        push(host, folder, sealing, "canary-two")
    assert tokens(host) == ["canary-one\n", "canary-hook\n"]
    assert host.leftovers() == []


@pytest.mark.parametrize("step", ["switch", "switch credentials", "switch release", "verify"])
def test_a_power_cut_leaves_a_set_that_can_be_read(
    host: FakeHost, folder: Path, code: CodeTree, sealing: CodeTree, step: str
) -> None:
    push(host, folder, code)
    with pytest.raises(AlError):
        push(host, folder, sealing, "canary-two", crash_at=step)
    assert tokens(host)[0].strip() in {"canary-one", "canary-two"}
    assert push(host, folder, sealing, "canary-three").result == "live"
    assert tokens(host) == ["canary-three", "canary-hook"]
    assert host.on_disk("canary") == []
    assert host.leftovers() == []


def test_more_than_systemd_hands_over_is_refused_in_words(host: FakeHost, folder: Path, sealing: CodeTree) -> None:
    push(host, folder, sealing)
    with pytest.raises(AlError, match="together; a host keeps up to 1048576"):
        push(host, folder, sealing, "x" * 1_048_500)
    assert tokens(host) == ["canary-one", "canary-hook"]
    assert len(host.releases()) == 1


def test_a_program_that_fails_after_it_printed_gives_no_secret_away(
    host: FakeHost, folder: Path, sealing: CodeTree
) -> None:
    program = host.folder / "bin" / "systemd-run"
    program.write_text("#!/bin/sh\necho canary-printed; echo 'no such unit' >&2; exit 1\n")
    push(host, folder, sealing)
    host.unflag("host-key")
    notes: list[Event] = []
    program.write_text("#!/bin/sh\necho canary-printed; exit 1\n")
    push(host, folder, sealing, "canary-two", progress=notes.append)
    assert "canary-printed" not in repr(notes)
    assert not host.sealed()


def test_names_of_sets() -> None:
    assert credentials.is_set("sealed-12", "set-12")
    assert credentials.is_set("set-12", "set-12")
    assert not credentials.is_set("set-13", "set-12")
    assert not credentials.is_set(None, "set-12")
