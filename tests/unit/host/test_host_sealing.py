"""A set of credentials on the disk, with stand-ins for systemd's programs: encrypted, read, and when that is not so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alvps.host import credential_parts, credentials, sealing
from alvps.host.layout import Layout, from_message
from tests.support.receiver import FakeHost, fake_host

VALUES = {
    "github_token/default": {"token": "canary-one", "note": "ümlaut\nand a line\n"},
    "gateway:github_webhook_secret/default": {"secret": "canary-hook"},
}


@pytest.fixture
def host() -> Iterator[FakeHost]:
    with fake_host() as made:
        yield made


@pytest.fixture
def layout(host: FakeHost) -> Layout:
    return from_message(host.layout)


def live(layout: Layout) -> Path:
    return Path(layout.credentials) / "current" / "set.cred"


def test_what_is_encrypted_is_read_again_and_stands_nowhere_in_plain(host: FakeHost, layout: Layout) -> None:
    name = credentials.seal(layout, VALUES)
    assert credentials.at_rest(layout) is None  # it is not in use yet
    credentials.use(layout, name)
    assert credentials.live(layout).values == VALUES
    assert credentials.at_rest(layout) == "systemd-creds"
    assert host.on_disk("canary") == []
    assert live(layout).stat().st_mode & 0o777 == 0o600
    assert credentials.is_set(name, credentials.set_name(credentials.digests(VALUES)))


def test_one_name_for_each_place_so_that_neither_counts_in_the_others(host: FakeHost, layout: Layout) -> None:
    name = credentials.seal(layout, VALUES)
    called = [call for call in host.calls("systemd-creds") if call[0] == "encrypt"]
    assert [call[1] for call in called] == ["--name=action-llama-credentials", "--name=action-llama-webhook-secrets"]
    launchers, daemons = (Path(part.root) / name / "set.cred" for part in credential_parts.parts(layout))
    launchers.write_bytes(daemons.read_bytes())
    credentials.use(layout, name)
    assert "github_token/default" not in credentials.live(layout).values


def test_a_set_that_is_there_is_left_as_it_is(layout: Layout) -> None:
    credentials.use(layout, credentials.seal(layout, VALUES))
    before = (live(layout).stat().st_ino, live(layout).read_bytes())
    credentials.seal(layout, VALUES)
    assert (live(layout).stat().st_ino, live(layout).read_bytes()) == before


def test_what_was_just_read_is_not_read_again(host: FakeHost, layout: Layout) -> None:
    credentials.use(layout, credentials.seal(layout, VALUES))
    known = credentials.live(layout)
    host.flag("creds-broken")  # nothing can be decrypted or encrypted now
    assert credentials.seal(layout, VALUES, known) == known.folder
    with pytest.raises(sealing.CannotSeal):
        credentials.seal(layout, {**VALUES, "github_token/default": {"token": "another"}}, known)


@pytest.mark.parametrize("broken", ["key", "bytes", "file"])
def test_a_set_that_cannot_be_read_is_not_there_and_is_written_anew(
    host: FakeHost, layout: Layout, broken: str
) -> None:
    name = credentials.seal(layout, VALUES)
    credentials.use(layout, name)
    if broken == "key":
        host.unflag("host-key")
    elif broken == "bytes":
        live(layout).write_bytes(b"!")
    else:
        live(layout).unlink()
    known = credentials.live(layout)
    assert not known.whole
    assert "github_token/default" not in known.values
    assert credentials.seal(layout, VALUES, known) == name
    assert credentials.live(layout).values == VALUES


def test_a_set_of_nothing_that_cannot_be_read_is_written_anew_too(host: FakeHost, layout: Layout) -> None:
    """A launcher that cannot decrypt it is not ready, whether or not there is something in it."""
    credentials.use(layout, credentials.seal(layout, {}))
    before = live(layout).read_bytes()
    host.unflag("host-key")
    credentials.seal(layout, {}, credentials.live(layout))
    assert live(layout).read_bytes() != before


@pytest.mark.parametrize("broken", ["creds-broken", "units-broken", "no-key"])
def test_a_host_that_cannot_says_so(host: FakeHost, layout: Layout, broken: str) -> None:
    host.flag(broken)
    with pytest.raises(sealing.CannotSeal):
        credentials.seal(layout, VALUES)
    assert host.on_disk("canary") == []
    assert credentials.current(layout) is None


@pytest.mark.parametrize("program", ["systemd_creds", "systemd_run"])
def test_a_host_without_the_programs_says_so(layout: Layout, program: str) -> None:
    with pytest.raises(sealing.CannotSeal, match="there is no program 'no-such-program'"):
        credentials.seal(layout._replace(**{program: "no-such-program"}), VALUES)


def test_a_unit_that_is_given_something_else_is_no_proof(host: FakeHost, layout: Layout) -> None:
    program = host.folder / "bin" / "systemd-run"
    program.write_text("#!/bin/sh\necho '{}'\n")
    with pytest.raises(sealing.CannotSeal, match="not given what was encrypted"):
        credentials.seal(layout, VALUES)


def test_a_program_that_fails_after_it_printed_gives_no_secret_away(host: FakeHost, layout: Layout) -> None:
    program = host.folder / "bin" / "systemd-run"
    program.write_text("#!/bin/sh\necho canary-printed; exit 1\n")
    with pytest.raises(sealing.CannotSeal, match="no reason given") as raised:
        credentials.seal(layout, VALUES)
    assert "canary" not in str(raised.value)


def test_files_are_the_same_to_whoever_reads_and_are_overwritten_when_they_go(host: FakeHost, layout: Layout) -> None:
    credentials.use(layout, credentials.write(layout, VALUES))
    assert credentials.live(layout).values == VALUES
    assert credentials.at_rest(layout) == "files"
    value = Path(layout.credentials) / "current" / "github_token" / "default" / "token"
    with value.open("rb") as held:
        credentials.use(layout, credentials.seal(layout, VALUES))
        credentials.prune(layout, [credentials.current(layout)])
        assert held.read() == bytes(len("canary-one\n"))
    assert host.on_disk("canary") == []
    assert len(list(Path(layout.credentials).iterdir())) == 2  # the link, and what it points to


def test_names_of_sets() -> None:
    assert credentials.is_set("sealed-12", "set-12")
    assert credentials.is_set("set-12", "set-12")
    assert not credentials.is_set("set-13", "set-12")
    assert not credentials.is_set(None, "set-12")


def test_no_more_than_systemd_hands_over() -> None:
    fits = {"own/x": {"a": "x" * 500_000, "b": "x" * 500_000}}
    credentials.check_size(fits)
    assert len(credential_parts.document("sealed-" + 32 * "0", fits)) < sealing.MAX_BYTES
    with pytest.raises(credentials.BadCredential, match="bytes together; a host keeps up to 1048576"):
        credentials.check_size({"own/x": {"a": "ü" * 500_000}})
