"""The host-key policy against a real sshd: refused before the server learns who asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from alvps.errors import HostKeyRefused, HostUnreachable
from alvps.ssh import connect, hostkeys
from alvps.ssh.target import Target
from tests.support.sshd import Proxy, Sshd, keygen, make_key


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[Sshd]:
    """An sshd that writes down every step."""
    server = Sshd(tmp_path / "sshd", log_level="DEBUG2")
    yield server
    server.stop()


def fingerprint(key: Path) -> str:
    return keygen("-l", "-f", key).split()[1]


def says(target: Target) -> bytes:
    with connect(target) as connection:
        return connection.run(["echo", "hello"]).stdout


def assert_nothing_was_sent(server: Sshd) -> None:
    """The server saw the key exchange and then the end: no user name, no key, no channel."""
    server.wait_for(r"Connection (closed|reset) by|Connection closed")
    assert server.said("kex: algorithm")
    assert not server.said("userauth|Postponed|Accepted|Failed|session")


def test_what_the_server_writes_when_it_is_asked(talkative: Sshd) -> None:
    """Without this, the other tests would also pass if the log said nothing at all."""
    assert says(talkative.target()) == b"hello\n"
    for word in ("userauth-request", "Accepted publickey", "session"):
        assert talkative.said(word)


def test_a_changed_key(talkative: Sshd, tmp_path: Path) -> None:
    pinned = make_key(tmp_path / "pinned")
    talkative.pin(pinned)
    with pytest.raises(HostKeyRefused) as caught:
        says(talkative.target())
    assert fingerprint(pinned) in caught.value.message
    assert fingerprint(talkative.host_keys[0]) in caught.value.message
    assert "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`" in (caught.value.hint or "")
    assert f"{talkative.known_hosts}:1" in (caught.value.detail or "")
    assert_nothing_was_sent(talkative)
    # The hint's line is what accepts the new key.
    line = re.search(r"`(\[127[^`]*)`", caught.value.hint or "")
    assert line is not None
    talkative.known_hosts.write_text(line[1] + "\n")
    assert says(talkative.target()) == b"hello\n"


def test_a_changed_key_of_another_type(talkative: Sshd, tmp_path: Path) -> None:
    talkative.pin(make_key(tmp_path / "pinned", "ecdsa"))
    with pytest.raises(HostKeyRefused, match="is recorded: either somebody is in between"):
        says(talkative.target())
    assert_nothing_was_sent(talkative)


def test_an_unknown_key(talkative: Sshd) -> None:
    talkative.known_hosts.unlink()
    with pytest.raises(HostKeyRefused, match=f"no key is recorded for it in {talkative.known_hosts}") as caught:
        says(talkative.target())
    assert fingerprint(talkative.host_keys[0]) in caught.value.message
    assert_nothing_was_sent(talkative)


def test_strict_host_key_checking_no_does_not_open_the_door(talkative: Sshd) -> None:
    talkative.ssh_config.write_text("StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n")
    with pytest.raises(HostKeyRefused):
        says(talkative.target(known_hosts=None))
    assert_nothing_was_sent(talkative)


def test_with_a_pin_nothing_else_counts(talkative: Sshd, tmp_path: Path) -> None:
    """A key in the user's own known_hosts is no excuse for the wrong one in the pin."""
    user_file = tmp_path / "user_known_hosts"
    user_file.write_text(talkative.known_hosts.read_text())
    talkative.ssh_config.write_text(f"UserKnownHostsFile {user_file}\n")
    assert says(talkative.target(known_hosts=None)) == b"hello\n"
    before = len(talkative.log)
    empty = tmp_path / "pin"
    empty.write_text("")
    with pytest.raises(HostKeyRefused):
        says(talkative.target(known_hosts=empty))
    assert not talkative.said("userauth", after=before)


def test_a_hashed_known_hosts_file(sshd: Sshd, tmp_path: Path) -> None:
    hashed = tmp_path / "hashed"
    hashed.write_text(sshd.known_hosts.read_text())
    keygen("-H", "-f", hashed)
    assert "127.0.0.1" not in hashed.read_text()
    assert says(sshd.target(known_hosts=hashed)) == b"hello\n"


def test_a_revoked_key(talkative: Sshd) -> None:
    line = talkative.known_hosts.read_text()
    talkative.known_hosts.write_text(f"{line}@revoked * {line.split(None, 1)[1]}")
    with pytest.raises(HostKeyRefused, match="marked as revoked"):
        says(talkative.target())
    assert_nothing_was_sent(talkative)


def test_a_list_of_revoked_keys(talkative: Sshd, tmp_path: Path) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text("# old\n" + talkative.known_hosts.read_text().split(None, 1)[1])
    talkative.ssh_config.write_text(f"RevokedHostKeys {revoked}\n")
    with pytest.raises(HostKeyRefused, match="marked as revoked"):
        says(talkative.target())
    keygen("-k", "-f", tmp_path / "krl", f"{talkative.host_keys[0]}.pub")
    talkative.ssh_config.write_text(f"RevokedHostKeys {tmp_path}/krl\n")
    with pytest.raises(HostKeyRefused, match="binary revocation list"):
        says(talkative.target())
    assert_nothing_was_sent(talkative)


def test_a_certificate_authority_is_refused_clearly(tmp_path: Path) -> None:
    authority = make_key(tmp_path / "authority")
    server = Sshd(tmp_path / "sshd", log_level="DEBUG2")
    try:
        server.known_hosts.write_text(f"@cert-authority * {authority.with_name('authority.pub').read_text()}")
        with pytest.raises(HostKeyRefused, match="host certificates are not supported"):
            says(server.target())
        assert_nothing_was_sent(server)
    finally:
        server.stop()


def test_the_policy_holds_on_every_hop(sshd: Sshd, talkative: Sshd, tmp_path: Path) -> None:
    """fabric would accept whatever key the hop shows."""
    wrong = tmp_path / "wrong"
    wrong.write_text(f"[127.0.0.1]:{talkative.port} {make_key(tmp_path / 'other').with_name('other.pub').read_text()}")
    jump = f"Host 127.0.0.1\n  ProxyJump hop\nHost hop\n  HostName localhost\n  Port {talkative.port}\n"
    access = f"  User {talkative.target().user}\n  IdentityFile {talkative.client_key}\n  HostKeyAlias the-hop\n"
    talkative.ssh_config.write_text(f"{jump}{access}  UserKnownHostsFile {wrong}\n")
    target = sshd.target(ssh_config=talkative.ssh_config)
    before = len(sshd.log)
    with pytest.raises(HostKeyRefused, match=f"localhost:{talkative.port}"):
        says(target)
    assert_nothing_was_sent(talkative)
    assert len(sshd.log) == before
    # Control: with the hop's key on record the same way works.
    talkative.pin(*talkative.host_keys, name="the-hop")
    talkative.ssh_config.write_text(f"{jump}{access}  UserKnownHostsFile {talkative.known_hosts}\n")
    assert says(target) == b"hello\n"


def test_the_targets_pin_does_not_count_for_a_hop(sshd: Sshd, own_sshd: Sshd, tmp_path: Path) -> None:
    own_sshd.ssh_config.write_text(
        f"Host 127.0.0.1\n  ProxyJump hop\nHost hop\n  HostName localhost\n  Port {own_sshd.port}\n"
        f"  User {own_sshd.target().user}\n  IdentityFile {own_sshd.client_key}\n  UserKnownHostsFile /dev/null\n"
    )
    pin = tmp_path / "pin"
    pin.write_text(
        sshd.known_hosts.read_text() + own_sshd.known_hosts.read_text().replace("[127.0.0.1]", "[localhost]")
    )
    with pytest.raises(HostKeyRefused, match="localhost"):
        says(sshd.target(ssh_config=own_sshd.ssh_config, known_hosts=pin))


def test_keys_that_a_host_shows(tmp_path: Path) -> None:
    server = Sshd(tmp_path / "sshd", host_keys=("rsa", "ecdsa", "ed25519"), log_level="DEBUG2")
    try:
        shown = hostkeys.fetch("127.0.0.1", server.port)
        assert [key.type for key in shown] == ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]
        assert {key.fingerprint for key in shown} == {fingerprint(key) for key in server.host_keys}
        assert_nothing_was_sent(server)
    finally:
        server.stop()


def test_fetched_and_pinned_keys_let_in(own_sshd: Sshd, tmp_path: Path) -> None:
    pin = tmp_path / "environment" / "known_hosts"
    keys = hostkeys.fetch(Target("127.0.0.1", port=own_sshd.port, ssh_config=own_sshd.ssh_config))
    hostkeys.write_pin(pin, [hostkeys.known_hosts_line("127.0.0.1", own_sshd.port, key) for key in keys])
    assert pin.stat().st_mode & 0o777 == 0o600
    assert pin.parent.stat().st_mode & 0o777 == 0o700
    assert says(own_sshd.target(known_hosts=pin)) == b"hello\n"


def test_fetching_through_a_hop(sshd: Sshd, own_sshd: Sshd) -> None:
    own_sshd.ssh_config.write_text(
        f"Host 127.0.0.1\n  ProxyJump hop\nHost hop\n  HostName localhost\n  Port {own_sshd.port}\n  HostKeyAlias hop\n"
        f"  User {own_sshd.target().user}\n  IdentityFile {own_sshd.client_key}\n"
        f"  UserKnownHostsFile {own_sshd.known_hosts}\n"
    )
    own_sshd.pin(*own_sshd.host_keys, name="hop")
    (key,) = hostkeys.fetch(Target("127.0.0.1", port=sshd.port, ssh_config=own_sshd.ssh_config))
    assert key.fingerprint == fingerprint(sshd.host_keys[0])


def test_fetching_from_nowhere() -> None:
    with pytest.raises(HostUnreachable, match="step tcp connect"):
        hostkeys.fetch("127.0.0.1", 1)


def test_a_generated_pair_serves_as_a_host_key(tmp_path: Path) -> None:
    pair = hostkeys.generate("vps")
    assert pair.private not in repr(pair)
    file = tmp_path / "made"
    file.write_text(pair.private)
    file.chmod(0o600)
    assert fingerprint(file) == pair.key.fingerprint
    (tmp_path / "made.pub").write_text(pair.public)
    assert keygen("-y", "-f", file).split()[:2] == pair.public.split()[:2]
    server = Sshd(tmp_path / "sshd", extra=f"HostKey {file}\n", host_keys=())
    try:
        server.known_hosts.write_text(hostkeys.known_hosts_line("127.0.0.1", server.port, pair.key) + "\n")
        assert says(server.target()) == b"hello\n"
    finally:
        server.stop()


def test_a_pin_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    hostkeys.write_pin(path, ["a", "b"])
    path.chmod(0o644)
    hostkeys.write_pin(path, ["c"])
    assert path.read_text() == "c\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["known_hosts"]


def test_the_port_without_a_number_is_enough_outside_a_pin(sshd: Sshd, proxy: Proxy, tmp_path: Path) -> None:
    """As for OpenSSH: a key recorded for the bare host serves on another port, but is not missed there."""
    user_file = tmp_path / "known"
    user_file.write_text(sshd.known_hosts.read_text().replace(f"[127.0.0.1]:{sshd.port}", "127.0.0.1"))
    sshd_config = tmp_path / "config"
    sshd_config.write_text(f"UserKnownHostsFile {user_file}\n")
    assert says(sshd.target(port=proxy.port, known_hosts=None, ssh_config=sshd_config)) == b"hello\n"
    with pytest.raises(HostKeyRefused):
        says(sshd.target(port=proxy.port, known_hosts=user_file))
