"""What an ended container means for its run. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from alvps.store.runs import Run

RERUN = 42
NEVER_STARTED = 120
TIMED_OUT = 124
ATTEMPTS = 3
MAY_RERUN = ("schedule", "manual")
# What agents say with `al-exit`; docs/exit-codes.md has them for the users.
WORDS = {
    1: "error",
    10: "authentication",
    11: "permission",
    12: "rate limited",
    13: "configuration",
    14: "dependency",
    15: "unrecoverable",
    16: "ended by a user",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How the container of one attempt ended. `finished` in milliseconds since 1970."""

    exit_code: int
    oom: bool = False
    finished: int | None = None


@dataclass(frozen=True, slots=True)
class Vanished:
    """There is no container although there was one."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The run's next state. `state` 'starting' asks for another attempt; `rerun` for another run."""

    state: str
    exit_code: int | None = None
    reason: str | None = None
    rerun: bool = False


def verdict(end: Exit | Vanished, run: Run, *, max_reruns: int) -> Verdict:
    """Which state the run is in now that its container has ended."""
    code = end.exit_code if isinstance(end, Exit) else None
    if run.stop:
        return Verdict(state=run.stop, exit_code=code, reason=_why_stopped(run))
    if isinstance(end, Vanished):
        return Verdict(state="lost", reason=end.reason)
    special = {RERUN: _rerun(run, max_reruns), NEVER_STARTED: _again(run)}
    if end.exit_code in special:
        return special[end.exit_code]
    if end.exit_code == 0:
        return Verdict(state="completed", exit_code=code)
    if end.exit_code == TIMED_OUT:
        return Verdict(state="timed-out", exit_code=code, reason=_ran_out_of_time(run))
    return Verdict(state="failed", exit_code=code, reason=_why_failed(end, run))


def _again(run: Run) -> Verdict:
    if run.attempt < ATTEMPTS:
        return Verdict(state="starting", reason=f"attempt {run.attempt} ended before the work began")
    reason = f"{run.attempt} attempts ended before the work began"
    return Verdict(state="failed", exit_code=NEVER_STARTED, reason=reason)


def _why_failed(end: Exit, run: Run) -> str:
    if end.oom:
        return "it needed more memory than its limit"
    word = f"signal {end.exit_code - 128}" if 128 < end.exit_code <= 192 else WORDS.get(end.exit_code)
    fault = f": {run.fault}" if run.fault else ""
    return f"exit code {end.exit_code}{f' ({word})' if word else ''}{fault}"


def _rerun(run: Run, max_reruns: int) -> Verdict:
    if run.trigger not in MAY_RERUN:
        article = "an" if run.trigger.startswith(tuple("aeiou")) else "a"
        return Verdict(state="rerun", exit_code=RERUN, reason=f"{article} {run.trigger} run is not run again")
    if run.reruns >= max_reruns:
        return Verdict(state="rerun", exit_code=RERUN, reason=f"asked to run again, but the limit is {max_reruns}")
    return Verdict(state="rerun", exit_code=RERUN, reason="asked to run again", rerun=True)


def _why_stopped(run: Run) -> str:
    if run.stop_reason:
        return run.stop_reason
    return "killed by request" if run.stop == "killed" else f"{_ran_out_of_time(run)}; it had to be stopped"


def _ran_out_of_time(run: Run) -> str:
    return f"not done within {run.timeout} s" if run.timeout else "not done in time"
