"""Which exit code does a run end with?

0          completed            42    run again (al-rerun)          124   its time was over
1          the work was not begun, because a step before it failed
120        never started: the frame was incomplete; starting it again is safe
121        not started: the frame was whole but could not be used; starting it again would not help
126, 127   the command cannot be executed, was not found (as a shell has it)
128 + n    ended by signal n
others     the command's own, or the number in the signal file `exit`
"""

from __future__ import annotations

import os
import stat

RERUN = 42
NEVER_STARTED = 120
UNUSABLE = 121
TIMED_OUT = 124
NOT_EXECUTABLE = 126
NOT_FOUND = 127
OWN = (NEVER_STARTED, UNUSABLE)  # a command that ends with one of these must not look as if it had never run
MAX_RETURN = 1 << 20  # bytes; the gateway takes no more
_MAX_NUMBER = 64  # bytes


def of_status(status: int) -> int:
    """The code for a wait status, as a shell has it."""
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def decide(command_code: int, signals: str, *, failed_stays: bool = False) -> int:
    """The run's code: the signal file `exit` before `rerun` before the command's own.

    `failed_stays`: whoever failed is not run again, even if it asked for that before.
    """
    wanted = _exit_file(signals + "/exit")
    if wanted is not None:
        code = wanted
    elif os.path.lexists(signals + "/rerun") and not (failed_stays and command_code):
        code = RERUN
    else:
        code = command_code
    return 1 if code in OWN else code


def returned(signals: str) -> bytes | None:
    """What the signal file `return` holds, up to one byte over `MAX_RETURN`; None if there is none."""
    return _content(signals + "/return", MAX_RETURN + 1)


def _exit_file(path: str) -> int | None:
    """The whole number 0 to 255 in the file, else None."""
    text = (_content(path, _MAX_NUMBER) or b"").strip()
    return int(text) if text.isdigit() and int(text) <= 255 else None


def _content(path: str, most: int) -> bytes | None:
    """The first bytes of a file. The agent owns the folder: links, pipes and floods are met."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, most) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(descriptor)
