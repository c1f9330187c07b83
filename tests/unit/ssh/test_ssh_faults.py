"""Networks and hosts that misbehave: every failure ends in time, names its step, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alvps.errors import HostUnreachable
from alvps.ssh import Connection, Timeouts, connect
from tests.support.examples import examples
from tests.support.ports import free_port
from tests.support.sshd import Proxy, Sshd

SHORT = Timeouts(tcp=0.5, banner=0.5, key_exchange=0.5, auth=0.5, channel=0.5, keepalive=0.2, dead=0.8)
WATCHFUL = Timeouts(keepalive=0.3, dead=1.5)  # for connections that are to stand


@contextmanager
def listener(answer: bytes | None) -> Iterator[int]:
    """Accepts, says `answer`, then nothing more. None: does not even accept."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=8)
    accepted: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                client, _ = sock.accept()
            except OSError:
                return
            accepted.append(client)
            client.sendall(answer or b"")

    server = threading.Thread(target=serve, daemon=True)
    if answer is not None:
        server.start()
    try:
        yield int(sock.getsockname()[1])
    finally:
        if answer is not None:
            sock.shutdown(socket.SHUT_RDWR)
            server.join()
        sock.close()
        for client in accepted:
            client.close()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def no_more_threads_than(before: int) -> None:
    """The proxy's threads, and a timer that was told to stop, end by themselves a moment later."""
    deadline = time.monotonic() + 3
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_a_closed_port(sshd: Sshd) -> None:
    port = free_port()
    with pytest.raises(HostUnreachable, match=rf"127\.0\.0\.1:{port}: step tcp connect: .*refused"):
        connect(sshd.target(port=port))


def test_a_name_that_does_not_resolve(sshd: Sshd) -> None:
    with pytest.raises(HostUnreachable, match=r"step resolve name: \'no-such-host\.invalid\'"):
        connect(sshd.target("no-such-host.invalid"))


def test_an_address_that_swallows_everything(sshd: Sshd) -> None:
    """A listener whose queue is full answers no handshake, like a firewall that drops."""
    with listener(None) as port:
        full = []
        for _ in range(20):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            full.append(sock)
        with within(9), pytest.raises(HostUnreachable, match=r"step tcp connect: 127\.0\.0\.1: no answer within 0.5 s"):
            connect(sshd.target(port=port), timeouts=SHORT)
        for sock in full:
            sock.close()


def test_connect_timeout_of_the_configuration_counts(own_sshd: Sshd) -> None:
    own_sshd.ssh_config.write_text("ConnectTimeout 1\n")
    with listener(None) as port:
        full = []
        for _ in range(200):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            full.append(sock)
        with within(9), pytest.raises(HostUnreachable, match="no answer within 1 s"):
            connect(own_sshd.target(port=port))
        for sock in full:
            sock.close()


@pytest.mark.parametrize(
    ("answer", "step"),
    [
        (b"", "step ssh banner: nothing was heard"),
        (b"SSH-2", "step ssh banner: nothing was heard"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x\r\n" * 200, "step ssh banner"),
        (b"SSH-1.5-old\r\n", "step ssh banner|step key exchange: Incompatible version"),
        (b"SSH-2.0-silent\r\n", "step key exchange"),
        (b"SSH-2.0-noise\r\n" + bytes(range(256)) * 64, "step key exchange"),
    ],
)
def test_ports_that_do_not_speak_ssh(sshd: Sshd, answer: bytes, step: str) -> None:
    before = threading.active_count()
    with listener(answer) as port, within(9), pytest.raises(HostUnreachable, match=step):
        connect(sshd.target(port=port), timeouts=SHORT)
    no_more_threads_than(before)


def test_a_host_that_hangs_up_at_once(sshd: Sshd, proxy: Proxy) -> None:
    proxy.cut_after = lambda: 0
    with within(9), pytest.raises(HostUnreachable, match="step ssh banner: the host hung up at once"):
        connect(sshd.target(port=proxy.port, known_hosts=sshd.known_anywhere))


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.one_of(st.integers(0, 200), st.integers(200, 3500)))
def test_cut_after_any_number_of_bytes(sshd: Sshd, proxy: Proxy, count: int) -> None:
    """About 2,600 bytes come from the host until a command has ended."""
    proxy.cut_after = lambda: count
    before = threading.active_count()
    try:
        with within(9), connect(sshd.target(port=proxy.port, known_hosts=sshd.known_anywhere)) as connection:
            result = connection.run(["echo", "hello"])
            assert (result.exit_code, result.stdout) == (0, b"hello\n")
    except HostUnreachable as error:
        assert "step" in error.message or "connection lost" in error.message  # noqa: PT017  # both ends are right
        assert f"127.0.0.1:{proxy.port}" in error.message  # noqa: PT017 - one of several endings
    finally:
        proxy.cut()
    no_more_threads_than(before)


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 2200))
def test_frozen_after_any_number_of_bytes(sshd: Sshd, count: int) -> None:
    """The line stays up and nothing more comes: every step's own limit must end it."""
    stall = Proxy(sshd.port)
    stall.freeze_after = count
    try:
        with (
            within(9),
            connect(sshd.target(port=stall.port, known_hosts=sshd.known_anywhere), timeouts=SHORT) as connection,
        ):
            connection.run(["echo", "hello"])
    except HostUnreachable as error:
        assert "step" in error.message or "connection lost" in error.message  # noqa: PT017 - one of several endings
    finally:
        stall.close()


def test_a_cut_in_the_middle_of_output(sshd: Sshd, proxy: Proxy) -> None:
    with (
        connect(sshd.target(port=proxy.port, known_hosts=sshd.known_anywhere)) as connection,
        connection.open(["sh", "-c", "echo a; sleep 60"]) as channel,
    ):
        assert channel.stdout.readline() == b"a\n"
        proxy.cut()
        with within(9), pytest.raises(HostUnreachable, match="connection lost: the connection was cut"):
            channel.stdout.readline()
        with pytest.raises(HostUnreachable, match="connection lost"):
            channel.wait(5)
        with pytest.raises(HostUnreachable, match="connection lost"):
            channel.stdin.write(b"x")
        with pytest.raises(HostUnreachable, match="connection lost"):
            connection.run(["true"])


def test_closing_what_was_just_cut(sshd: Sshd, proxy: Proxy) -> None:
    """Nobody has noticed the cut yet: closing tells the host, which is gone."""
    for _ in range(5):
        connection = connect(sshd.target(port=proxy.port, known_hosts=sshd.known_anywhere))
        channel = connection.open(["cat"])
        connection._target.transport.watched._sock.shutdown(socket.SHUT_WR)
        channel.close()
        connection.close()


def test_output_before_the_cut_is_not_lost(sshd: Sshd, proxy: Proxy) -> None:
    with (
        connect(sshd.target(port=proxy.port, known_hosts=sshd.known_anywhere)) as connection,
        connection.open(["sh", "-c", "echo a; echo b >&2; sleep 60"]) as channel,
    ):
        deadline = time.monotonic() + 5
        while not channel.stderr.so_far() and time.monotonic() < deadline:
            time.sleep(0.01)
        proxy.cut()
        assert channel.stdout.readline() == b"a\n"
        assert channel.stderr.read() == b"b\n"


def test_a_dead_peer_is_noticed_while_reading(sshd: Sshd, proxy: Proxy) -> None:
    with (
        connect(sshd.target(port=proxy.port, known_hosts=sshd.known_anywhere), timeouts=WATCHFUL) as connection,
        connection.open(["sh", "-c", "echo a; sleep 60"]) as channel,
    ):
        channel.stdout.readline()
        proxy.freeze()
        with within(9), pytest.raises(HostUnreachable, match="connection lost: no sign of life for"):
            channel.stdout.read()


def test_a_dead_peer_is_noticed_while_writing(sshd: Sshd, proxy: Proxy) -> None:
    """The writer is blocked inside the socket and holds paramiko's lock."""
    with (
        connect(sshd.target(port=proxy.port, known_hosts=sshd.known_anywhere), timeouts=WATCHFUL) as connection,
        connection.open(["cat"]) as channel,
    ):
        proxy.freeze()
        with within(9), pytest.raises(HostUnreachable, match="connection lost: no sign of life for"):
            channel.stdin.write(os.urandom(64 << 20))


def test_a_dead_peer_is_noticed_while_waiting_for_a_command_to_start(sshd: Sshd, proxy: Proxy) -> None:
    with connect(sshd.target(port=proxy.port, known_hosts=sshd.known_anywhere), timeouts=WATCHFUL) as connection:
        proxy.freeze()
        with within(9), pytest.raises(HostUnreachable, match=r"step channel open|no sign of life"):
            connection.open(["true"])


@pytest.mark.parametrize("begins", [lambda line: line.open(["true"]), lambda line: line.dial(("127.0.0.1", 1))])
def test_an_end_that_comes_while_a_channel_opens_is_a_lost_connection(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, begins: Callable[[Connection], object]
) -> None:
    """paramiko tells the channels before it is no longer active: in between nobody may hear of an EOFError."""

    def ends(*_args: object, **_options: object) -> None:
        raise EOFError

    with connect(sshd.target()) as connection:
        monkeypatch.setattr("paramiko.Transport.open_session", ends)
        monkeypatch.setattr("paramiko.Transport.open_channel", ends)
        with pytest.raises(HostUnreachable, match="connection lost: the connection was cut"):
            begins(connection)


def test_silence_alone_is_no_death(sshd: Sshd) -> None:
    with connect(sshd.target(), timeouts=WATCHFUL) as connection:
        assert connection.run(["sh", "-c", "sleep 3; echo still here"]).stdout == b"still here\n"


STOPPED = """
import sys, time
from pathlib import Path
from alvps.ssh import Target, connect
from tests.unit.ssh.test_ssh_faults import WATCHFUL
host, user, port, key, known, config = sys.argv[1:]
paths = {"key_path": Path(key), "known_hosts": Path(known), "ssh_config": Path(config)}
with connect(Target(host, user=user, port=int(port), **paths), timeouts=WATCHFUL) as connection:
    time.sleep(0.2)  # what the host says by itself after the login has arrived, and no keepalive was sent yet
    print("connected", flush=True)
    sys.stdin.readline()
    print(connection.run(["echo", "still here"]).stdout.decode(), end="")
"""


def test_a_process_that_was_stopped_does_not_take_the_host_for_dead(sshd: Sshd) -> None:
    """Ctrl-Z, and some time later `fg`."""
    target = sshd.target()
    words = [target.host, target.user, target.port, target.key_path, target.known_hosts, target.ssh_config]
    command = [sys.executable, "-c", STOPPED, *map(str, words)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "connected\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(WATCHFUL.dead + 0.5)
        process.send_signal(signal.SIGCONT)
        time.sleep(2 * WATCHFUL.keepalive)  # it has looked for signs of life since
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.read() == "still here\n"


def test_a_slow_reader_is_no_death(sshd: Sshd) -> None:
    """The window is full, so the host says nothing but its answers to keepalives."""
    with (
        connect(sshd.target(), timeouts=WATCHFUL) as connection,
        connection.open(["sh", "-c", "head -c 20000000 /dev/zero"]) as channel,
    ):
        channel.stdout.read(1)
        time.sleep(2 * WATCHFUL.dead)
        assert len(channel.stdout.read()) == 19_999_999


def test_a_hop_that_leads_nowhere(sshd: Sshd, own_sshd: Sshd) -> None:
    port = free_port()
    own_sshd.ssh_config.write_text(
        f"Host 127.0.0.1\n  ProxyJump hop\nHost hop\n  HostName localhost\n  Port {own_sshd.port}\n  HostKeyAlias hop\n"
        f"  User {own_sshd.target().user}\n  IdentityFile {own_sshd.client_key}\n"
        f"  UserKnownHostsFile {own_sshd.known_hosts}\n"
    )
    own_sshd.pin(*own_sshd.host_keys, name="hop")
    with pytest.raises(
        HostUnreachable, match=rf"127.0.0.1:{port}: step tcp connect through .*@localhost:{own_sshd.port}"
    ):
        connect(sshd.target(port=port, ssh_config=own_sshd.ssh_config))


def test_a_dead_hop_is_named(own_sshd: Sshd) -> None:
    port = free_port()
    own_sshd.ssh_config.write_text(f"Host 127.0.0.1\n  ProxyJump localhost:{port}\n")
    with pytest.raises(HostUnreachable, match=rf"@localhost:{port}: step tcp connect"):
        connect(own_sshd.target())
