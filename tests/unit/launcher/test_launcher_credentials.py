"""The live set as the launcher reads it: the same from files and from what systemd decrypts."""

from __future__ import annotations

import getpass
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alvps.credentials import CredentialRef, complete, sealed
from alvps.credentials.sealed import CannotUnseal
from alvps.host import credential_parts
from alvps.launcher.credentials import LiveCredentials
from tests.support.examples import examples
from tests.support.unsealing import Unsealer, document, point, unsealer

GITHUB, SSH, OWN = CredentialRef("github_token", "default"), CredentialRef("git_ssh", "work"), CredentialRef("own", "x")
ONE = {"github_token/default": {"token": "one"}}
TWO = {"github_token/default": {"token": "two"}}


@pytest.fixture
def systemd() -> Iterator[Unsealer]:
    with unsealer() as made:
        yield made


def token(live: LiveCredentials) -> str | None:
    found = live.get([GITHUB])[GITHUB]
    return found.fields["token"] if found else None


def test_it_is_asked_for_once_and_again_when_there_is_another(tmp_path: Path, systemd: Unsealer) -> None:
    live = LiveCredentials(tmp_path, systemd.listener)
    point(tmp_path, "sealed-1")
    systemd.gives("sealed-1", ONE)
    assert [token(live), token(live), live.trouble()] == ["one", "one", None]
    assert systemd.asked == 1
    point(tmp_path, "sealed-2")
    systemd.gives("sealed-2", TWO)
    assert [token(live), token(live)] == ["two", "two"]
    assert systemd.asked == 2


def test_a_set_that_is_exchanged_while_it_is_asked_for(tmp_path: Path, systemd: Unsealer) -> None:
    point(tmp_path, "sealed-1")

    def late() -> bytes:
        point(tmp_path, "sealed-2")
        return document("sealed-1", ONE)

    systemd.answers = [late, lambda: document("sealed-2", TWO)]
    assert token(LiveCredentials(tmp_path, systemd.listener)) == "two"
    assert systemd.asked == 2


def test_a_failure_that_passes_is_not_noticed(tmp_path: Path, systemd: Unsealer) -> None:
    point(tmp_path, "sealed-1")
    systemd.answers = [lambda: b"", lambda: b'{"set": "sealed-1", "val', lambda: document("sealed-1", ONE)]
    assert token(LiveCredentials(tmp_path, systemd.listener)) == "one"


def test_a_failure_that_stays_is_said_and_nothing_is_kept_of_it(tmp_path: Path, systemd: Unsealer) -> None:
    live = LiveCredentials(tmp_path, systemd.listener)
    point(tmp_path, "sealed-1")
    systemd.fails()
    said = live.trouble()
    assert said is not None
    assert "`al push` sends them anew" in said
    assert "journalctl -u 'action-llama-credentials@*'" in said
    with pytest.raises(CannotUnseal):
        live.get([GITHUB])
    assert live.get([]) == {}
    systemd.gives("sealed-1", ONE)  # a push has encrypted the same set anew
    assert (live.trouble(), token(live)) == (None, "one")


def test_another_set_than_the_live_one_is_never_given(tmp_path: Path, systemd: Unsealer) -> None:
    point(tmp_path, "sealed-2")
    systemd.gives("sealed-1", ONE)
    with pytest.raises(CannotUnseal, match="again and again"):
        LiveCredentials(tmp_path, systemd.listener).get([GITHUB])


@pytest.mark.parametrize("answer", [b"[]", b'"text"', b'{"set": "sealed-1"}', b"\xff\xfe", b"null"])
def test_what_is_no_set_cannot_be_read(tmp_path: Path, systemd: Unsealer, answer: bytes) -> None:
    point(tmp_path, "sealed-1")
    systemd.answers = [lambda: answer]
    with pytest.raises(CannotUnseal, match="cannot be decrypted"):
        sealed.unseal(tmp_path, systemd.listener, 5.0)


def test_nobody_listens(tmp_path: Path) -> None:
    point(tmp_path, "sealed-1")
    said = LiveCredentials(tmp_path, tmp_path / "no.sock").trouble()
    assert said is not None
    assert f"cannot be asked for at {tmp_path / 'no.sock'}: No such file" in said


def test_a_listener_that_says_nothing_is_not_waited_for_longer_than_all_tries_may_take(
    systemd: Unsealer, tmp_path: Path
) -> None:
    over = threading.Event()
    systemd.answers = [lambda: bytes(over.wait(5))]
    point(tmp_path, "sealed-1")
    try:
        with pytest.raises(CannotUnseal, match="timed out"):
            sealed.unseal(tmp_path, systemd.listener, 0.1)
    finally:
        over.set()


def test_files_need_nobody(tmp_path: Path) -> None:
    live = LiveCredentials(tmp_path, tmp_path / "no.sock")
    assert (live.trouble(), token(live)) == (None, None)  # nothing was pushed yet
    folder = tmp_path / "set-1" / "github_token" / "default"
    folder.mkdir(parents=True)
    (folder / "token").write_text("one\n")
    point(tmp_path, "set-1")
    assert (live.trouble(), token(live)) == (None, "one")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
FIELDS = st.dictionaries(st.sampled_from(["token", "id_rsa", "username", "email", "key"]), TEXT, max_size=4)


REFS = (SSH, OWN, GITHUB)


@settings(max_examples=examples(60), deadline=None)  # a disk that is busy syncs slowly
@given(st.fixed_dictionaries({}, optional={f"{ref.type}/{ref.instance}": FIELDS for ref in REFS}))
def test_both_forms_give_the_same(tmp_path_factory: pytest.TempPathFactory, values: dict[str, dict[str, str]]) -> None:
    folder, me = tmp_path_factory.mktemp("both"), getpass.getuser()
    part = credential_parts.Part(str(folder), me, me, "", 0o700, 0o600, "x")
    credential_parts.write_files(part, "set-1", values)
    point(folder, "set-1")
    encrypted = json.loads(credential_parts.document("sealed-1", values))["values"]
    read = LiveCredentials(folder, folder / "no.sock").get(REFS)
    given_ = {ref: complete(ref, encrypted.get(f"{ref.type}/{ref.instance}")) for ref in REFS}
    assert {ref: each and each.fields for ref, each in read.items()} == {
        ref: each and each.fields for ref, each in given_.items()
    }
