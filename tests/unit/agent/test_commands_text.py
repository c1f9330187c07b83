"""Arguments and standard input of any bytes arrive whole, or are refused before anything is sent."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.agent_commands import finish, installed
from tests.support.examples import examples
from tests.support.fake_gateway import FakeGateway
from tests.unit.agent.commands_cases import hoped

MIB = 1 << 20
SLOW = settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def gateway() -> Iterator[FakeGateway]:
    with tempfile.TemporaryDirectory() as folder, FakeGateway(hoped, folder=Path(folder)) as gateway:
        yield gateway


def arrived(gateway: FakeGateway, name: str, *arguments: bytes, stdin: bytes = b"") -> dict[str, str]:
    """The document that the gateway got."""
    done = installed().run(name, *arguments, stdin=stdin, env=gateway.env)
    assert done.code == 0, done
    document: dict[str, str] = gateway.requests[-1].json
    return document


WORDS = st.lists(st.binary(min_size=1).filter(lambda word: b"\0" not in word), min_size=1, max_size=4)


@SLOW
@given(WORDS.filter(lambda words: words not in ([b"-h"], [b"--help"])))
def test_arguments(gateway: FakeGateway, words: list[bytes]) -> None:
    text = b" ".join(words).decode("utf-8", "replace")
    assert arrived(gateway, "al-status", *words) == {"text": text}
    assert arrived(gateway, "al-return", *words) == {"value": text}
    assert arrived(gateway, "al-shutdown", *words) == {"reason": text}
    assert arrived(gateway, "al-call", b"dev", *words) == {"targetAgent": "dev", "context": text}
    key = words[0].decode("utf-8", "replace")
    assert arrived(gateway, "rlock", b"x" + words[0]) == {"resourceKey": "x" + key}


@SLOW
@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "replace"))))
def test_standard_input(gateway: FakeGateway, data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    assert arrived(gateway, "al-return", stdin=data) == {"value": text}
    assert arrived(gateway, "al-call", b"dev", stdin=data) == {"targetAgent": "dev", "context": text}


@pytest.mark.parametrize(
    "unit", [b"x", b'"', b"\\", b"\n", b"\0", "é".encode(), "\N{GRINNING FACE}".encode()], ids=ascii
)
def test_a_whole_mebibyte(gateway: FakeGateway, unit: bytes) -> None:
    data = unit * (MIB // len(unit))
    assert len(data) == MIB
    assert arrived(gateway, "al-return", stdin=data) == {"value": data.decode()}
    assert arrived(gateway, "al-call", b"dev", stdin=data)["context"] == data.decode()


def test_a_mebibyte_of_arguments(gateway: FakeGateway) -> None:
    words = [b"y" * 65535] * 16  # with the spaces between them one byte less than a mebibyte
    assert arrived(gateway, "al-status", *words)["text"] == b" ".join(words).decode()


def test_text_travels_unescaped_where_it_can(gateway: FakeGateway) -> None:
    """So that a mebibyte of any script stays about a mebibyte."""
    arrived(gateway, "al-status", "Grüße 世界".encode())
    assert gateway.requests[-1].body == json.dumps(
        {"text": "Grüße 世界"}, ensure_ascii=False, separators=(",", ":")
    ).encode("utf-8")


@pytest.mark.parametrize("argv", [("al-return",), ("al-call", "dev")])
def test_more_than_a_mebibyte_is_refused(argv: tuple[str, ...], gateway: FakeGateway, tmp_path: Path) -> None:
    before = len(gateway.requests)
    env = {**gateway.env, "AL_SIGNAL_DIR": str(tmp_path)}
    with Path("/dev/zero").open("rb") as endless:  # and it is not read to its end first
        done = finish(installed().begin(*argv, env=env, stdin=endless))
    assert done.code == 9
    assert done.json == {"ok": False, "reason": "standard input is longer than 1048576 bytes of UTF-8"}
    assert "nothing was sent" in done.err
    assert len(gateway.requests) == before
    assert list(tmp_path.iterdir()) == []


def test_more_than_a_mebibyte_of_arguments_is_refused(gateway: FakeGateway) -> None:
    before = len(gateway.requests)
    done = installed().run("al-status", *[b"y" * 65535] * 16, b"z", env=gateway.env)
    assert done.code == 9
    assert len(gateway.requests) == before


def test_bytes_that_grow_beyond_the_limit_are_refused(gateway: FakeGateway) -> None:
    """What is not UTF-8 becomes three bytes."""
    before = len(gateway.requests)
    assert installed().run("al-return", stdin=b"\xff" * (MIB // 3 + 1), env=gateway.env).code == 9
    assert len(gateway.requests) == before
    assert arrived(gateway, "al-return", stdin=b"\xff" * (MIB // 3)) == {"value": "\ufffd" * (MIB // 3)}


def test_other_bytes_are_replaced_and_it_says_so(gateway: FakeGateway, tmp_path: Path) -> None:
    env = {**gateway.env, "AL_SIGNAL_DIR": str(tmp_path)}
    done = installed().run("al-return", b"a\xffb", env=env)
    assert done.code == 0
    assert done.err == "al-return: the text is not UTF-8: each byte that has no meaning is sent as U+FFFD\n"
    assert gateway.requests[-1].json == {"value": "a\ufffdb"}
    assert (tmp_path / "return").read_bytes() == "a\ufffdb".encode()  # the same in both places


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "en_US.ISO-8859-1", "nonsense"])
def test_the_locale_changes_nothing(locale: str, gateway: FakeGateway) -> None:
    env = {**gateway.env, "LC_ALL": locale}
    assert installed().run("al-status", "ä€".encode(), env=env).code == 0
    assert gateway.requests[-1].json == {"text": "ä€"}


def test_standard_input_that_is_closed_is_empty(gateway: FakeGateway) -> None:
    """And the connection does not become standard input, nor standard output."""
    argv = [os.fsencode(word) for word in installed().argv("al-call", "dev")]
    script = b'exec "$@" <&- >&- 2>&-'
    done = subprocess.run([b"/bin/sh", b"-c", script, b"sh", *argv], env=gateway.env, check=False, timeout=60)
    assert done.returncode == 0
    assert gateway.requests[-1].json == {"targetAgent": "dev", "context": ""}


def test_standard_input_that_does_not_block_is_waited_for(gateway: FakeGateway) -> None:
    """A pipe from a program that set it so for itself."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"first ")
    process = installed().begin("al-return", env=gateway.env, stdin=reading)
    while select.select([reading], [], [], 0)[0]:
        assert process.poll() is None
        time.sleep(0.01)  # until the first part has been taken: then it has met an empty pipe
    os.close(reading)
    os.write(writing, b"second")
    os.close(writing)
    done = finish(process)
    assert (done.code, done.err) == (0, "")
    assert gateway.requests[-1].json == {"value": "first second"}


def test_commands_without_a_text_leave_standard_input_alone(gateway: FakeGateway) -> None:
    """`while read id; do al-check $id; done` reads every line."""
    reading, writing = os.pipe()
    os.write(writing, b"next line\n")
    os.close(writing)
    for argv in (("al-check", "c1"), ("rlock", "k"), ("al-status", "x"), ("al-call", "dev", "text")):
        process = installed().begin(*argv, env=gateway.env, stdin=reading)
        assert finish(process).code == 0
    assert os.read(reading, 100) == b"next line\n"
    os.close(reading)


def test_a_reader_that_is_gone_is_no_failure(gateway: FakeGateway) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = installed().begin("rlock", "k", env=gateway.env, stdout=writing)
    os.close(writing)
    done = finish(process)
    assert (done.code, done.err) == (0, "")


def test_an_answer_that_cannot_be_written_is_not_lost(gateway: FakeGateway) -> None:
    with Path("/dev/full").open("wb") as full:
        done = finish(installed().begin("al-call", "dev", "x", env=gateway.env, stdout=full))
    assert done.code == 7
    assert '"callId": "c1"' in done.err
