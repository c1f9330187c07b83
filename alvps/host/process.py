"""Running another program: its lines as they come, a bound on its time, and its end when the laptop leaves."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, NamedTuple

from alvps.host.life import Life

if TYPE_CHECKING:
    import subprocess

TAIL_LINES = 40
_MAX_LINE = 4096


class ProgramFailed(Exception):
    """A program ended with another code than 0, was not there, or took too long; `tail` is its last lines."""

    def __init__(self, message: str, tail: str = "") -> None:
        super().__init__(message)
        self.tail = tail


class Result(NamedTuple):
    """How a program ended: exit code (-1 when it took too long) and the last lines of its output."""

    code: int
    tail: str
    output: bytes


def run(
    argv: Sequence[str],
    *,
    life: Life | None = None,
    timeout: float,
    feed: Callable[[IO[bytes]], None] | None = None,
    environ: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    check: bool = True,
    merge: bool = True,
) -> Result:
    """Run a program to its end in a process group of its own.

    `timeout` is in seconds. `feed` writes the program's standard input, in a thread of its own. With `merge`, standard
    error is part of the output; without, it only shows in the tail.
    Raises ProgramFailed if `check` and the code is not 0, or the program does not exist; life.Gone if the laptop left.
    """
    if life is not None:
        life.check()
    import subprocess  # 5 ms that a push of nothing new does not need

    if not find(argv[0]):
        raise ProgramFailed(f"there is no program {argv[0]!r} on the host")
    child = subprocess.Popen(
        [*dies_with_us(), *argv],
        stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if merge else subprocess.PIPE,
        start_new_session=True,
        env=None if environ is None else {**os.environ, **environ},
    )
    if life is not None:
        life.adopt(child.pid)
    late = threading.Event()
    timer = threading.Timer(timeout, _give_up, (child.pid, late))
    timer.daemon = True
    timer.start()
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    output = bytearray()
    pumps = _start_pumps(child, tail, output, on_line, feed)
    # Wait without reaping: until `dismiss`, nobody else can have this process number.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    timer.cancel()
    if life is not None:
        life.dismiss(child.pid)
    code = child.wait()
    for pump in pumps:
        pump.join(2.0)  # a grandchild may hold the pipe open for ever
    if life is not None:
        life.check()
    result = Result(-1 if late.is_set() else code, "\n".join(tail), bytes(output))
    if check and result.code != 0:
        how = f"took longer than {timeout:.0f} s" if late.is_set() else f"ended with {_code_text(code)}"
        raise ProgramFailed(f"{argv[0].rpartition('/')[2]} {how}", result.tail)
    return result


def _start_pumps(
    child: subprocess.Popen[bytes],
    tail: deque[str],
    output: bytearray,
    on_line: Callable[[str], None] | None,
    feed: Callable[[IO[bytes]], None] | None,
) -> list[threading.Thread]:
    """Threads that empty the child's outputs and fill its input: none of them may hold up another."""
    if feed is not None and child.stdin is not None:
        threading.Thread(target=_feed, args=(child.stdin, feed), daemon=True).start()
    pumps = []
    if child.stdout is not None:
        pumps.append(threading.Thread(target=_pump, args=(child.stdout, tail, output, on_line), daemon=True))
    if child.stderr is not None:
        pumps.append(threading.Thread(target=_pump, args=(child.stderr, tail, None, on_line), daemon=True))
    for pump in pumps:
        pump.start()
    return pumps


def find(program: str) -> str | None:
    """Where a program is, or None."""
    if "/" in program:
        return program if os.access(program, os.X_OK) else None
    for folder in os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").split(":"):
        if os.access(f"{folder}/{program}", os.X_OK):
            return f"{folder}/{program}"
    return None


def dies_with_us() -> list[str]:
    """A prefix that has the kernel end the child when we are killed: else a build goes on beside the next push."""
    setpriv = find("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _give_up(pid: int, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _pump(stream: IO[bytes], tail: deque[str], output: bytearray | None, on_line: Callable[[str], None] | None) -> None:
    with stream:
        for raw in stream:
            if output is not None and len(output) < 16 << 20:
                output += raw
            line = raw.decode(errors="replace").rstrip("\r\n")[:_MAX_LINE]
            tail.append(line)
            if on_line is not None:
                on_line(line)


def _feed(pipe: IO[bytes], feed: Callable[[IO[bytes]], None]) -> None:
    try:
        with pipe:
            feed(pipe)
    except (BrokenPipeError, ConnectionError):
        pass  # the program ended early; its own code and output say why


def _code_text(code: int) -> str:
    if code >= 0:
        return f"code {code}"
    return f"signal {signal.Signals(-code).name}"
