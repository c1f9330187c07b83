"""Why a session ends before its work is done: an exit code and a sentence for the person who reads the run."""

from __future__ import annotations

FAILED = 1  # a limit was reached, permissions are missing, the context cannot be made smaller
AUTH = 10  # the provider refused the key
RATE_LIMITED = 12  # every model is rate limited or down
CONFIG = 13  # what was asked for cannot be: an unknown model, an option that the provider does not have
STOPPED = 143  # 128 + SIGTERM: asked to end


class Ended(Exception):
    """Raised anywhere below the loop; `reason` is what the run's result says."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
