"""What the routes of the control API do, and the shapes of what they are sent and answer."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from alvps.daemon import views
from alvps.daemon.operator import Operator
from alvps.gateway.fields import Count, Like, Text
from alvps.gateway.routes import Accepted, Unavailable
from alvps.gateway.sessions import TICKET_FOR, Sessions
from alvps.logs.page import CURSOR, Ask

MAX_PROMPT = 256 << 10  # bytes of UTF-8
MAX_NAME = 256  # bytes of UTF-8
MAX_PATH = 4096  # bytes of UTF-8
MAX_WAIT = 3600  # seconds
MAX_LIST = 1000
AGENT = "(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*"
RUN = "[a-z0-9]{10,26}"
LOG_LINES = 50  # that are given unless more are asked for
LIST = 20  # what is given of a list unless more is asked for


class ReadyQuery(TypedDict):
    """The release that is meant; null: the active one."""

    release: Annotated[str | None, Text(MAX_NAME)]


class Readiness(TypedDict):
    """Whether runs of a release could start now, and all that keeps them from it. `release` is the active one."""

    ready: bool
    release: str
    reasons: list[str]


class RunsQuery(TypedDict):
    """Which runs."""

    agent: Annotated[str | None, Text(MAX_NAME)]
    limit: Annotated[int, Count(LIST, MAX_LIST)]


class Runs(TypedDict):
    """Runs, the newest first."""

    runs: list[views.Run]


class WaitQuery(TypedDict):
    """How many seconds to wait for the end of a run."""

    wait: Annotated[int, Count(0, MAX_WAIT)]


class WhyQuery(TypedDict):
    """How many decisions."""

    limit: Annotated[int, Count(LIST, MAX_LIST)]


class Locks(TypedDict):
    """Locks that are held."""

    locks: list[views.HeldLock]


class LogsQuery(TypedDict):
    """Which lines: after `cursor`, or the last ones. With a limit of 0 none, but a cursor to go on from."""

    agent: Annotated[str | None, Like(AGENT)]
    run: Annotated[str | None, Like(RUN)]
    component: Literal["agent", "daemon", "launcher"] | None
    cursor: Annotated[str | None, Like(CURSOR)]
    limit: Annotated[int, Count(LOG_LINES, MAX_LIST)]


class StartBody(TypedDict):
    """Whom to start, and what to tell him."""

    agent: Annotated[str, Text(MAX_NAME)]
    prompt: Annotated[str | None, Text(MAX_PROMPT)]


class Started(TypedDict):
    """A run that is queued."""

    run: str


class RunKilled(TypedDict):
    """A run and its state: "killed" if it only waited, "stopping", or the one in which it ended before."""

    run: str
    state: str


class AgentKilled(TypedDict):
    """An agent, and the runs of it that end."""

    agent: str
    killed: list[str]


class Paused(TypedDict):
    """Whether everything is paused."""

    paused: bool


class AgentPaused(TypedDict):
    """Whether an agent is paused."""

    agent: str
    paused: bool


class ReloadBody(TypedDict):
    """The release to go over to: the one that `current` points to."""

    release: Annotated[str, Text(MAX_NAME)]


class Reloaded(TypedDict):
    """The release that is active now."""

    release: str
    ready: Literal[True]


class Stopping(TypedDict):
    """The daemon ends; so many runs go on."""

    stopping: Literal[True]
    running: int


class BackupBody(TypedDict):
    """Where to; null: a new file in the folder `backups` beside the store."""

    path: Annotated[str | None, Text(MAX_PATH)]


class Copied(TypedDict):
    """The copy."""

    path: str
    bytes: int


class Ticket(TypedDict):
    """What `POST /login` of the dashboard takes, once, for so many seconds."""

    ticket: str
    seconds: int


async def status(operator: Operator) -> views.Status:
    """Everything that `al status` shows: agents, when each runs next, what runs, what is wrong."""
    return await operator.status()


async def ready(operator: Operator, query: ReadyQuery) -> Readiness | Unavailable[Readiness]:
    """Whether runs could start: the release, the database, the launcher, Docker, images and credentials."""
    active, reasons = await operator.readiness(query["release"])
    found: Readiness = {"ready": not reasons, "release": active, "reasons": reasons}
    return Unavailable(found) if reasons else found


async def list_runs(operator: Operator, query: RunsQuery) -> Runs:
    """The newest runs, of all agents or of one."""
    return {"runs": await operator.runs(query["agent"], query["limit"])}


async def one_run(operator: Operator, run: str, query: WaitQuery) -> views.RunWithUsage:
    """One run; with `wait`, as soon as it has ended, or as it is after so many seconds."""
    return await operator.run(run, query["wait"])


async def why(operator: Operator, name: str, query: WhyQuery) -> views.Why:
    """Why an agent ran, or did not: the last decisions about it."""
    return await operator.why(name, query["limit"])


async def locks(operator: Operator) -> Locks:
    """All locks that runs hold."""
    return {"locks": await operator.locks()}


async def logs(operator: Operator, query: LogsQuery) -> views.LogPage:
    """The log of agents, daemon and launcher: what came after `cursor`, or the last lines, the oldest first."""
    asked = Ask(
        agent=query["agent"],
        run=query["run"],
        component=query["component"],
        cursor=query["cursor"],
        limit=query["limit"],
    )
    return await operator.log.page(asked)


async def start(operator: Operator, body: StartBody) -> Accepted[Started]:
    """Queue a run of an agent, as `al run` does."""
    return Accepted({"run": await operator.start(body["agent"], body["prompt"])})


async def kill(operator: Operator, run: str) -> RunKilled:
    """End a run."""
    return {"run": run, "state": await operator.kill(run)}


async def kill_agent(operator: Operator, name: str) -> AgentKilled:
    """End all runs of an agent, those that wait too."""
    return {"agent": name, "killed": await operator.kill_agent(name)}


async def pause_agent(operator: Operator, name: str) -> AgentPaused:
    """Start no more runs of an agent; those under way are left alone."""
    await operator.pause(name)
    return {"agent": name, "paused": True}


async def resume_agent(operator: Operator, name: str) -> AgentPaused:
    """Start runs of an agent again."""
    await operator.resume(name)
    return {"agent": name, "paused": False}


async def pause(operator: Operator) -> Paused:
    """Start no more runs; those under way are left alone."""
    await operator.pause(None)
    return {"paused": True}


async def resume(operator: Operator) -> Paused:
    """Start runs again."""
    await operator.resume(None)
    return {"paused": False}


async def reload(operator: Operator, body: ReloadBody) -> Reloaded:
    """Go over to the release that `current` points to, without a restart. A push asks for it."""
    await operator.reload(body["release"])
    return {"release": body["release"], "ready": True}


async def stop(operator: Operator) -> Accepted[Stopping]:
    """End the daemon as SIGTERM does: runs go on, nothing is lost. On a host systemd starts it again; see `al stop`."""
    return Accepted({"stopping": True, "running": operator.stop()})


async def backup(operator: Operator, body: BackupBody) -> Copied:
    """Copy the database as it is now, under load too."""
    path, size = await operator.backup(body["path"])
    return {"path": path, "bytes": size}


async def ticket(sessions: Sessions) -> Ticket:
    """A ticket for the dashboard, good for one login within a minute."""
    return {"ticket": sessions.ticket(), "seconds": int(TICKET_FOR)}
