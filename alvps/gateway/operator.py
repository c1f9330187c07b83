"""What the control API can ask for: the daemon's side of it, as the gateway sees it, and the two ways to say no."""

from __future__ import annotations

from typing import Any, Protocol

from alvps.errors import AlError, UsageError

Json = dict[str, Any]


class NotNow(AlError):
    """The order is understood, and cannot be carried out as things are."""


class Unknown(UsageError):
    """There is no such agent or run."""


class Operator(Protocol):
    """Carries out orders. Each may raise Unknown, NotNow or StoreUnavailable; what it answers is in the store."""

    def trouble(self) -> list[str]:
        """What keeps the daemon from its work at present; does not block."""

    async def status(self) -> Json:
        """Everything that `al status` shows."""

    async def readiness(self, release: str | None) -> tuple[str, list[str]]:
        """The active release, and why `release` (default: that one) could not run now; no reasons when it could."""

    async def runs(self, agent: str | None, limit: int) -> list[Json]:
        """The newest runs first."""

    async def run(self, run: str, wait: float) -> Json:
        """One run; if it is not finished, as it is after up to `wait` seconds."""

    async def start(self, agent: str, prompt: str | None) -> str:
        """Queue a run by hand; gives its id."""

    async def kill(self, run: str) -> str:
        """End a run; gives its state, or "stopping"."""

    async def kill_agent(self, agent: str) -> list[str]:
        """End all runs of an agent; gives their ids."""

    async def pause(self, agent: str | None) -> None:
        """Start no run of the agent, or of any."""

    async def resume(self, agent: str | None) -> None:
        """Start runs again."""

    async def reload(self, release: str) -> None:
        """Go over to that release; returns when it is active."""
