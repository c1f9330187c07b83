"""`al push`: from a validated project to a release that serves, or an error that says what serves instead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from dataclasses import replace as replaced
from typing import TYPE_CHECKING, Any

from alvps import __version__, frames
from alvps.errors import HostUnreachable, Problem, PushFailed, UsageError
from alvps.host.manifest import Entry, bucketed, encode
from alvps.push import wanted as wanting
from alvps.push.events import Event, Step, Transfer, Warned
from alvps.push.line import Line
from alvps.push.session import Connection, HostSession
from alvps.push.wanted import Wanted
from alvps.ssh import warm_up

if TYPE_CHECKING:
    from alvps.credentials.store import FileStore
    from alvps.project import Project
    from alvps.project.environment import Environment
    from alvps.push.plan import Plan

Connect = Callable[[], "AbstractContextManager[Connection]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """What came of it. `result`: "live", "unchanged", or "planned" for a dry run; bytes are those on the channel."""

    result: str
    release: str | None
    previous: str | None = None
    plan: Plan | None = None
    bytes_sent: int = 0
    bytes_received: int = 0
    seconds: float = 0.0
    warnings: tuple[Problem, ...] = ()  # what may not work; progress was told of it

    def to_json(self) -> dict[str, Any]:
        """For --json."""
        warnings = [{"where": warning.where, "what": warning.what} for warning in self.warnings]
        return {**asdict(self), "plan": self.plan.to_json() if self.plan else None, "warnings": warnings}


def push(
    project: Project,
    environment: Environment,
    *,
    agent: str | None = None,
    dry_run: bool = False,
    replace: bool = False,
    rebuild: bool = False,
    progress: Callable[[Event], None] = lambda _: None,
    connect: Connect | None = None,
    store: FileStore | None = None,
    layout: dict[str, Any] | None = None,
) -> PushResult:
    """Make the project, or one agent of it, live on the environment's host.

    `connect` opens the connection (default: alvps.ssh as the environment says). `replace`: the host may be running
    another project. `rebuild`: build all images anew. Raises CredentialsMissing and ProjectInvalid before anything is
    contacted; HostUnreachable, HostKeyRefused; HostBusy; UsageError; PushFailed, whose message says which release
    serves now. A connection lost before the switch is HostUnreachable: nothing happened. One lost after it is
    PushFailed: the host decides alone.
    """
    began = time.monotonic()
    # Importing the SSH library takes longer than reading most projects: do both at once. Not a daemon thread: ended in
    # the middle of compiled code, by a project that is refused, it would abort the whole process.
    threading.Thread(target=warm_up, name="al-import").start()
    progress(Step("scan"))
    wanted = wanting.read(project, agent, store=store)
    for warning in wanted.warnings:
        progress(Warned(warning))
    progress(Step("connect", {"host": environment.host}))
    with (
        (connect or _connector(environment))() as connection,
        HostSession(connection, layout=layout, tell=progress) as session,
    ):
        if dry_run:
            result = _dry_run(session, wanted, began, rebuild=rebuild)
        else:
            result = _push(session, wanted, progress, began, replace=replace, rebuild=rebuild)
        return replaced(result, warnings=wanted.warnings)


def pushed_by() -> str:
    """Who pushes: user@laptop."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _dry_run(session: HostSession, wanted: Wanted, began: float, *, rebuild: bool) -> PushResult:
    state, manifest = session.state(wanted.code.digest, wanted.code.requirements)
    if rebuild:
        state["images"] = []  # none that is there counts
    if wanted.scope is not None and state.get("live") is None:
        raise UsageError(
            f"no release is live yet, so agent {wanted.scope} cannot be pushed alone", hint="run `al push`"
        )
    from alvps.push.plan import make

    plan = make(wanted, state, manifest)
    return PushResult(result="planned", release=plan.live, plan=plan, seconds=time.monotonic() - began)


def _push(
    session: HostSession,
    wanted: Wanted,
    progress: Callable[[Event], None],
    began: float,
    *,
    replace: bool,
    rebuild: bool = False,
) -> PushResult:
    line = session.begin(*wanted.hello(by=pushed_by(), version=__version__, replace=replace, rebuild=rebuild))
    try:
        answer, _ = line.receive(progress)
        if answer.get("t") == "want":
            line.start_beats()
            _send_parts(line, wanted, answer)
            answer, blob = line.receive(progress)
            if answer.get("t") == "need":
                _send_contents(line, wanted, blob, progress)
                answer, _ = line.receive(progress)
    except HostUnreachable as error:
        raise _cut(line, error) from error
    return _verdict(answer, line, began)


def _send_parts(line: Line, wanted: Wanted, want: frames.Message) -> None:
    """What the host asked for after comparing digests, in the order that it expects."""
    if wanted.scope is None:
        buckets = bucketed(wanted.entries)
        entries = [entry for number in want["buckets"] for entry in buckets[number]]
        line.send({"t": "entries"}, encode(entries))
    if want["code"]:
        line.send({"t": "code"}, encode(wanted.code.entries))
    if want["credentials"]:
        line.send({"t": "credentials", "items": {name: wanted.values[name] for name in want["credentials"]}})
    if want["bootstrap"]:
        line.send({"t": "bootstrap"}, wanted.bootstrap)


def _send_contents(line: Line, wanted: Wanted, needed: bytes, progress: Callable[[Event], None]) -> None:
    known = {entry.sha256: entry for entry in (*wanted.code.entries, *wanted.entries)}
    hashes = [needed[start : start + 32].hex() for start in range(0, len(needed), 32)]
    entries: list[Entry] = [known[one] for one in hashes if one in known]
    if len(entries) != len(hashes):
        raise PushFailed(f"the host asks for {len(hashes) - len(entries)} files that this project does not have")
    total = sum(entry.size for entry in entries)
    for data, packed in wanting.chunks(wanted, entries, lambda done: progress(Transfer(done, total))):
        line.send({"t": "data", "z": 1} if packed else {"t": "data"}, data)


def _verdict(answer: frames.Message, line: Line, began: float) -> PushResult:
    result, release = answer.get("result"), str(answer.get("release"))
    if result in {"live", "unchanged"}:
        return PushResult(
            result=str(result),
            release=release,
            previous=answer.get("previous"),
            bytes_sent=line.sent,
            bytes_received=line.received,
            seconds=time.monotonic() - began,
        )
    raise not_live(answer)


def not_live(answer: frames.Message) -> PushFailed:
    """The error for a release that did not come up: why, what serves now, and what the services wrote."""
    release, serving = answer.get("release"), answer.get("serving")
    reasons = "; ".join(map(str, answer.get("reasons") or ["no reason was given"]))
    if serving:
        now = f"release {serving} serves again"
    else:
        now = "there is no earlier release, so launcher and daemon were switched off"
    return PushFailed(
        f"release {release} did not come up: {reasons}; {now}",
        hint="`al logs` and `journalctl -u action-llama` on the host show more",
        detail=answer.get("tail") or None,
    )


def _cut(line: Line, error: HostUnreachable) -> PushFailed | HostUnreachable:
    if line.step == "opening":
        return error
    if line.switched:
        text = f"{error.message}, after the switch had begun; the host decides alone whether the new release stays"
        return PushFailed(text, hint="`al releases` shows what is live", detail=error.detail)
    text = f"{error.message}; the live release was not touched"
    return HostUnreachable(text, hint="push again: what already arrived is not sent again", detail=error.detail)


def _connector(environment: Environment) -> Connect:
    def connect_() -> AbstractContextManager[Connection]:
        from alvps.ssh import Target, connect

        target = Target(
            environment.host,
            user=environment.user,
            port=environment.port,
            key_path=environment.key_path,
            known_hosts=environment.known_hosts,
        )
        return connect(target)

    return connect_
