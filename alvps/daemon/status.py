"""What `al status`, `systemctl status` and the readiness question are told."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal, cast, overload

from alvps.daemon import views
from alvps.daemon.engine import Engine
from alvps.daemon.spending import MICRO
from alvps.daemon.ticker import Ticker
from alvps.daemon.views import Time
from alvps.store import pauses
from alvps.store.history import Cause, Last, last_of
from alvps.store.locks import Lock
from alvps.store.runs import Run
from alvps.store.ticks import Decision
from alvps.store.usage import Spent, Usage


@overload
def iso(ms: int) -> Time: ...


@overload
def iso(ms: int | None) -> Time | None: ...


def iso(ms: int | None) -> Time | None:
    """Milliseconds since 1970 as ISO 8601 with Z; whole seconds, for people and for scripts."""
    if ms is None:
        return None
    return Time(datetime.fromtimestamp(ms // 1000, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))


class Status:
    """Looks at everything, changes nothing."""

    def __init__(self, engine: Engine, ticker: Ticker, started_ms: int) -> None:
        self._engine = engine
        self._ticker = ticker
        self._started_ms = started_ms

    async def full(self) -> views.Status:
        """The answer to GET /status."""
        engine = self._engine
        release = engine.release
        last = await engine.store.read(last_of, release.agents)
        return {
            "project": release.project.name,
            "release": release.id,
            "version": release.version,
            "started": iso(self._started_ms),
            "now": iso(engine.now_ms()),
            "paused": pauses.EVERYTHING in engine.paused,
            "warnings": [*self.warnings(), *release.secrets.warnings()],
            "agents": [self._agent(name, last[name]) for name in release.agents],
            "runs": [self.run(row) for row in sorted(engine.live, key=lambda row: row.run)],
        }

    def run(self, row: Run) -> views.Run:
        """One run, as every answer shows it. `status` and `fault` are its own words."""
        return {
            "run": row.run,
            "agent": row.agent,
            "trigger": cast("views.TriggerName", row.trigger),
            "state": cast("views.State", row.state),
            "attempt": row.attempt,
            "queued": iso(row.queued),
            "started": iso(row.started),
            "finished": iso(row.finished),
            "exit_code": row.exit_code,
            "reason": self._reason(row),
            "nominal": iso(row.nominal * 1000) if row.nominal is not None else None,
            "release": row.release,
            "rerun_of": row.rerun_of,
            "depth": row.depth,
            "call": row.call,
            "delivery": row.delivery,
            "status": row.status,
            "fault": row.fault,
        }

    def lock(self, lock: Lock) -> views.HeldLock:
        """One lock."""
        return {**lock_of(lock), "agent": lock.agent, "run": lock.run}

    def cause(self, cause: Cause) -> views.Cause:
        """One decision about an agent."""
        row = self._engine.live.get(cause.run) if cause.kind == "run" and cause.run else None
        return {
            "at": iso(cause.at),
            "kind": cast("Literal['tick', 'run', 'delivery']", cause.kind),
            "what": iso(int(cause.what) * 1000) if cause.kind == "tick" else cause.what,
            "decision": cause.decision,
            "reason": self._reason(row) if row else cause.reason,
            "run": cause.run,
        }

    def warnings(self) -> list[str]:
        """What keeps the daemon from its work at present."""
        found = []
        if self._engine.store.failing:
            found.append(f"{self._engine.store.failing}; it is tried again")
        if self._engine.held:
            found.append(f"no run can start: {self._engine.held}")
        return found

    def line(self) -> str:
        """The line for `systemctl status`."""
        engine = self._engine
        count = len(engine.release.agents)
        parts = [
            f"release {engine.release.id}",
            f"{count} agent{'' if count == 1 else 's'}",
            f"{engine.live.active} running, {engine.live.queued} queued",
        ]
        if pauses.EVERYTHING in engine.paused:
            parts.append("paused")
        else:
            parts += self._next_tick()
        return " · ".join([*parts, *self.warnings()])

    def _next_tick(self) -> list[str]:
        upcoming = self._ticker.table.next_tick()
        if upcoming is None:
            return []
        at = datetime.fromtimestamp(upcoming[0], tz=timezone.utc)
        today = datetime.fromtimestamp(self._engine.now_ms() / 1000, tz=timezone.utc).date()
        form = "%H:%M" if at.date() == today else "%Y-%m-%d %H:%M"
        return [f"next tick {at.strftime(form)} UTC ({upcoming[1]})"]

    def _agent(self, name: str, last: Last) -> views.Agent:
        engine = self._engine
        agent = engine.release.agents[name]
        upcoming = self._ticker.table.next_of(name)
        return {
            "name": name,
            "schedule": agent.schedule,
            "timezone": agent.timezone,
            "webhooks": list(dict.fromkeys(trigger.source for trigger in agent.webhooks)),
            "next": iso(upcoming * 1000) if upcoming else None,
            "paused": name in engine.paused,
            "scale": agent.scale,
            "running": engine.live.active_of(name),
            "queued": engine.live.queued_of(name),
            "waits": engine.why_waits(name),
            "today": _today(engine.spending.of(name)),
            "last": _last(last.run),
            "last_tick": _tick(last.tick),
        }

    def _reason(self, row: Run) -> str | None:
        if row.stop and row.finished is None:
            return "being stopped"
        if row.state != "queued" or row.reason:
            return row.reason
        why = self._engine.why_waits(row.agent)
        return f"waits: {why}" if why else "waits for a free place"


def lock_of(lock: Lock) -> views.Lock:
    """One lock, as its holder sees it."""
    return {
        "resourceKey": lock.key,
        "token": lock.token,
        "heldSince": iso(lock.since),
        "expiresAt": iso(lock.until),
    }


def usage_of(usage: Usage | None) -> views.Usage | None:
    """What a run used, in the words of the containers' API; `cost` in USD."""
    if usage is None:
        return None
    return {
        "model": usage.model,
        "requests": usage.requests,
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "cacheReadTokens": usage.cache_read_tokens,
        "cacheWriteTokens": usage.cache_write_tokens,
        "toolCalls": usage.tool_calls,
        "cost": None if usage.cost is None else usage.cost / MICRO,
    }


def _today(spent: Spent) -> views.Today:
    return {"runs": spent.runs, "requests": spent.requests, "tokens": spent.tokens, "cost": spent.cost / MICRO}


def _last(row: Run | None) -> views.LastRun | None:
    if row is None:
        return None
    return {
        "run": row.run,
        "state": cast("views.State", row.state),
        "result": row.reason,
        "exit_code": row.exit_code,
        "finished": iso(row.finished),
    }


def _tick(row: Decision | None) -> views.LastTick | None:
    if row is None:
        return None
    return {
        "nominal": iso(row.nominal * 1000),
        "first": iso(row.first * 1000),
        "count": row.count,
        "more": row.more,
        "decision": row.decision,
        "reason": row.reason,
        "run": row.run,
    }
