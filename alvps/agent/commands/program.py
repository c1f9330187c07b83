"""One command from its start to its end: which one it is by the name it was called by; its line, its exit code."""

from __future__ import annotations

import os

from alvps.agent.commands import replies, streams
from alvps.agent.commands.failure import DONE, OTHER, Failure

INTERRUPTED = 130  # as a shell has it
_USAGE = {
    "al-rerun": "al-rerun",
    "al-status": "al-status TEXT...",
    "al-return": "al-return [VALUE...]   (without VALUE: standard input)",
    "al-exit": "al-exit [CODE]   (0 to 255; 15 if none is given)",
    "al-shutdown": "al-shutdown [REASON...]",
    "al-call": "al-call AGENT [CONTEXT...]   (without CONTEXT: standard input)",
    "al-check": "al-check ID",
    "al-wait": "al-wait ID... [--timeout SECONDS]   (900 s if not given)",
    "rlock": "rlock KEY",
    "runlock": "runlock KEY",
    "rlock-heartbeat": "rlock-heartbeat KEY",
}
# What these three are called where agents have a SKILL.md.
_ALIASES = {"al-subagent": "al-call", "al-subagent-check": "al-check", "al-subagent-wait": "al-wait"}


def main(name: str, arguments: list[str]) -> None:
    """Run the command of this name and end the process."""
    streams.begin(name)
    command = _ALIASES.get(name, name)
    usage = _USAGE[command].replace(command, name, 1)
    if arguments in (["--help"], ["-h"]):
        streams.answer(f"usage: {usage}".encode())
        os._exit(DONE)
    try:
        code, line = _run(command, usage, arguments)
    except Failure as failure:
        code, line = failure.code, replies.failure(failure.reason)
        streams.say(failure.note)
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001  # Python would end with 1, which says that somebody else has the lock
        code, line = OTHER, replies.failure(f"a bug in {name}: {type(error).__name__}: {error}")
        streams.say(f"a bug, please report it: {type(error).__name__}: {error}")
    written = streams.answer(line)
    os._exit(code if written or code != DONE else OTHER)  # nothing is left to clean up


def _run(command: str, usage: str, arguments: list[str]) -> tuple[int, bytes]:
    """Only the module that is needed is imported."""
    if command in {"rlock", "runlock", "rlock-heartbeat"}:
        from alvps.agent.commands import locks

        action = {"rlock": locks.acquire, "runlock": locks.release, "rlock-heartbeat": locks.heartbeat}[command]
    elif command in {"al-call", "al-check"}:
        from alvps.agent.commands import calls

        action = {"al-call": calls.call, "al-check": calls.check}[command]
    elif command == "al-wait":
        from alvps.agent.commands import wait

        action = wait.wait
    else:
        from alvps.agent.commands import signals

        action = {
            "al-rerun": signals.rerun,
            "al-status": signals.status,
            "al-return": signals.give_back,
            "al-exit": signals.end,
            "al-shutdown": signals.shutdown,
        }[command]
    return action(usage, arguments)
