"""Commands over a real sshd: words, streams, ends."""

from __future__ import annotations

import contextlib
import os
import threading

import paramiko
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paramiko.common import MSG_CHANNEL_CLOSE, MSG_CHANNEL_DATA, MSG_CHANNEL_EOF
from paramiko.message import Message

from alvps.errors import HostUnreachable
from alvps.ssh import CommandTimeout, Connection, connect
from alvps.ssh.channel import Channel
from alvps.ssh.transport import WatchedTransport
from tests.support.examples import examples
from tests.support.sshd import Sshd

WORDS = st.lists(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20), max_size=5)
# Single examples that shells like to eat.
NASTY = [
    "",
    " ",
    "$HOME",
    "`id`",
    "'",
    '"',
    "a'b\"c",
    "\n",
    "a\nb",
    "*",
    "~",
    "!x",
    "\\",
    "-n",
    "é🎈",
    "#",
    "a;b",
    "&& b",
]


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS)
def test_words_arrive_as_they_are(connection: Connection, words: list[str]) -> None:
    result = connection.run(["printf", "[%s]\\0", *words])
    assert result.stdout == ("".join(f"[{word}]\0" for word in words) or "[]\0").encode()


def test_words_that_shells_eat(connection: Connection) -> None:
    result = connection.run(["printf", "%s\\0", *NASTY])
    assert result.stdout.decode().split("\0")[:-1] == NASTY


def test_streams_are_kept_apart(connection: Connection) -> None:
    result = connection.run(["sh", "-c", "cat; echo no >&2; exit 7"], stdin=b"\x00\xff\r\n")
    assert (result.exit_code, result.stdout, result.stderr, result.signal) == (7, b"\x00\xff\r\n", b"no\n", None)


def test_large_binary_data_both_ways_at_once(connection: Connection) -> None:
    data = os.urandom(6 << 20)
    assert connection.run(["cat"], stdin=data).stdout == data


def test_closing_stdin_is_the_end_of_input(connection: Connection) -> None:
    with connection.open(["sh", "-c", "wc -c; echo end"]) as channel:
        channel.stdin.write(b"12345")
        channel.stdin.close()
        assert channel.stdout.read().split() == [b"5", b"end"]
        assert channel.wait(5) == 0


def test_a_read_returns_what_is_there(connection: Connection) -> None:
    """Frames are answered one by one: a reader that waits for a full buffer would never get the first."""
    with connection.open(["cat"]) as channel:
        for size in (1, 10, 70_000):
            channel.stdin.write(b"x" * size)
            assert channel.stdout.read(size) == b"x" * size
        channel.stdin.write(b"line\nrest")
        assert channel.stdout.readline() == b"line\n"
        assert channel.stdout.read(4) == b"rest"


def test_a_command_that_reads_nothing_and_ends(connection: Connection) -> None:
    assert connection.run(["false"], stdin=os.urandom(20 << 20), timeout=20).exit_code == 1


def test_stderr_never_blocks_and_only_its_end_is_kept(connection: Connection) -> None:
    line = "0123456789" * 4
    script = f"(for i in $(seq 20000); do echo {line}; done; echo last) >&2"
    with connection.open(["sh", "-c", script]) as channel:
        assert channel.wait(30) == 0
        kept = channel.stderr.read()
    assert len(kept) == 64 << 10
    assert kept.endswith(b"last\n")
    assert channel.stderr.dropped == 20000 * 41 + 5 - len(kept)


def test_the_far_side_waits_when_nobody_reads(connection: Connection) -> None:
    """40 MB in the laptop's memory would be the alternative."""
    with connection.open(["sh", "-c", "head -c 40000000 /dev/zero; echo done >&2"]) as channel:
        assert channel.stdout.read(1) == b"\0"
        with pytest.raises(CommandTimeout, match="did not end"):
            channel.wait(0.5)
        assert channel.stderr.so_far() == b""
        assert len(channel.stdout.read()) == 39_999_999
        assert channel.wait(5) == 0


@pytest.mark.parametrize(("name", "code"), [("TERM", 143), ("KILL", 137), ("SEGV", 139)])
def test_a_signal_is_reported(connection: Connection, name: str, code: int) -> None:
    result = connection.run(["sh", "-c", f"kill -{name} $$"])
    assert (result.exit_code, result.signal) == (code, name)


def test_a_command_that_takes_too_long(connection: Connection) -> None:
    with pytest.raises(CommandTimeout, match=r"step command: 'sleep 60' did not end within 0\.3 s"):
        connection.run(["sleep", "60"], timeout=0.3)
    assert connection.run(["echo", "on"]).stdout == b"on\n"


def test_an_unknown_command_is_a_result(connection: Connection) -> None:
    assert connection.run(["/no/such/program"]).exit_code == 127


def test_many_commands_over_one_connection_at_once(connection: Connection) -> None:
    results: dict[int, bytes] = {}

    def one(number: int) -> None:
        results[number] = connection.run(["echo", str(number)]).stdout

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == {number: f"{number}\n".encode() for number in range(8)}


def _data(channel: Channel, data: bytes) -> Message:
    """A DATA message past what paramiko still lets out (RFC 4254, 5.2)."""
    message = Message()
    message.add_byte(bytes([MSG_CHANNEL_DATA]))
    message.add_int(channel._channel.remote_chanid)
    message.add_string(data)
    return message


@pytest.mark.parametrize("late", [MSG_CHANNEL_EOF, MSG_CHANNEL_DATA], ids=["EOF", "data"])
@pytest.mark.parametrize("closer", ["the host", "we"])
def test_nothing_is_sent_on_a_channel_after_its_close(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, late: int, closer: str
) -> None:
    """The thread that sends is held between making its message and sending it, until the channel has been closed."""
    made, closed = threading.Event(), threading.Event()
    sent: list[int] = []
    handle = WatchedTransport._channel_handler_table[MSG_CHANNEL_CLOSE]
    with connect(sshd.target()) as connection:
        transport = connection._target.transport
        send = transport._send_user_message

        def send_late(message: Message) -> None:
            if message.asbytes()[0] == late and threading.current_thread().name == "late":
                made.set()
                assert closed.wait(10)
            sent.append(message.asbytes()[0])
            send(message)

        def handled(one: paramiko.Channel, message: Message) -> None:
            handle(one, message)
            if one.transport is transport:  # there are other connections, and the table is for all
                closed.set()

        monkeypatch.setattr(transport, "_send_user_message", send_late)
        monkeypatch.setitem(WatchedTransport._channel_handler_table, MSG_CHANNEL_CLOSE, handled)
        channel = connection.open(["sh", "-c", "read line"])

        def last_words() -> None:
            with contextlib.suppress(HostUnreachable):  # the channel is closed: it may say so, but not end the rest
                channel.stdin.write(b"x")
                channel.stdin.close()

        thread = threading.Thread(target=last_words, name="late")
        thread.start()
        assert made.wait(10)
        if closer == "the host":
            send(_data(channel, b"\n"))  # ends the command
        else:
            channel.abort()
            closed.set()
        thread.join(20)
        assert not thread.is_alive()
        assert late in sent
        assert sent.index(MSG_CHANNEL_CLOSE) == len(sent) - 1
        assert connection.run(["echo", "still there"]).stdout == b"still there\n"


def test_writing_to_a_command_that_has_ended(connection: Connection) -> None:
    with connection.open(["true"]) as channel:
        channel.wait(10)
        with pytest.raises(HostUnreachable):
            channel.stdin.write(b"x" * (64 << 20))


def test_the_label_names_user_host_and_port(connection: Connection, sshd: Sshd) -> None:
    assert connection.host_label.endswith(f"@127.0.0.1:{sshd.port}")
