"""Run one shell command: in a session and process group of its own, with a time limit and bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass

from alvps.agent.session.shown import Capture

DRAIN = 0.3  # seconds to wait for the last output once the shell has ended and something still holds the pipe
_CHUNK = 1 << 16

# Groups whose leader still runs: on SIGTERM nothing of them may be left behind.
_running: set[int] = set()


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended: its code as a shell has it, its output (both streams, in order), whether time was over."""

    code: int
    output: Capture
    timed_out: bool = False


async def run(command: str, *, timeout: float, cwd: str, env: dict[str, str], merge: bool = True) -> Result:
    """Run the command with the image's bash (or sh). On time-out its whole process group is killed.

    With `merge` false only standard output is captured and standard error is dropped. Raises OSError when no shell
    can be started.
    """
    read_end, write_end = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            _shell(),
            "-c",
            command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end if merge else asyncio.subprocess.DEVNULL,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    _running.add(process.pid)
    output = Capture()
    done = _collect(read_end, output)
    timed_out = False
    try:
        try:
            code = await asyncio.wait_for(process.wait(), timeout)
        except asyncio.TimeoutError:
            timed_out = True
            _kill(process.pid)
            code = await process.wait()
    except asyncio.CancelledError:
        _kill(process.pid)
        await process.wait()
        raise
    finally:
        _running.discard(process.pid)
    # What the command left in the background may hold the pipe for ever: its later output is read and dropped.
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(done), DRAIN)
    # A copy: later output of background processes must not change a result that was given.
    return Result(code if code >= 0 else 128 - code, output.copy(), timed_out)


def kill_all() -> None:
    """SIGKILL for every process group that a command of this session leads."""
    for pid in list(_running):
        _kill(pid)


def _collect(read_end: int, output: Capture) -> asyncio.Future[None]:
    """Read the pipe into `output` until its last writer is gone; the future is done then."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    os.set_blocking(read_end, False)

    def readable() -> None:
        try:
            data = os.read(read_end, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            output.feed(data)
            return
        loop.remove_reader(read_end)
        os.close(read_end)
        if not done.done():
            done.set_result(None)

    loop.add_reader(read_end, readable)
    return done


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # the shell leads a session, so its group has its number


def _shell() -> str:
    return "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"  # noqa: PTH110 - pathlib costs start-up time
