"""What a valid project is, once everything that the user wrote has been checked."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from alvps.credentials.refs import CredentialRef
from alvps.errors import UsageError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Catchup: TypeAlias = Literal["latest", "none", "all"]

GIB = 1 << 30
DEFAULT_TIMEOUT = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What one run may use. Sizes in bytes, times in seconds; `cpus` None is no limit."""

    memory: int = 4 * GIB
    cpus: float | None = None
    pids: int = 1024
    tmp: int = GIB
    timeout: int = DEFAULT_TIMEOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent, with the project's defaults already filled in."""

    name: str
    folder: str  # relative to the project, "agents/dev"
    actions: str  # relative to the project, "agents/dev/ACTIONS.md"
    credentials: tuple[CredentialRef, ...] = ()
    schedule: str | None = None
    timezone: str = "UTC"
    catchup: Catchup = "latest"
    catchup_grace: int = 3600  # seconds
    scale: int = 1  # 0 is a disabled agent
    timeout: int = DEFAULT_TIMEOUT  # seconds
    params: dict[str, Json] = field(default_factory=dict)
    command: tuple[str, ...]
    has_dockerfile: bool = False
    manual: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A whole project; `environment` is the one it is bound to, by AL_ENV or .env.toml."""

    name: str
    folder: Path
    agents: tuple[Agent, ...]
    timezone: str = "UTC"
    scale: int | None = None  # runs at once, of all agents together
    max_reruns: int = 10
    work_queue_size: int = 100
    history_retention_days: int = 14
    limits: RunLimits = field(default_factory=RunLimits)
    environment: str | None = None

    def agent(self, name: str) -> Agent:
        """The agent of that name. Raises UsageError with the closest name there is."""
        for agent in self.agents:
            if agent.name == name:
                return agent
        names = [agent.name for agent in self.agents]
        close = difflib.get_close_matches(name.lower(), names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the project's agents: {', '.join(names)}"
        raise UsageError(f"there is no agent {name[:80]!r} in the project {self.name!r}", hint=hint)
