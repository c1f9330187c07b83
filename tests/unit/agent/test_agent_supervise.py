"""Time, signals, and what the command leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import alvps
from tests.support.processes import ends
from tests.unit.agent.agent_run import Box, frame, own

SHORT_GRACES = """
import os, sys
sys.path.insert(0, {root!r})
from alvps.agent import supervise, entry
supervise.GRACE = supervise.TIMEOUT_GRACE = 0.3
os._exit(entry.main([{folder!r}]))
"""


def begin(box: Box, script: str, *, timeout: int = 60, short: bool = False) -> subprocess.Popen[bytes]:
    """A run under way; its script says `up` when it is."""
    if short:
        code = SHORT_GRACES.format(root=str(Path(alvps.__file__).parents[1]), folder=str(box.folder))
        process = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, stderr=-1)
    else:
        process = box.begin()
    assert process.stdin
    assert process.stdout
    process.stdin.write(frame(script, timeout=timeout))
    process.stdin.close()
    process.stdin = None  # communicate would flush it
    line = process.stdout.readline()
    assert line == b"up\n", line
    return process


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT]
)
def test_signals_reach_the_command(box: Box, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    process = begin(box, f"trap 'echo got; exit 33' {name}; echo up; while :; do sleep 0.02; done")
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert b"got\n" in out  # the shell may say on the same pipe which signal ended its `sleep`
    assert process.returncode == 33


def test_a_whole_pipeline_is_told_to_end(box: Box) -> None:
    process = begin(box, "echo up; sleep 50 | sleep 60")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=5)
    assert process.returncode == 128 + signal.SIGTERM
    assert own(out)[-1]["signal"] == signal.SIGTERM


def test_a_command_that_does_not_end_when_told_is_killed(box: Box) -> None:
    process = begin(box, "trap '' TERM; echo up; while :; do sleep 0.02; done", short=True)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    process.communicate(timeout=20)
    assert 0.25 < time.monotonic() - began < 8
    assert process.returncode == 128 + signal.SIGKILL


def test_more_requests_to_end_do_not_postpone_the_end(box: Box) -> None:
    process = begin(box, "trap '' TERM; echo up; while :; do sleep 0.02; done", short=True)
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < 9:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    assert time.monotonic() - began < 8
    process.communicate(timeout=20)


def test_a_signal_before_the_order_is_kept_for_the_command(box: Box) -> None:
    process = box.begin()
    assert process.stdin
    process.stdin.write(frame("sleep 50")[:5])
    process.stdin.flush()
    _until_blocked(process.pid)
    process.send_signal(signal.SIGTERM)
    process.stdin.write(frame("sleep 50")[5:])
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM


def _until_blocked(pid: int) -> None:
    """Wait until the entry holds its signals: Python's own start-up is not under test."""
    for _ in range(500):
        status = Path(f"/proc/{pid}/status").read_text()
        if int(status.split("SigBlk:\t")[1].split()[0], 16):
            return
        time.sleep(0.01)
    raise AssertionError("the entry never held its signals")


def test_the_time_over_is_124_whatever_the_command_says(box: Box) -> None:
    began = time.monotonic()
    done = box.run("trap 'exit 0' TERM; touch \"$AL_SIGNAL_DIR/rerun\"; sleep 60 & wait", timeout=1)
    assert done.returncode == 124
    assert 0.9 < time.monotonic() - began < 4
    assert "time was over" in own(done.stdout)[-1]["msg"]


def test_the_time_over_ends_a_command_that_does_not_listen(box: Box) -> None:
    process = begin(box, "trap '' TERM; echo up; while :; do sleep 0.02; done", timeout=2, short=True)
    began = time.monotonic()
    process.communicate(timeout=20)
    assert process.returncode == 124
    assert time.monotonic() - began < 7  # 2 s and the short grace; with the usual one it would be more


def test_the_time_over_while_it_is_frozen(box: Box) -> None:
    """As by `docker pause`: the wait for a signal is broken off at a moment when its time is over already."""
    process = begin(box, "echo up; sleep 60", timeout=2)
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.1)
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 124
    assert "time was over" in own(out)[-1]["msg"]


def test_what_is_left_in_the_background_ends_with_the_command(box: Box) -> None:
    done = box.run("sleep 100 >/dev/null 2>&1 & echo $!")
    assert done.returncode == 0
    assert ends(int(done.stdout.split()[0]))


def test_the_result_does_not_wait_for_the_background(box: Box) -> None:
    began = time.monotonic()
    box.run("sleep 30 >/dev/null 2>&1 & exit 0")
    assert time.monotonic() - began < 5


def test_many_short_children_do_not_disturb_the_result(box: Box) -> None:
    done = box.run("for i in $(seq 200); do (exit 3) & done; wait; exit 17")
    assert done.returncode == 17


def test_outside_a_container_nothing_else_is_killed(box: Box) -> None:
    bystander = subprocess.Popen(["sleep", "30"])
    try:
        box.run("true")
        assert bystander.poll() is None
        assert os.getpid() != 1
    finally:
        bystander.kill()
        bystander.wait()
