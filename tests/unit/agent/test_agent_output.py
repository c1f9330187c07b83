"""What a run prints, on its way out: masked, in order, never the reason why a run does not end."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from alvps.agent import messages
from alvps.agent.output import LEFT_OVER, Output
from tests.unit.agent.agent_run import Box, frame, others, own, said

TOKEN = "canary-0123456789abcdef/+ü"


def credential(*values: str, secret: list[str] | None = None) -> dict[str, Any]:
    fields = {f"field{number}": value for number, value in enumerate(values)}
    more = {} if secret is None else {"secret": secret}
    return {"type": "t", "instance": "i", "fields": fields, **more}


# Masking


def test_a_secret_is_masked_in_every_form_on_both_outputs(box: Box) -> None:
    value = TOKEN.encode()
    shown = [value, base64.b64encode(value), value.hex().encode(), json.dumps(TOKEN).encode()]
    (box.static / "shown").write_bytes(b"\n".join(shown) + b"\n")
    done = box.run("cat shown; cat shown >&2; echo $TOKEN", env={"TOKEN": TOKEN}, credentials=[credential(TOKEN)])
    assert others(done.stdout) == (b"***\n***\n***\n" + b'"***"\n') * 2 + b"***\n"


def test_fields_that_are_no_secret_are_shown(box: Box) -> None:
    given = credential("public-name", "canary-value", secret=["field1"])
    done = box.run("cat $AL_CREDENTIALS_PATH/t/i/field0 $AL_CREDENTIALS_PATH/t/i/field1", credentials=[given])
    assert others(done.stdout) == b"public-name***\n"


def test_a_secret_that_is_written_bit_by_bit_is_masked(box: Box) -> None:
    script = "import os, sys, time\nfor c in os.environ['T']:\n os.write(1, c.encode()); time.sleep(0.002)\nprint()"
    done = box.run(
        ["python3", "-c", script], env={"T": "canary-0123456789"}, credentials=[credential("canary-0123456789")]
    )
    assert others(done.stdout) in (b"can***\n", b"ca***\n", b"c***\n", b"***\n")


def test_forty_secrets_in_a_flood_of_text(box: Box) -> None:
    values = [secrets.token_urlsafe(30) for _ in range(40)]
    lines = [f"{number} {value} {base64.b64encode(value.encode()).decode()}" for number, value in enumerate(values)]
    (box.static / "text").write_text("\n".join(line + " " + "x" * 2000 for line in lines * 20))
    done = box.run("cat text", credentials=[credential(*values)])
    assert not [value for value in values if value.encode() in done.stdout]
    assert others(done.stdout).count(b"***") == 40 * 20 * 2
    assert others(done.stdout).count(b"x") >= 40 * 20 * 2000


def test_the_entrys_own_lines_between_are_whole(box: Box) -> None:
    done = box.run("printf 'no end of line'; exit 3")
    assert others(done.stdout) == b"no end of line\n"
    assert own(done.stdout)[-1]["exit_code"] == 3


# The end


def test_everything_printed_before_the_end_is_there(box: Box) -> None:
    done = box.run("seq 200000")
    assert others(done.stdout) == b"".join(b"%d\n" % number for number in range(1, 200_001))
    assert done.stdout.endswith(b"}\n")


def test_the_beginning_of_a_secret_at_the_very_end_is_not_lost(box: Box) -> None:
    done = box.run("printf canary-01", credentials=[credential("canary-0123456789")])
    assert others(done.stdout) == b"canary-01\n"


def test_standard_output_and_error_keep_their_order(box: Box) -> None:
    done = box.run("for i in 1 2 3 4 5; do echo o$i; echo e$i >&2; done")
    assert others(done.stdout) == b"".join(b"o%d\ne%d\n" % (number, number) for number in range(1, 6))
    assert done.stderr == b""


def test_a_background_process_that_keeps_the_pipe_does_not_keep_the_run(box: Box) -> None:
    began = time.monotonic()
    done = box.run("setsid sleep 20 & echo done; exit 4")
    assert done.returncode == 4
    assert others(done.stdout) == b"done\n"
    assert time.monotonic() - began < 5


def test_a_background_process_that_floods_does_not_keep_the_run(box: Box) -> None:
    began = time.monotonic()
    done = box.run("setsid sh -c 'echo $$ > $HOME/pid; exec yes' & while [ ! -s $HOME/pid ]; do :; done; exit 4")
    subprocess.run(["kill", "-9", (box.home / "pid").read_text().strip()], check=False)
    assert done.returncode == 4
    assert said(done.stdout)[-1] == "the command ended with code 4"
    assert time.monotonic() - began < 10


def test_a_command_that_closes_its_output_goes_on(box: Box) -> None:
    done = box.run("exec >&- 2>&-; sleep 0.1; exit 6")
    assert done.returncode == 6


def test_a_slow_reader_gets_everything(box: Box) -> None:
    process = box.begin()
    assert process.stdin
    assert process.stdout
    process.stdin.write(frame("seq 100000"))
    process.stdin.close()
    time.sleep(0.3)  # longer than the command takes if nobody holds it back
    assert process.poll() is None
    out = process.stdout.read()
    assert process.wait(20) == 0
    assert others(out) == b"".join(b"%d\n" % number for number in range(1, 100_001))
    process.stdout.close()
    if process.stderr:
        process.stderr.close()


def test_a_reader_that_is_gone_does_not_hold_the_command_up(box: Box) -> None:
    process = box.begin()
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stdin.write(frame("seq 200000; exit 9"))
    process.stdin.close()
    assert process.wait(20) == 9
    process.stderr.close()


def test_a_reader_that_never_reads_does_not_change_how_the_run_ends(box: Box) -> None:
    began = time.monotonic()
    process = box.begin()
    assert process.stdin
    process.stdin.write(frame("exec yes", timeout=1))
    process.stdin.close()
    process.stdin = None
    assert process.wait(30) == 124
    assert time.monotonic() - began < 25
    process.communicate()


def test_last_words_that_nobody_takes_do_not_change_how_the_run_ends(box: Box) -> None:
    """The command prints exactly what fits; the entry's own line no longer does."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(reader, "rb"):
        process = box.begin(stdout=writer)
        os.close(writer)
        assert process.stdin
        process.stdin.write(frame("head -c 4096 /dev/zero; sleep 50", timeout=1))
        process.stdin.close()
        process.stdin = None
        assert process.wait(20) == 124
        process.communicate()


# Alone


class Reader:
    """What comes out of an Output, through a descriptor that stands in for standard output."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "out"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT)
        real = os.write
        monkeypatch.setattr(os, "write", lambda to, data: real(descriptor if to == 1 else to, data))

    def until(self, wanted: bytes) -> bytes:
        end = time.monotonic() + 10
        while wanted not in (found := self.path.read_bytes()):
            assert time.monotonic() < end, found
            time.sleep(0.001)
        return found


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setattr(messages, "_write", messages._plain)  # what `begin` redirects is put back
    return Reader(tmp_path, monkeypatch)


def test_a_line_is_passed_on_at_once(reader: Reader) -> None:
    output = Output(lambda: [TOKEN])
    output.begin()
    for number in range(50):
        os.write(output.descriptor, b"line %d\n" % number)
        assert reader.until(b"line %d\n" % number)  # nothing else has to come first


def test_secrets_are_not_asked_for_by_a_silent_run(reader: Reader) -> None:
    asked = []
    output = Output(lambda: asked.append(1) or [TOKEN])  # type: ignore[func-returns-value]  # noted, then answered
    output.begin()
    messages.say("info", "own words")
    output.finish()
    assert not asked
    assert b"own words" in reader.until(b"own words")


def test_own_words_come_behind_what_was_printed_before(reader: Reader) -> None:
    output = Output(lambda: [TOKEN])
    output.begin()
    for number in range(200):
        os.write(output.descriptor, b"child %d\n" % number)
        messages.say("info", f"own {number}")
    output.finish()
    lines = reader.until(b"own 199").splitlines()
    assert [line.startswith(b"child") for line in lines] == [True, False] * 200


def test_what_is_held_back_goes_out_at_the_end(reader: Reader) -> None:
    output = Output(lambda: [TOKEN])
    output.begin()
    os.write(output.descriptor, b"see canary-01")
    reader.until(b"see ")
    assert reader.path.read_bytes() == b"see "
    output.finish()
    assert reader.path.read_bytes() == b"see canary-01"


def test_somebody_who_writes_on_and_on_is_not_waited_for(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    output = Output(lambda: [TOKEN])
    monkeypatch.setattr(output, "_read", lambda: b"y\n" * 1000)
    output.finish()
    assert LEFT_OVER <= reader.path.stat().st_size < LEFT_OVER + 4000


def test_a_bug_in_the_masking_withholds_and_does_not_leak(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    from alvps.agent import mask

    def broken(self: object, data: bytes) -> bytes:
        raise IndexError("canary")

    monkeypatch.setattr(mask.Masker, "feed", broken)
    output = Output(lambda: [TOKEN])
    output.begin()
    os.write(output.descriptor, b"text with canary\n")
    found = reader.until(b"IndexError")
    assert b"canary" not in found
