"""python -I -m alvps.agent.session: one session, from the order on standard input to an exit code.

0 done · 1 a limit, missing permissions, a refusal · 10 the provider refused the key · 12 every model rate limited or
down · 13 what was asked for cannot be · 143 asked to end (SIGTERM)
"""

from __future__ import annotations

import gc
import os
import sys

gc.disable()  # collecting while thousands of modules are loaded takes a third of the start, and frees nothing

from alvps.agent import guard  # noqa: E402 - the line above must come first


def main() -> int:
    """Read the order, run it; the exit code."""
    guard.hide()
    document = _standard_input()
    from alvps.agent.session import order, run

    try:
        given = order.parse(document)
    except order.Unusable as error:
        from alvps.agent.messages import say

        say("error", f"the session cannot start: {error}")
        return 13
    folder = os.getcwd()  # noqa: PTH109 - pathlib costs start-up time
    return run.run(given, folder=folder, environ=dict(os.environ))


def _standard_input() -> bytes:
    """All of it. Then standard input is /dev/null: the document has keys, and children inherit descriptors 0 to 2."""
    parts: list[bytes] = []
    while part := os.read(0, 1 << 20):
        parts.append(part)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return b"".join(parts)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # nothing is left to clean up, and tearing down thousands of modules takes a while
