"""Making a release live, finding out whether it serves, and going back to the old one if it does not.

`pending.json` exists exactly while this is undecided. It is written before the first change and removed after the last,
so whoever finds it (after a power cut, or a kill) knows what to go back to.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any, NamedTuple

from alvps.host import control, credentials, fsio, process, releases, serving, units
from alvps.host.layout import Layout
from alvps.host.releases import Release
from alvps.host.work import Work

LIVE, ROLLED_BACK, SWITCHED_OFF = "live", "rolled-back", "switched-off"


class Verdict(NamedTuple):
    """How it ended: which release serves now, why the new one does not, and what the services wrote."""

    result: str
    serving: str | None
    reasons: list[str]
    tail: str
    seconds: float


class _NotServing(Exception):
    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def activate(work: Work, new: Release, new_set: str | None) -> Verdict:
    """Switch to a release that lies complete under releases/. Nobody's leaving stops this once it has begun.

    Raises Gone if the laptop left before.
    """
    layout = work.layout
    old, old_set = releases.live(layout), credentials.current(layout)
    work.step("switch")
    work.life.pass_point_of_no_return()
    began, since = time.monotonic(), work.now()
    pending = {
        "new": new.id,
        "old": old.id if old else None,
        "since": releases.iso(since),
        "since_seconds": since,
        "new_credentials": new_set,
        "old_credentials": old_set,
    }
    # If even this cannot be written (a full disk), nothing has changed yet.
    fsio.write_json(layout.at("pending.json"), pending, 0o600)
    try:
        installed, restart = _switch(work, new, old, new_set, began)
        work.step("verify", restart=restart)
        _serve(work, new, installed, restart=restart, deadline=began + layout.verdict_seconds)
    except (_NotServing, process.ProgramFailed, OSError) as error:
        reasons = error.reasons if isinstance(error, _NotServing) else [str(error)]
        work.step("go back", reasons=reasons)
        tail = units.journal_tail(layout, since)
        verdict = _go_back(work, pending, reasons, tail, began)
    else:
        verdict = Verdict(LIVE, new.id, [], "", time.monotonic() - began)
    work.step("decided")
    fsio.remove_file(layout.at("pending.json"))
    note_last(work, new.id, verdict.result)
    return verdict


def resolve(work: Work) -> str | None:
    """Decide what an interrupted switch left open; to be called under the lock. Returns what was done, for a person."""
    layout = work.layout
    pending = fsio.read_json(layout.at("pending.json"))
    if pending is None:
        fsio.remove_file(layout.at("pending.json"))  # a torn one: it is written before anything else changes
        return None
    work.step("resolve")
    new, live = str(pending.get("new")), releases.live(layout)
    if live is not None and live.id == new and _comes_up(layout, new):
        text = f"an earlier push was interrupted after its switch; {new} serves and stays"
    else:
        _go_back(work, pending, [], "", time.monotonic())
        text = f"an earlier push of {new} was interrupted; {pending.get('old') or 'nothing'} serves again"
    fsio.remove_file(layout.at("pending.json"))
    return text


def note_last(work: Work, release: str, result: str) -> None:
    """Keep for `al doctor` how the last push ended."""
    facts = {"release": release, "result": result, "at": releases.iso(work.now()), "by": work.by}
    # Only a note: a full disk must not turn a good push into a bad one.
    with contextlib.suppress(OSError):
        fsio.write_json(work.layout.at("last-push.json"), facts)


def _switch(work: Work, new: Release, old: Release | None, new_set: str | None, began: float) -> tuple[list[str], bool]:
    """Put units, credentials and the link in place.

    Returns the units that were installed, and whether the services must be started anew.
    """
    layout = work.layout
    left = layout.verdict_seconds - (time.monotonic() - began)
    installed = units.install(layout, new.text("code_digest"), deadline_in=left)
    if old is None and not installed:
        units.enable(layout)  # a first release that failed was disabled
    work.step("switch credentials")
    credentials.use(layout, new_set)
    work.step("switch release")
    fsio.replace_link(layout.at("current"), f"releases/{new.id}")
    same = old is not None and all(old.text(key) == new.text(key) for key in ("code_digest", "venv_digest"))
    return installed, bool(installed) or not same or not serving.daemon_answers(layout)


def _serve(work: Work, release: Release, installed: list[str], *, restart: bool, deadline: float) -> None:
    """Have the services take up a release and wait until they serve it. Raises _NotServing, ProgramFailed."""
    layout = work.layout
    if restart:
        units.restart(layout, installed, timeout=max(0.1, deadline - time.monotonic()))
    else:
        try:
            timeout = max(0.1, deadline - time.monotonic())
            status, answer = control.request(
                layout.control, "POST", "/reload", {"release": release.id}, timeout=timeout
            )
        except control.NoAnswer as error:
            raise _NotServing([str(error)]) from error
        if status != 200:
            raise _NotServing(_reasons(status, answer))
    reasons = serving.wait_ready(layout, release.id, deadline)
    if reasons:
        raise _NotServing(reasons)


def _comes_up(layout: Layout, release: str) -> bool:
    """Whether the daemon serves that release, giving it time if it is just starting after a reboot."""
    if not serving.daemon_answers(layout) and units.states(layout).get(units.DAEMON) in {"inactive", "failed"}:
        return False
    return not serving.wait_ready(layout, release, time.monotonic() + layout.verdict_seconds)


def _go_back(work: Work, pending: dict[str, Any], reasons: list[str], tail: str, began: float) -> Verdict:
    """Everything as `pending` says it was. Does as much as it can: an error of one step does not skip the others."""
    layout = work.layout
    old = releases.get(layout, str(pending.get("old")))
    old_set = pending.get("old_credentials")
    errors = list(reasons)
    if old is None:
        units.stop(layout)
        fsio.remove_file(layout.at("current"))
        credentials.use(layout, old_set)
        return Verdict(SWITCHED_OFF, None, errors, tail, time.monotonic() - began)
    deadline = time.monotonic() + layout.return_seconds
    new = releases.get(layout, str(pending.get("new")))
    same = new is not None and all(old.text(key) == new.text(key) for key in ("code_digest", "venv_digest"))
    fsio.replace_link(layout.at("current"), f"releases/{old.id}")
    credentials.use(layout, old_set)
    try:
        installed = units.install(layout, old.text("code_digest"), deadline_in=layout.return_seconds)
        # A daemon that refused to reload still serves the old release: then there is nothing to start anew.
        if installed or not same or serving.ready(layout, old.id):
            restart = bool(installed) or not same or not serving.daemon_answers(layout)
            try:
                _serve(work, old, installed, restart=restart, deadline=deadline)
            except _NotServing:
                if restart:
                    raise
                _serve(work, old, installed, restart=True, deadline=deadline)
    except (_NotServing, process.ProgramFailed, OSError) as error:
        errors.append(f"and the old release {old.id} is live again but not ready: {error}")
    return Verdict(ROLLED_BACK, old.id, errors, tail, time.monotonic() - began)


def _reasons(status: int, answer: Any) -> list[str]:
    if isinstance(answer, dict):
        if isinstance(answer.get("reasons"), list) and answer["reasons"]:
            return [str(reason) for reason in answer["reasons"]]
        if "error" in answer:
            return [str(answer["error"])]
    return [f"the daemon answered {status} to the reload"]
