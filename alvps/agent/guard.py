"""Keep other processes of the same user out of this one's memory: the keys of the agent's models are in it."""

from __future__ import annotations

PR_SET_DUMPABLE = 4  # linux/prctl.h


def hide() -> bool:
    """Make /proc/self/mem, environ and the rest root's alone, and refuse ptrace. False where there is no such call.

    Programs that are started from here are visible again: exec resets it.
    """
    import ctypes

    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False
