"""The first process of an agent's container: read the order, lay out the workspace, run the command, say how it ended.

Started as `python3 -I -S -E /app/lib/alvps/agent/entry.pyc`. The only argument, for tests outside a container, is
a folder to put before every path.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # -I leaves the script's own folder out of sys.path
    sys.path.insert(0, __file__.rsplit("/alvps/", 1)[0])

from alvps.agent import inbox, outcome, supervise, workspace
from alvps.agent.messages import say
from alvps.agent.places import Places


def main(arguments: list[str]) -> int:
    """Run the order on standard input; the exit code (see `alvps.agent.outcome`)."""
    supervise.hold_signals()
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
    try:
        workspace.prepare(order, places)
        env = workspace.environment(order, places, dict(os.environ))
        prompt = _prompt_file(order.prompt)
        os.chdir(places.app)
    except OSError as error:
        say("error", f"not started: the workspace cannot be laid out: {error}")
        return outcome.UNUSABLE
    os.umask(0o022)
    ended = supervise.run(order.command, env, prompt, order.timeout)
    return _conclude(order, ended, places)


def _prompt_file(prompt: bytes) -> int:
    """The prompt as an open file in memory: no pipe that somebody would have to feed while the command runs."""
    descriptor = os.memfd_create("prompt", os.MFD_CLOEXEC)
    left = memoryview(prompt)
    while left:
        left = left[os.write(descriptor, left) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _conclude(order: inbox.Inbox, ended: supervise.Ended, places: Places) -> int:
    program = order.command[0]
    if ended.code == outcome.NOT_FOUND and not ended.seconds:
        say("error", f"the command {program!r} was not found", agent=order.agent, run=order.run)
    elif ended.code == outcome.NOT_EXECUTABLE and not ended.seconds:
        say("error", f"the command {program!r} cannot be executed", agent=order.agent, run=order.run)
    code = outcome.TIMED_OUT if ended.timed_out else outcome.decide(ended.code, places.signals)
    fields: dict[str, object] = {"exit_code": code, "seconds": round(ended.seconds, 3)}
    if code != ended.code:
        fields["command_exit_code"] = ended.code
    if ended.signal is not None:
        fields["signal"] = int(ended.signal)
    if ended.timed_out:
        say("error", f"stopped after {order.timeout} s: the run's time was over", **fields)
    else:
        say("info" if code in (0, outcome.RERUN) else "warn", f"the command ended with code {ended.code}", **fields)
    return code


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # nothing is left to clean up, and process 1 has no time to lose
