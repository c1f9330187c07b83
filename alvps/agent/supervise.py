"""Process number 1: run a command, reap, forward signals, end it in time, leave nothing behind."""

from __future__ import annotations

import os
import signal
import time

from alvps.agent import outcome

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
ENDING = (signal.SIGTERM, signal.SIGINT)
WATCHED = (*FORWARDED, signal.SIGCHLD)
GRACE = 10.0  # seconds between a request to end and SIGKILL
TIMEOUT_GRACE = 5.0  # the same when the time is over: the daemon's own backstop must come later
# Python ignores these two at its start, and a child would inherit that.
_RESET = (*WATCHED, signal.SIGPIPE, signal.SIGXFSZ)

_left: list[int] = []  # sessions whose first process has ended, and where others may go on


class Ended:
    """How it ended: its code, whether its time was over, which request to end came, whether it ever ran."""

    __slots__ = ("code", "seconds", "signal", "started", "timed_out")

    def __init__(
        self,
        code: int,
        *,
        seconds: float = 0.0,
        timed_out: bool = False,
        asked: int | None = None,
        started: bool = True,
    ) -> None:
        self.code = code
        self.seconds = seconds
        self.timed_out = timed_out
        self.signal = asked
        self.started = started


def hold_signals() -> None:
    """Block every signal that is waited for, from the first moment: one that comes early stays pending.

    As process 1 the kernel drops signals that have neither a handler nor are blocked, so this is also what lets
    them arrive at all.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)


def run(
    command: list[str],
    env: dict[str, str],
    descriptors: tuple[int, int, int],
    timeout: float,
    *,
    leave: bool = False,
) -> Ended:
    """Run the command in a session of its own until it ends, is asked to end, or `timeout` seconds are over.

    `descriptors`: what becomes its standard input, which is closed here, output and error output. `leave`: what it
    leaves running in the background goes on, until `end_all`.
    """
    started = time.monotonic()
    os.environ["PATH"] = env["PATH"]  # where posix_spawnp looks
    try:
        child = os.posix_spawnp(
            command[0],
            command,
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(descriptors)],
            setsid=True,
            setsigmask=(),
            setsigdef=_RESET,
        )
    except (FileNotFoundError, NotADirectoryError):
        return Ended(outcome.NOT_FOUND, started=False)
    except OSError:
        return Ended(outcome.NOT_EXECUTABLE, started=False)
    finally:
        os.close(descriptors[0])
    ended = _watch(child, started, started + timeout)
    if leave:
        _left.append(child)
    else:
        _send(child, signal.SIGKILL)
    return ended


def end_all() -> None:
    """SIGKILL for everything else in the container. Anywhere but in one, only for what was left here."""
    if os.getpid() != 1:
        for session in _left:
            _send(session, signal.SIGKILL)
        return
    try:  # noqa: SIM105 - contextlib is not imported here, for start-up time
        os.kill(-1, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _watch(child: int, started: float, deadline: float) -> Ended:
    timed_out = False
    asked: int | None = None
    kill_at: float | None = None
    while True:
        now = time.monotonic()
        if kill_at is not None and now >= kill_at:
            _send(child, signal.SIGKILL)
            kill_at = None
        elif not timed_out and now >= deadline:
            timed_out = True
            kill_at = min(now + TIMEOUT_GRACE, kill_at or now + TIMEOUT_GRACE)
            _send(child, signal.SIGTERM)
        wake = min(at for at in (kill_at, None if timed_out else deadline, now + 3600.0) if at is not None)
        info = signal.sigtimedwait(WATCHED, max(0.0, wake - now))
        # Stopped and continued over its end (a frozen container), Python's wait returns memory instead of None.
        if info is None or info.si_signo not in WATCHED:
            continue
        if info.si_signo == signal.SIGCHLD:
            status = _reap(child)
            if status is not None:
                seconds = time.monotonic() - started
                return Ended(outcome.of_status(status), seconds=seconds, timed_out=timed_out, asked=asked)
            continue
        _send(child, info.si_signo)
        if info.si_signo in ENDING and asked is None:
            asked = info.si_signo
            kill_at = min(time.monotonic() + GRACE, kill_at or time.monotonic() + GRACE)


def _reap(child: int) -> int | None:
    """Collect every process that has ended; the child's wait status if it was among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            found = status


def _send(child: int, number: int) -> None:
    try:  # noqa: SIM105 - contextlib is not imported here, for start-up time
        os.killpg(child, number)  # a session's leader leads a group of the same number
    except ProcessLookupError:
        pass
