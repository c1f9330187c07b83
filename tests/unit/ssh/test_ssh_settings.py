"""What `ssh -G` answers becomes Settings: the vector that asks, the parser, and ssh itself as the oracle."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.errors import HostUnreachable, UsageError
from alvps.ssh import Target
from alvps.ssh.route import MAX_HOPS, Query, Route, find, jump_hops
from alvps.ssh.settings import Settings, expand, parse, query_argv, split_paths

HOME = Path("/home/me")


def ask(config: str, target: Target, tmp_path: Path, environ: dict[str, str] | None = None) -> Settings:
    """The answer of the real ssh to a configuration."""
    file = tmp_path / "config"
    file.write_text(config)
    argv = query_argv(
        Target(target.host, user=target.user, port=target.port, key_path=target.key_path, ssh_config=file)
    )
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return parse(said, target, home=HOME, environ=environ or {}, local_user="me")


def follow(config: str, target: str, tmp_path: Path) -> Route:
    file = tmp_path / "config"
    file.write_text(config)
    wanted = Target(target, ssh_config=file)
    return find(Query(wanted), wanted)


def test_the_words_of_the_question() -> None:
    target = Target("web", user="bob", port=2222, key_path=Path("/k"), known_hosts=Path("/p"), ssh_config=Path("/c"))
    assert query_argv(target, proxy_jump="a,b") == [
        "ssh", "-G", "-T", "-F", "/c", "-l", "bob", "-p", "2222", "-i", "/k", "-o", "IdentitiesOnly=yes",
        "-J", "a,b", "--", "web",
    ]  # fmt: skip
    assert query_argv(Target("web")) == ["ssh", "-G", "-T", "--", "web"]


def test_the_plain_case(tmp_path: Path) -> None:
    settings = ask("", Target("web"), tmp_path)
    assert (settings.host, settings.hostname, settings.port, settings.user) == (
        "web",
        "web",
        22,
        os.environ.get("USER", "root"),
    )
    assert settings.identity_files[0] == HOME / ".ssh/id_rsa"
    assert settings.proxy_jump is settings.proxy_command is settings.host_key_alias is settings.connect_timeout is None
    assert not settings.identities_only
    assert "curve25519-sha256" in settings.kex
    assert "ssh-ed25519" in settings.host_key_algorithms
    assert settings.address == "web:22"


def test_everything_at_once(tmp_path: Path) -> None:
    settings = ask(
        "Host web\n  HostName %h.example\n  User bob\n  Port 2222\n  IdentityFile ~/.ssh/%r@%h\n"
        '  IdentityFile "/tmp/with space/key"\n  IdentityFile none\n  CertificateFile %d/cert-%p\n'
        "  IdentitiesOnly yes\n"
        "  IdentityAgent /run/me/agent\n  HostKeyAlias al-web\n  UserKnownHostsFile ~/k1 /tmp/k2\n"
        "  GlobalKnownHostsFile none\n  ConnectTimeout 7\n"
        "  AddressFamily inet6\n  BindAddress ::1\n"
        "  KexAlgorithms ecdh-sha2-nistp256\n  Ciphers aes256-ctr\n  Compression yes\n  RevokedHostKeys /etc/rev\n",
        Target("web"),
        tmp_path,
    )
    assert (settings.hostname, settings.user, settings.port) == ("web.example", "bob", 2222)
    assert settings.identity_files == (HOME / ".ssh/bob@web.example", Path("/tmp/with space/key"))
    assert settings.certificate_files == (HOME / "cert-2222",)
    assert settings.identities_only
    assert settings.identity_agent == "/run/me/agent"
    assert settings.host_key_alias == "al-web"
    assert settings.known_hosts_files[-1] == Path("/tmp/k2")
    assert len(settings.known_hosts_files) == 2
    assert settings.connect_timeout == 7.0
    assert settings.address_family == socket.AF_INET6
    assert settings.bind_address == "::1"
    assert (settings.kex, settings.ciphers, settings.compression) == (("ecdh-sha2-nistp256",), ("aes256-ctr",), True)
    assert settings.revoked_host_keys == Path("/etc/rev")


def test_what_the_caller_gives_wins(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("")
    settings = ask(
        "User bob\nPort 1\nIdentityFile /other\n", Target("web", user="al", port=2, key_path=tmp_path / "key"), tmp_path
    )
    assert (settings.user, settings.port, settings.identity_files) == ("al", 2, (tmp_path / "key",))
    assert settings.identities_only


@pytest.mark.parametrize(
    ("line", "environ", "expected"),
    [
        ("", {"SSH_AUTH_SOCK": "/a"}, "/a"),
        ("", {}, None),
        ("IdentityAgent none", {"SSH_AUTH_SOCK": "/a"}, None),
        ("IdentityAgent SSH_AUTH_SOCK", {"SSH_AUTH_SOCK": "/a"}, "/a"),
        ("IdentityAgent $OTHER", {"OTHER": "/o", "SSH_AUTH_SOCK": "/a"}, "/o"),
        ("IdentityAgent $OTHER", {"SSH_AUTH_SOCK": "/a"}, None),
        ("IdentityAgent /run/agent.%p", {}, "/run/agent.22"),
    ],
)
def test_which_agent(tmp_path: Path, line: str, environ: dict[str, str], expected: str | None) -> None:
    assert ask(line + "\n", Target("web"), tmp_path, environ).identity_agent == expected


def test_the_label_of_an_ipv6_host(tmp_path: Path) -> None:
    assert ask("", Target("2001:db8::1", user="root", port=2222), tmp_path).label == "root@[2001:db8::1]:2222"


def test_a_proxy_command_has_its_tokens_filled_in(tmp_path: Path) -> None:
    settings = ask('ProxyCommand nc -X connect "%h" %p %r %% %n\n', Target("web", user="bob"), tmp_path)
    assert settings.proxy_command == 'nc -X connect "web" 22 bob % web'


def test_what_is_filled_into_a_proxy_command_is_harmless() -> None:
    with pytest.raises(UsageError, match="put into a ProxyCommand"):
        parse(
            "hostname web\nuser $(id)\nport 22\nproxycommand nc %h",
            Target("web"),
            home=HOME,
            environ={},
            local_user="me",
        )


def test_an_unknown_token(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="%z"):
        expand("/a/%z", {"h": "x"}, {}, HOME)


@given(st.text(st.characters(exclude_characters="%~$")))
def test_expanding_changes_nothing_else(value: str) -> None:
    assert expand(value, {}, {}, HOME) == value


def test_paths_with_spaces() -> None:
    real = {"/a b/c", "/d"}
    assert split_paths("/a b/c /d", exists=real.__contains__) == ("/a b/c", "/d")
    assert split_paths("/x /y", exists=real.__contains__) == ("/x", "/y")
    assert split_paths("/a b/c", exists=real.__contains__) == ("/a b/c",)


@pytest.mark.parametrize("text", ["", "host web", "hostname web\nport x"])
def test_an_answer_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="no usable answer"):
        parse(text, Target("web"), home=HOME, environ={}, local_user="me")


@pytest.mark.parametrize(
    ("value", "hops"),
    [
        ("a", [(None, "a", None)]),
        ("me@a:22,b", [("me", "a", 22), (None, "b", None)]),
        ("ssh://me@a:22", [("me", "a", 22)]),
        ("a@b@c:1", [("a@b", "c", 1)]),
        ("[2001:db8::1]:22", [(None, "2001:db8::1", 22)]),
        ("me@2001:db8::1", [("me", "2001:db8::1", None)]),
    ],
)
def test_hops(value: str, hops: list[tuple[str | None, str, int | None]]) -> None:
    assert list(jump_hops(value)) == hops


@pytest.mark.parametrize("value", ["", "a,,b", "a:x", "[a"])
def test_hops_that_are_none(value: str) -> None:
    with pytest.raises(UsageError, match="ProxyJump"):
        jump_hops(value)


def test_hops_in_the_order_in_which_they_are_opened(tmp_path: Path) -> None:
    route = follow(
        "Host web\n  ProxyJump one:1,me@two:2,three\nHost one\n  ProxyJump zero\n  User first\n"
        "Host three\n  HostName 3.example\n  ProxyJump ignored\n",
        "web",
        tmp_path,
    )
    # `one` is reached by its own configuration; `three` not, because the list says how.
    assert [(hop.hostname, hop.port) for hop in route.hops] == [
        ("zero", 22), ("one", 1), ("two", 2), ("3.example", 22), ("web", 22),
    ]  # fmt: skip
    assert [hop.user for hop in route.hops][1:3] == ["first", "me"]
    assert route.target.host == "web"


def test_a_jump_that_matches_itself(tmp_path: Path) -> None:
    config = "Host *\n  ProxyJump bastion\nHost bastion\n  HostName 10.0.0.1\n"
    assert [hop.hostname for hop in follow(config, "web", tmp_path).hops] == ["10.0.0.1", "web"]
    assert [hop.hostname for hop in follow(config, "bastion", tmp_path).hops] == ["10.0.0.1"]


def test_a_jump_that_loops(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"more than {MAX_HOPS} hops"):
        follow("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n", "a", tmp_path)


def test_a_match_exec_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alvps.ssh.route._QUERY_SECONDS", 0.3)
    with pytest.raises(HostUnreachable, match="step ssh configuration"):
        follow('Match exec "exec sleep 5"\n  User x\n', "web", tmp_path)
