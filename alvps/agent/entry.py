"""The first process of an agent's container: read the order, lay out the workspace, do the work, say how it ended.

Started as `python3 -I -S -E /app/lib/alvps/agent/entry.pyc`. The only argument, for tests outside a container, is
a folder to put before every path.
"""

from __future__ import annotations

import os
import sys
import time

if __name__ == "__main__":  # -I leaves the script's own folder out of sys.path
    sys.path.insert(0, __file__.rsplit("/alvps/", 1)[0])

from alvps.agent import inbox, outcome, workspace
from alvps.agent.course import Course
from alvps.agent.messages import say
from alvps.agent.output import Output
from alvps.agent.places import Places
from alvps.agent.supervise import hold_signals


def main(arguments: list[str]) -> int:
    """Carry out the order on standard input; the exit code (see `alvps.agent.outcome`)."""
    hold_signals()
    os.umask(0o077)
    places = Places(arguments[0] if arguments else "")
    try:
        order = inbox.read(0)
    except inbox.Incomplete as error:
        say("warn", f"never started: {error}")
        return outcome.NEVER_STARTED
    except inbox.Unusable as error:
        say("error", f"not started: {error}")
        return outcome.UNUSABLE
    deadline = time.monotonic() + order.timeout
    if order.harness == "llm":  # the models' keys are not the agent's, and its shell has this user
        from alvps.agent import guard

        guard.hide()
    try:
        workspace.prepare(order, places)
        env = workspace.environment(order, places, dict(os.environ))
        os.chdir(places.app)
    except OSError as error:
        say("error", f"not started: the workspace cannot be laid out: {error}")
        return outcome.UNUSABLE
    os.umask(0o022)
    output = Output(order.secrets)
    output.begin()
    return Course(order, places, env, output, deadline).run()


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # nothing is left to clean up, and process 1 has no time to lose
