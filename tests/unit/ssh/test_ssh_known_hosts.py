"""The reading of known_hosts files, against ssh-keygen as the oracle where it has an opinion."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alvps.ssh.hostkeys import known_hosts_line, parse_public
from alvps.ssh.known_hosts import HostKey, Verdict, host_name, judge, parse, recorded_types
from tests.support.examples import examples

# The same in every process: they are part of the tests' names, by which several processes share the tests out.
A, B = (HostKey(type="ssh-ed25519", blob=b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes([n]) * 32) for n in (1, 2))
OLD = HostKey(type="ssh-rsa", blob=b"\0\0\0\x07ssh-rsa" + b"old")
NAMES = ("web", "[web]:2222", "db.example", "10.0.0.1", "[10.0.0.1]:22022")


def verdict(text: str, names: tuple[str, ...] = ("web",), key: HostKey = A, fallback: str | None = None) -> Verdict:
    return judge(parse(text, "file"), names, key, fallback=fallback).verdict


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Verdict.UNKNOWN),
        (f"web {A.line()}", Verdict.TRUSTED),
        (f"web {A.line()} a comment with words", Verdict.TRUSTED),
        (f"  web\t{A.line()}", Verdict.TRUSTED),
        (f"other,web {A.line()}", Verdict.TRUSTED),
        (f"WEB {A.line()}", Verdict.TRUSTED),
        (f"w?b {A.line()}", Verdict.TRUSTED),
        (f"* {A.line()}", Verdict.TRUSTED),
        (f"*,!web {A.line()}", Verdict.UNKNOWN),
        (f"!web,* {A.line()}", Verdict.UNKNOWN),
        (f"webb {A.line()}", Verdict.UNKNOWN),
        (f"[web]:2222 {A.line()}", Verdict.UNKNOWN),
        (f"web {B.line()}", Verdict.CHANGED),
        (f"web {OLD.line()}", Verdict.CHANGED),
        (f"web {B.line()}\nweb {A.line()}", Verdict.TRUSTED),
        (f"# web {A.line()}", Verdict.UNKNOWN),
        (f"web {A.line()[:-3]}", Verdict.UNKNOWN),
        (f"web ssh-rsa {A.line().split()[1]}", Verdict.UNKNOWN),
        (f"@revoked web {A.line()}", Verdict.REVOKED),
        (f"web {A.line()}\n@revoked * {A.line()}", Verdict.REVOKED),
        (f"web {A.line()}\n@revoked * {B.line()}", Verdict.TRUSTED),
        (f"@cert-authority *.example,web {B.line()}", Verdict.AUTHORITY_ONLY),
        (f"@cert-authority web {A.line()}", Verdict.AUTHORITY_ONLY),
        (f"@cert-authority web {B.line()}\nweb {A.line()}", Verdict.TRUSTED),
        (f"@unknown web {A.line()}", Verdict.UNKNOWN),
    ],
)
def test_verdicts(text: str, expected: Verdict) -> None:
    assert verdict(text) is expected


def test_the_port_belongs_to_the_name() -> None:
    assert host_name("Web", 22) == "web"
    assert host_name("web", 2222) == "[web]:2222"
    assert host_name("2001:DB8::1", 2222) == "[2001:db8::1]:2222"
    assert parse(known_hosts_line("web", 2222, A), "f")[0].patterns == ("[web]:2222",)


def test_the_bare_name_can_only_help() -> None:
    assert verdict(f"web {A.line()}", ("[web]:2222",), fallback="web") is Verdict.TRUSTED
    assert verdict(f"web {B.line()}", ("[web]:2222",), fallback="web") is Verdict.UNKNOWN
    assert verdict(f"[web]:2222 {B.line()}\nweb {A.line()}", ("[web]:2222",), fallback="web") is Verdict.CHANGED
    assert (
        verdict(f"@revoked web {A.line()}\n[web]:2222 {A.line()}", ("[web]:2222",), fallback="web") is Verdict.REVOKED
    )


def test_the_types_on_record_in_their_order() -> None:
    text = f"web {OLD.line()}\nother {B.line()}\nweb {A.line()}\nweb {B.line()}\n@revoked web {OLD.line()}"
    assert recorded_types(parse(text, "f"), ["web"]) == ("ssh-rsa", "ssh-ed25519")


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    patterns=st.lists(
        st.one_of(st.sampled_from(NAMES), st.text("web*?!.[]:20", min_size=1, max_size=6)), min_size=1, max_size=3
    ),
    name=st.sampled_from(NAMES),
    hashed=st.booleans(),
)
def test_patterns_match_as_for_openssh(tmp_path: Path, patterns: list[str], name: str, hashed: bool) -> None:
    file = tmp_path / "known_hosts"
    line = f"{','.join(patterns)} {A.line()}"
    file.write_text(line + "\n")
    if hashed and not any(mark in line.split(maxsplit=1)[0] for mark in "*?!"):
        subprocess.run(["ssh-keygen", "-H", "-f", file], check=True, capture_output=True)
    found = subprocess.run(["ssh-keygen", "-F", name, "-f", file], capture_output=True, check=False)
    ours = verdict(file.read_text(), (name,)) is Verdict.TRUSTED
    assert ours == (found.returncode == 0), file.read_text()


@settings(max_examples=examples(200), deadline=None)
@given(st.text(max_size=200))
def test_nonsense_trusts_nobody(text: str) -> None:
    assert verdict(text) is Verdict.UNKNOWN


@settings(max_examples=examples(200), deadline=None)
@given(st.text(max_size=60), st.sampled_from([f"web {A.line()}", f"@revoked web {A.line()}"]))
def test_nonsense_does_not_hide_other_lines(text: str, line: str) -> None:
    expected = Verdict.REVOKED if line.startswith("@") else Verdict.TRUSTED
    assert verdict(f"{text}\n{line}\n{text}") is expected


def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(A.line() + "\n")
    said = subprocess.run(["ssh-keygen", "-l", "-f", file], capture_output=True, text=True, check=True).stdout
    assert said.split()[1] == A.fingerprint


@pytest.mark.parametrize("text", ["", "x", "ssh-ed25519 !!", f"ssh-rsa {A.line().split()[1]}"])
def test_lines_that_are_no_public_key(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # several libraries' messages
        parse_public(text)
