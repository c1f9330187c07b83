"""The steps before and after the work: `[[preflight]]` and hooks, one after the other, each a child with its own time.

`shell` is a command for /bin/sh, `git-clone` an argument vector for git, `http` the program `alvps.agent.fetch`. In the
params, `${VAR}` is replaced from the run's environment, except in a shell's command, where the shell itself does it:
text put into a command could become part of the command. What is said here quotes params as they were written.
"""

# ruff: noqa: PTH100, PTH103, PTH118, PTH120 - pathlib is not imported here, for start-up time
from __future__ import annotations

import json
import os
import re
import sys
import time

from alvps.agent import outcome, stdin, supervise
from alvps.agent.inbox import Step
from alvps.agent.messages import say
from alvps.agent.places import Places

FETCH = os.path.dirname(os.path.abspath(__file__)) + "/fetch." + __file__.rpartition(".")[2]  # .py here, .pyc there
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SHORTHAND = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+?)(?:\.git)?")


class Stopped:
    """Why the run does not go on: a step failed, a signal to end came, or the run's time is over."""

    __slots__ = ("code", "reason", "signal", "timed_out")

    def __init__(self, code: int, reason: str, *, asked: int | None = None, timed_out: bool = False) -> None:
        self.code = code
        self.reason = reason
        self.signal = asked
        self.timed_out = timed_out


class Impossible(Exception):
    """The step's params do not say something that can be done."""


class Prepared:
    """One child: what it runs, what it is told, and where its output goes (None: into the log)."""

    __slots__ = ("command", "output", "stdin")

    def __init__(self, command: list[str], *, stdin: bytes = b"", output: str | None = None) -> None:
        self.command = command
        self.stdin = stdin
        self.output = output


class Steps:
    """Carries out steps with this environment; `output` is the descriptor for what they print.

    `deadline`: when the whole run's time is over, on the monotonic clock. `git_ssh`: git has a key for SSH.
    """

    def __init__(self, env: dict[str, str], places: Places, output: int, deadline: float, *, git_ssh: bool) -> None:
        self._env = {**env, "PWD": places.home}
        self._places = places
        self._output = output
        self._deadline = deadline
        self._git_ssh = git_ssh

    def before(self, steps: list[Step]) -> Stopped | None:
        """All of them, or the reason why the work is not to begin."""
        return self._all(steps, "before", strict=True)

    def after(self, steps: list[Step]) -> Stopped | None:
        """All of them; one that fails is only said."""
        return self._all(steps, "after", strict=False)

    def _all(self, steps: list[Step], when: str, *, strict: bool) -> Stopped | None:
        os.chdir(self._places.home)
        for number, step in enumerate(steps, 1):
            name = f"step {number} of {len(steps)} {when} the work ({step.provider})"
            say("info", f"{name} started")
            ended, why = self._one(step, name)
            if ended and (stopped := self._stopped(ended, name)):
                say("error", stopped.reason)
                return stopped
            if why is None:
                say("info", f"{name} done", seconds=round(ended.seconds, 3) if ended else 0)
                continue
            reason = f"{name} failed: {why}"
            if strict and step.required:
                say("error", reason)
                return Stopped(1, reason)
            say("warn", reason)
        return None

    def _one(self, step: Step, name: str) -> tuple[supervise.Ended | None, str | None]:
        """How the step's child ended, if it came to that, and why the step failed, if it did."""
        missing: dict[str, None] = {}
        try:
            prepared = prepare(step, self._env, self._places, missing, git_ssh=self._git_ssh)
        except Impossible as error:
            return None, str(error)
        finally:
            for variable in missing:
                say("warn", f"{name}: the variable {variable} is not set; ${{{variable}}} is left empty")
        try:
            file = _create(prepared.output) if prepared.output else None
        except OSError as error:
            return None, f"the output file cannot be written: {error.strerror}"
        given = stdin.once(prepared.stdin) if prepared.stdin else stdin.again(b"")
        descriptors = (given, self._output if file is None else file, self._output)
        timeout = min(step.timeout, self._deadline - time.monotonic())
        try:
            ended = supervise.run(prepared.command, self._env, descriptors, timeout, leave=True)
        finally:
            if file is not None:
                os.close(file)
        return ended, _why(ended, step, prepared.command[0])

    def _stopped(self, ended: supervise.Ended, name: str) -> Stopped | None:
        if ended.signal is not None:
            return Stopped(128 + ended.signal, f"{name}: the run was told to end", asked=ended.signal)
        if ended.timed_out and time.monotonic() >= self._deadline:
            return Stopped(outcome.TIMED_OUT, f"{name}: the run's time was over", timed_out=True)
        return None


def prepare(step: Step, env: dict[str, str], places: Places, missing: dict[str, None], *, git_ssh: bool) -> Prepared:
    """What to run. Variables that are not set are put into `missing`. Raises Impossible."""
    command = step.params.get("command") if step.provider == "shell" else None
    params = {key: _replaced(value, env, missing) for key, value in step.params.items() if key != "command"}
    output = _text(params, "output", optional=True)
    if output:
        output = _inside(output, places.home)
    if step.provider == "shell":
        if not isinstance(command, str):
            raise Impossible("command is missing or not text")
        return Prepared(["/bin/sh", "-c", command], output=output or None)
    if step.provider == "git-clone":
        return Prepared(_git(params, ssh=git_ssh))
    request = {**params, "url": _text(params, "url"), "output": output}
    python = [sys.executable, "-I", "-S", "-E", FETCH]
    return Prepared(python, stdin=json.dumps(request).encode())


def _git(params: dict[str, object], *, ssh: bool) -> list[str]:
    repository, folder = _text(params, "repo"), _text(params, "dest")
    if short := _SHORTHAND.fullmatch(repository):
        repository = f"git@github.com:{short[1]}.git" if ssh else f"https://github.com/{short[1]}.git"
    words = ["git", "clone"]
    if params.get("depth") is not None:
        words += ["--depth", str(params["depth"])]
    if branch := _text(params, "branch", optional=True):
        words += [f"--branch={branch}"]
    return [*words, "--", repository, folder]


def _replaced(value: object, env: dict[str, str], missing: dict[str, None]) -> object:
    """The value with every ${VAR} in its texts replaced."""
    if isinstance(value, dict):
        return {key: _replaced(item, env, missing) for key, item in value.items()}
    if not isinstance(value, str):
        return value

    def one(match: re.Match[str]) -> str:
        if match[1] not in env:
            missing[match[1]] = None
        return env.get(match[1], "")

    return _VARIABLE.sub(one, value)


def _text(params: dict[str, object], key: str, *, optional: bool = False) -> str:
    value = params.get(key, "" if optional else None)
    if not isinstance(value, str) or not (value or optional):
        raise Impossible(f"{key} is missing, empty or not text")
    return value


def _inside(path: str, folder: str) -> str:
    """The path made absolute. Raises Impossible when it leaves the folder."""
    found = os.path.normpath(os.path.join(folder, path))
    if not found.startswith(folder + "/"):
        raise Impossible("output is not below /tmp, and nothing else can be written")
    return found


def _create(path: str) -> int:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


def _why(ended: supervise.Ended, step: Step, program: str) -> str | None:
    """Why the step failed, or None."""
    if not ended.started:
        return f"the program {program!r} was not found or cannot be executed"
    if ended.timed_out:
        return f"it was not done after {step.timeout} s"
    return f"it ended with code {ended.code}" if ended.code else None
