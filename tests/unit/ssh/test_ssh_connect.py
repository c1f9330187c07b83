"""Connecting to a real sshd: settings, keys, hops, and what stays behind afterwards (nothing)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from alvps import __version__
from alvps.errors import HostUnreachable, UsageError
from alvps.ssh import Target, connect
from tests.support.sshd import Agent, Proxy, Sshd, keygen, make_key


def says(target: Target, **options: object) -> bytes:
    with connect(target, **options) as connection:  # type: ignore[arg-type]  # passphrase only
        return connection.run(["echo", "hello"]).stdout


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys_of_every_type(own_sshd: Sshd, tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path / f"id_{kind}", kind)
    own_sshd.authorize(key)
    assert says(own_sshd.target(key_path=key)) == b"hello\n"


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_keys_in_pem_format(own_sshd: Sshd, tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path / f"id_{kind}", kind, "", "-m", "PEM")
    own_sshd.authorize(key)
    assert says(own_sshd.target(key_path=key)) == b"hello\n"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_host_keys_of_every_type(tmp_path: Path, kind: str) -> None:
    server = Sshd(tmp_path / "sshd", host_keys=(kind,))
    try:
        assert says(server.target()) == b"hello\n"
    finally:
        server.stop()


def test_the_pinned_type_is_asked_for_first(tmp_path: Path) -> None:
    server = Sshd(tmp_path / "sshd", host_keys=("ed25519", "ecdsa", "rsa"))
    try:
        for key in server.host_keys:
            server.pin(key)
            assert says(server.target()) == b"hello\n"
    finally:
        server.stop()


def test_a_locked_key_without_anybody_to_ask(own_sshd: Sshd, tmp_path: Path) -> None:
    key = make_key(tmp_path / "locked", "ed25519", "secret phrase")
    own_sshd.authorize(key)
    with pytest.raises(HostUnreachable, match=r"step authentication: .*locked needs a passphrase") as caught:
        says(own_sshd.target(key_path=key))
    assert caught.value.hint == f"unlock it first: ssh-add {key}"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_locked_key_with_its_passphrase(own_sshd: Sshd, tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path / "locked", kind, "secret phrase")
    own_sshd.authorize(key)
    asked: list[Path] = []

    def passphrase(path: Path) -> str:
        asked.append(path)
        return "secret phrase"

    assert says(own_sshd.target(key_path=key), passphrase=passphrase) == b"hello\n"
    assert asked == [key]


def test_a_wrong_passphrase(own_sshd: Sshd, tmp_path: Path) -> None:
    key = make_key(tmp_path / "locked", "ed25519", "secret phrase")
    own_sshd.authorize(key)
    with pytest.raises(HostUnreachable, match="step authentication: there is no key to offer") as caught:
        says(own_sshd.target(key_path=key), passphrase=lambda _: "wrong")
    assert "wrong passphrase" in (caught.value.detail or "")


def test_nobody_is_asked_for_a_passphrase_that_is_not_needed(own_sshd: Sshd, tmp_path: Path) -> None:
    locked = make_key(tmp_path / "locked", "ed25519", "secret phrase")
    own_sshd.ssh_config.write_text(f"IdentityFile {locked}\nIdentityFile {own_sshd.client_key}\n")

    def passphrase(_: Path) -> str:
        raise AssertionError("asked")

    assert says(own_sshd.target(key_path=None), passphrase=passphrase) == b"hello\n"


def test_a_key_that_the_host_does_not_know(sshd: Sshd, tmp_path: Path) -> None:
    key = make_key(tmp_path / "stranger")
    with pytest.raises(HostUnreachable, match="step authentication: the host accepted none of the keys") as caught:
        says(sshd.target(key_path=key))
    assert caught.value.detail == f"offered {key}"


def test_no_key_at_all(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(HostUnreachable, match="there is no key to offer"):
        says(sshd.target(key_path=tmp_path / "missing"))


def test_a_file_that_is_no_key(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("buy milk\n")
    with pytest.raises(HostUnreachable) as caught:
        says(sshd.target(key_path=tmp_path / "note"))
    assert "not a private key" in (caught.value.detail or "")


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_certificate_beside_the_key(tmp_path: Path, kind: str) -> None:
    authority = make_key(tmp_path / "authority")
    server = Sshd(tmp_path / "sshd", extra=f"TrustedUserCAKeys {authority}.pub\n")
    try:
        key = make_key(tmp_path / "id", kind)
        other = make_key(tmp_path / "other", kind)
        for name in (key, other):
            keygen("-s", authority, "-I", "me", "-n", server.target().user or "", f"{name}.pub")
        # One of another key, named in the configuration, must not get in the way.
        server.ssh_config.write_text(f"CertificateFile {other}-cert.pub\n")
        assert says(server.target(key_path=key)) == b"hello\n"
        server.wait_for("Accepted certificate|Accepted publickey.*-CERT")
        assert not server.said("Failed publickey")
    finally:
        server.stop()


def test_a_key_of_the_agent(sshd: Sshd, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.add(sshd.client_key)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.path))
    assert says(sshd.target(key_path=None)) == b"hello\n"


def test_the_agent_that_the_configuration_names(own_sshd: Sshd, agent: Agent) -> None:
    agent.add(own_sshd.client_key)
    own_sshd.ssh_config.write_text(f"IdentityAgent {agent.path}\n")
    assert says(own_sshd.target(key_path=None)) == b"hello\n"


def test_no_agent_when_the_configuration_says_none(
    own_sshd: Sshd, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.add(own_sshd.client_key)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.path))
    own_sshd.ssh_config.write_text("IdentityAgent none\nIdentityFile none\n")
    with pytest.raises(HostUnreachable, match="there is no key to offer"):
        says(own_sshd.target(key_path=None))


def test_identities_only_leaves_the_agents_other_keys_out(own_sshd: Sshd, agent: Agent, tmp_path: Path) -> None:
    """sshd ends a connection after six keys; a full agent would lock its owner out."""
    strangers = [make_key(tmp_path / f"key{number}") for number in range(7)]
    agent.add(*strangers, own_sshd.client_key)
    own_sshd.ssh_config.write_text(f"IdentityAgent {agent.path}\n")
    with pytest.raises(HostUnreachable, match="step authentication"):
        says(own_sshd.target(key_path=None))
    before = len(own_sshd.log)
    assert says(own_sshd.target()) == b"hello\n"
    assert not own_sshd.said("Failed publickey", after=before)


def test_a_locked_key_that_the_agent_holds(own_sshd: Sshd, agent: Agent, tmp_path: Path) -> None:
    """Also when there is no .pub file: the public half of a key file is not locked."""
    agent.add(own_sshd.client_key)
    locked = tmp_path / "locked"
    locked.write_bytes(own_sshd.client_key.read_bytes())
    locked.chmod(0o600)
    keygen("-p", "-P", "", "-N", "secret phrase", "-f", locked)
    own_sshd.ssh_config.write_text(f"IdentityAgent {agent.path}\n")
    assert says(own_sshd.target(key_path=locked)) == b"hello\n"


def test_a_dead_agent_is_no_agent(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    assert says(sshd.target()) == b"hello\n"


def test_the_ssh_configuration_counts(own_sshd: Sshd, tmp_path: Path) -> None:
    """Include, Match, HostName, Port, User, IdentityFile, UserKnownHostsFile: what fabric does not know of."""
    (tmp_path / "included").write_text(
        f"Host web\n  HostName 127.0.0.1\n  Port {own_sshd.port}\n  User {own_sshd.target().user}\n"
    )
    own_sshd.ssh_config.write_text(
        f"Include {tmp_path}/included\n"
        f"Match host 127.0.0.1\n  IdentityFile {own_sshd.client_key}\n  UserKnownHostsFile {own_sshd.known_hosts}\n"
    )
    assert says(Target("web", ssh_config=own_sshd.ssh_config)) == b"hello\n"


def test_host_key_alias(own_sshd: Sshd) -> None:
    own_sshd.pin(*own_sshd.host_keys, name="al-web")
    own_sshd.ssh_config.write_text(f"HostKeyAlias al-web\nUserKnownHostsFile {own_sshd.known_hosts}\n")
    assert says(own_sshd.target(known_hosts=None)) == b"hello\n"


def test_fabrics_own_files_have_no_say(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".fabric.yaml").write_text("user: nobody\nport: 1\ngateway: nobody@127.0.0.1:1\nforward_agent: true\n")
    monkeypatch.setenv("FABRIC_USER", "nobody")
    assert says(sshd.target()) == b"hello\n"


def test_over_two_hops(sshd: Sshd, own_sshd: Sshd) -> None:
    """Three connections, to two servers: this one as both hops, the other as the target."""
    first = Proxy(own_sshd.port)  # another port, so that the hops differ
    user = own_sshd.target().user
    own_sshd.ssh_config.write_text(
        f"Host hop1\n  Port {first.port}\nHost hop2\n  Port {own_sshd.port}\n"
        f"Host hop*\n  HostName 127.0.0.1\n  User {user}\n  IdentityFile {own_sshd.client_key}\n"
        f"  UserKnownHostsFile {own_sshd.known_anywhere}\n"
        f"Host 127.0.0.1\n  ProxyJump hop1,hop2\n"
    )
    try:
        with connect(sshd.target(ssh_config=own_sshd.ssh_config)) as connection:
            assert connection.run(["echo", "hello"]).stdout == b"hello\n"
        assert first.connections == 1
        assert sum("Accepted publickey" in line for line in own_sshd.log) == 2
    finally:
        first.close()


def test_over_a_proxy_command(own_sshd: Sshd) -> None:
    own_sshd.ssh_config.write_text(
        f"ProxyCommand {sys.executable} -c 'import socket,sys,threading,os\n".replace("\n", "")
        + ";s=socket.create_connection((sys.argv[1],int(sys.argv[2])))"
        + ';threading.Thread(target=lambda:[os.write(1,d) for d in iter(lambda:s.recv(65536),b"")],daemon=True).start()'
        + ';[s.sendall(d) for d in iter(lambda:os.read(0,65536),b"")]\' %h %p\n'
    )
    data = os.urandom(300_000)
    with connect(own_sshd.target()) as connection:
        assert connection.run(["cat"], stdin=data).stdout == data


def test_a_proxy_command_that_fails_says_why(own_sshd: Sshd) -> None:
    own_sshd.ssh_config.write_text("ProxyCommand echo no route to %h >&2; exit 1\n")
    with pytest.raises(HostUnreachable, match="step ssh banner") as caught:
        says(own_sshd.target())
    assert caught.value.detail == "no route to 127.0.0.1"


def test_without_an_ssh_program(sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostUnreachable, match="there is no `ssh` program"):
        says(sshd.target())


@pytest.mark.parametrize("host", ["", "-oProxyCommand=x", "a b", "a\nb", "a;b"])
def test_a_name_that_is_none(sshd: Sshd, host: str) -> None:
    with pytest.raises(UsageError):
        says(sshd.target(host))


def test_a_broken_ssh_configuration(own_sshd: Sshd) -> None:
    own_sshd.ssh_config.write_text("Hots x\n")
    with pytest.raises(UsageError) as caught:
        says(own_sshd.target())
    assert "Bad configuration option" in (caught.value.detail or "")


def test_nothing_stays_behind(sshd: Sshd, own_sshd: Sshd) -> None:
    def left() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    own_sshd.host_keys = ()
    own_sshd.known_hosts.write_text("")
    says(sshd.target())
    before = left()
    for _ in range(3):
        says(sshd.target())
        with pytest.raises(HostUnreachable):
            says(sshd.target(key_path=own_sshd.client_key))
    assert left() == before


def in_a_new_process(target: Target) -> str:
    """A beginning of a script that has `target`."""
    words = {name: str(getattr(target, name)) for name in ("key_path", "known_hosts", "ssh_config")}
    paths = ", ".join(f"{name}=Path({value!r})" for name, value in words.items())
    return (
        "import sys, threading\nfrom pathlib import Path\nfrom alvps.ssh import Target, connect, warm_up\n"
        f"target = Target({target.host!r}, user={target.user!r}, port={target.port}, {paths})\n"
    )


def test_the_direct_way_loads_no_more_than_it_needs(sshd: Sshd) -> None:
    """invoke and fabric would cost half as much again as paramiko; fabric is there all the same when it is wanted."""
    script = in_a_new_process(sshd.target()) + (
        "assert not {'paramiko', 'cryptography'} & set(sys.modules)\n"
        "thread = threading.Thread(target=warm_up)\nthread.start()\n"
        "with connect(target) as c:\n    assert c.run(['true']).exit_code == 0\n"
        "thread.join()\n"
        "dear = {'fabric', 'invoke', 'asyncio', 'asyncssh', 'importlib.metadata', 'zipfile'}\n"
        "print(sorted(dear & set(sys.modules)))\n"
        "import fabric, invoke\nprint(fabric.Connection('x').host, invoke.__name__)\n"
        "from importlib import metadata\nprint(metadata.version('click')[0], sys.modules['paramiko'].__version__)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"[]\nx invoke\n8 al_{__version__}\n"


def test_ctrl_c_ends_it_at_once(sshd: Sshd) -> None:
    script = in_a_new_process(sshd.target()) + (
        "with connect(target) as c:\n"
        "    channel = c.open(['sh', '-c', 'echo ready; exec sleep 100'])\n"
        "    print(channel.stdout.readline(), flush=True)\n    channel.stdout.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"b'ready\\n'\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=5)
    assert process.returncode == -signal.SIGINT
    assert err.decode().rstrip().endswith("KeyboardInterrupt")
    assert b"Exception" not in err
