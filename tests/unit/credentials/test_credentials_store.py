"""The store: private from the first moment, replaced as a whole, and never a value where it does not belong."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alvps.credentials import Credential, CredentialRef, FileStore, Stored, canonical, env_of
from alvps.credentials import swap as swap_module
from alvps.errors import AlError, UsageError
from tests.support.examples import examples

KEY = "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "home" / "credentials")


def token(value: str = "s3cr3t", instance: str = "default") -> Credential:
    return Credential(type="github_token", instance=instance, fields={"token": value})


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root.parent)): stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}


def test_what_is_put_is_got(store: FileStore) -> None:
    ssh = Credential(type="git_ssh", instance="work", fields={"id_rsa": KEY, "username": "A B", "email": "a@b"})
    for credential in (token(), ssh, Credential(type="my_own", instance="X-1.y", fields={"a": "1", "b": "ü\n\n"})):
        store.put(credential)
        assert store.get(credential.ref) == credential
    assert store.ls() == (
        Stored(CredentialRef("git_ssh", "work"), ("email", "id_rsa", "username")),
        Stored(CredentialRef("github_token"), ("token",)),
        Stored(CredentialRef("my_own", "X-1.y"), ("a", "b")),
    )
    # One newline is added, one taken off: the key block keeps its own.
    assert (store.root / "git_ssh/work/id_rsa").read_text() == KEY + "\n"


def test_values_written_by_hand_are_read(store: FileStore) -> None:
    folder = store.root / "github_token/default"
    folder.mkdir(parents=True)
    for written, read in (("abc", "abc"), ("abc\n", "abc"), ("abc\n\n", "abc\n"), (" abc ", " abc ")):
        (folder / "token").write_text(written)
        found = store.get(CredentialRef("github_token"))
        assert found is not None
        assert found.fields == {"token": read}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(store: FileStore, umask: int) -> None:
    before = os.umask(umask)
    try:
        store.put(token())
        store.put(token("other"))
    finally:
        os.umask(before)
    for path, mode in modes(store.root).items():
        assert mode == (0o600 if path.endswith(("token/default/token", ".lock")) else 0o700), path
    assert stat.S_IMODE(store.root.parent.stat().st_mode) == 0o700


def test_files_are_private_when_they_appear(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """No chmod afterwards: the modes that the system calls ask for are the final ones."""
    asked: list[int] = []
    real_open = os.open

    def watching(path: object, flags: int, mode: int = 0o777, **more: object) -> int:
        if flags & os.O_CREAT:
            asked.append(mode)
        return real_open(path, flags, mode, **more)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(os, "open", watching)
    monkeypatch.setattr(os, "chmod", lambda *_: pytest.fail("too late"))
    store.put(token())
    assert set(asked) == {0o600}


def test_a_replaced_instance_loses_its_old_fields(store: FileStore) -> None:
    store.put(Credential(type="own", instance="x", fields={"a": "1", "b": "2"}))
    store.put(Credential(type="own", instance="x", fields={"b": "3"}))
    assert store.get(CredentialRef("own", "x")) == Credential(type="own", instance="x", fields={"b": "3"})
    assert sorted(path.name for path in store.root.rglob("*")) == [".lock", "b", "own", "x"]


@pytest.mark.parametrize("exchange", [True, False])
def test_readers_see_the_old_or_the_new_and_never_a_mixture(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    def pair(value: str) -> Credential:
        return Credential(type="own", instance="x", fields={"a": value, "b": value})

    if not exchange:
        monkeypatch.setattr(swap_module, "_exchange", lambda *_: False)
    store.put(pair("0"))
    stop = time.monotonic() + 0.5
    seen, wrong = set(), []

    def read() -> None:
        while time.monotonic() < stop:
            found = store.get(CredentialRef("own", "x"))
            if found is not None and found.fields["a"] == found.fields["b"]:
                seen.add(found.fields["a"])
            elif found is not None or exchange:  # without an exchange there is a moment of nothing; never of halves
                wrong.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    number = 0
    while time.monotonic() < stop:
        number += 1
        store.put(pair(str(number)))
    reader.join()
    assert not wrong
    assert len(seen) > 3


def test_the_machine_that_this_runs_on_can_exchange(store: FileStore) -> None:
    """Or the test above would test the same thing twice."""
    first, second = store.root / "first", store.root / "second"
    for folder in (first, second):
        folder.mkdir(parents=True)
        (folder / folder.name).touch()
    assert swap_module.replace_folder(first, second) == first
    assert (second / "first").exists()
    assert (first / "second").exists()


def test_a_writer_that_dies_half_way_leaves_the_old_and_is_cleaned_up(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(token("old"))
    leftover = store.root / "github_token/.new-0123"
    leftover.mkdir()
    (leftover / "token").write_text("half")
    assert store.ls() == (Stored(CredentialRef("github_token"), ("token",)),)

    def dies(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", dies)
        with pytest.raises(AlError, match="No space left on device"):
            store.put(token("new"))
    assert store.get(CredentialRef("github_token")) == token("old")
    assert [path.name for path in (store.root / "github_token").iterdir()] == ["default"]


def test_existing_means_every_field(store: FileStore) -> None:
    folder = store.root / "git_ssh/default"
    folder.mkdir(parents=True)
    ref = CredentialRef("git_ssh")
    assert store.get(ref) is None
    for name in ("id_rsa", "username"):
        (folder / name).write_text("x\n")
    assert store.get(ref) is None
    assert store.absent_fields(ref) == ("email",)
    (folder / "email").write_text("\n")
    assert store.get(ref) is None  # it says nothing
    (folder / "email").write_text("a@b\n")
    assert store.get(ref) is not None
    assert store.absent_fields(ref) == ()


def test_missing_lists_each_once_in_order(store: FileStore) -> None:
    store.put(token())
    refs = [CredentialRef.parse(text) for text in ("x", "github_token", "github_token:work", "x", "git_ssh")]
    assert [str(ref) for ref in store.missing(refs)] == ["x", "github_token:work", "git_ssh"]


def test_a_key_may_be_left_out(store: FileStore) -> None:
    identity = Credential(type="git_ssh", instance="default", fields={"username": "A", "email": "a@b"})
    store.put(identity)
    assert store.get(identity.ref) == identity
    assert store.missing([identity.ref]) == ()
    assert store.absent_fields(identity.ref) == ()
    assert env_of(identity) == {}
    # The Node system wrote an empty file for it.
    (store.root / "git_ssh/default/id_rsa").write_text("\n")
    assert store.get(identity.ref) == identity
    # But what there must be is not made up for by it.
    (store.root / "git_ssh/default/email").write_text("\n")
    assert store.get(identity.ref) is None


def test_an_instance_of_the_older_form_is_as_good_as_ever(store: FileStore) -> None:
    ref = CredentialRef("x_twitter_api")
    older = ("api_key", "api_secret", "bearer_token", "access_token", "access_token_secret")
    newer = ("consumer_key", "consumer_secret", "bearer_token")
    for names in (older, newer):
        credential = Credential(type=ref.type, instance=ref.instance, fields=dict.fromkeys(names, "v"))
        store.put(credential)
        assert store.get(ref) == credential
        assert store.absent_fields(ref) == ()
    for wrong in (older[:4], newer[:2], (*newer, "api_key"), ("consumer_key", "api_secret", "bearer_token")):
        with pytest.raises(UsageError, match="x_twitter_api"):
            store.put(Credential(type=ref.type, instance=ref.instance, fields=dict.fromkeys(wrong, "v")))
    (store.root / "x_twitter_api/default/consumer_key").unlink()
    assert store.get(ref) is None
    assert store.absent_fields(ref) == ("consumer_key",)


def test_removing(store: FileStore) -> None:
    store.put(token())
    store.put(token(instance="work"))
    assert store.rm(CredentialRef("github_token"))
    assert not store.rm(CredentialRef("github_token"))
    assert store.ls() == (Stored(CredentialRef("github_token", "work"), ("token",)),)
    assert store.rm(CredentialRef("github_token", "work"))
    assert [path.name for path in store.root.iterdir()] == [".lock"]


def test_nothing_is_made_by_looking(store: FileStore) -> None:
    assert store.ls() == ()
    assert store.get(CredentialRef("x")) is None
    assert store.missing([CredentialRef("x")]) == (CredentialRef("x"),)
    assert not store.root.exists()


@pytest.mark.parametrize(
    "credential",
    [
        Credential(type="../x", instance="default", fields={"a": "1"}),
        Credential(type="x", instance="..", fields={"a": "1"}),
        Credential(type="x", instance=".new-1", fields={"a": "1"}),
        Credential(type="x", instance="default", fields={"../a": "1"}),
        Credential(type="x", instance="default", fields={}),
        Credential(type="x", instance="default", fields={"a": ""}),
        Credential(type="x", instance="default", fields={"a": "b\0c"}),
        Credential(type="x", instance="default", fields={"a": "\ud800"}),
        Credential(type="x", instance="default", fields={"a": "x" * (256 << 10) + "y"}),
        Credential(type="github_token", instance="default", fields={"tokn": "x"}),
        Credential(type="github_token", instance="default", fields={"token": "x", "more": "x"}),
        Credential(type="git_ssh", instance="default", fields={"id_rsa": "x"}),
        Credential(type="git_ssh", instance="default", fields={"id_rsa": "", "username": "x", "email": "x"}),
    ],
    ids=repr,
)
def test_what_cannot_be_stored_is_refused(store: FileStore, credential: Credential) -> None:
    with pytest.raises(UsageError):
        store.put(credential)
    assert store.ls() == ()


@pytest.mark.parametrize("kind", ["fifo", "folder", "binary", "huge", "dangling"])
def test_strange_files_are_errors_and_no_hang(store: FileStore, kind: str) -> None:
    folder = store.root / "own/default"
    folder.mkdir(parents=True)
    path = folder / "a"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe")
    elif kind == "dangling":
        path.symlink_to("nothing")
    else:
        with path.open("wb") as file:
            file.truncate(1 << 33)
    with pytest.raises(AlError, match="own/default"):
        store.get(CredentialRef("own"))


def test_values_are_never_shown(store: FileStore) -> None:
    secret = token("s3cr3t")
    for text in (repr(secret), str(secret), f"{secret}", f"{[secret]}", "%s" % (secret,)):  # noqa: UP031 - also this way
        assert "s3cr3t" not in text
        assert "github_token" in text
    store.put(secret)
    (store.root / "github_token/default/token").write_bytes(b"s3cr3t\xff")
    with pytest.raises(AlError) as caught:
        store.get(secret.ref)
    assert "s3cr3t" not in str(caught.value)


def test_canonical_is_the_same_for_the_same() -> None:
    one = [token("a", "work"), token("b"), Credential(type="own", instance="x", fields={"b": "2", "a": "ü"})]
    other = [Credential(type="own", instance="x", fields={"a": "ü", "b": "2"}), token("b"), token("a", "work")]
    assert canonical(one) == canonical(other)
    assert json.loads(canonical(one)) == [
        {"type": "github_token", "instance": "default", "fields": {"token": "b"}},
        {"type": "github_token", "instance": "work", "fields": {"token": "a"}},
        {"type": "own", "instance": "x", "fields": {"a": "ü", "b": "2"}},
    ]
    assert canonical([]) == b"[]"
    assert canonical([token("a")]) != canonical([token("a", "work")])


def test_environment_variables() -> None:
    assert env_of(token("v")) == {"GITHUB_TOKEN": "v", "GH_TOKEN": "v"}
    assert env_of(Credential(type="own", instance="x", fields={"a": "1"})) == {}
    assert env_of(Credential(type="anthropic_key", instance="default", fields={"token": "v"})) == {}


@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1))
def test_any_text_survives(store: FileStore, value: str) -> None:
    store.put(token(value))
    found = store.get(CredentialRef("github_token"))
    assert found is not None
    assert found.fields["token"] == value
