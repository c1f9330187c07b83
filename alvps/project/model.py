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

Overlap: TypeAlias = Literal["skip", "queue"]
Provider: TypeAlias = Literal["anthropic", "openai", "groq", "google", "xai", "mistral", "openrouter", "custom"]
Thinking: TypeAlias = Literal["off", "minimal", "low", "medium", "high", "xhigh"]
Auth: TypeAlias = Literal["api_key", "oauth_token"]

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
class Prices:
    """What a model costs, in USD for a million tokens."""

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that an agent may think with; `name` is the project's own for it."""

    name: str
    provider: Provider
    model: str
    key: CredentialRef  # of the provider's key, "anthropic_key:default"
    auth: Auth = "api_key"
    thinking: Thinking | None = None
    base_url: str | None = None
    prices: Prices | None = None  # None: those that are known for the provider's model


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBudget:
    """What one run may spend; None is no limit. `cost` in USD."""

    requests: int | None = None
    tokens: int | None = None
    tool_calls: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBudget:
    """What an agent may spend in one day (UTC); no run starts when it is spent. None is no limit. `cost` in USD."""

    runs: int | None = None
    requests: int | None = None
    tokens: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something done in the container before or after the agent's work. `params` follow from the provider."""

    provider: Literal["shell", "http", "git-clone"]
    params: dict[str, Json] = field(default_factory=dict)
    required: bool = True
    timeout: int = 300  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSource:
    """Somebody who may send webhooks: `[webhooks.<name>]`."""

    name: str
    type: str  # "github", "sentry", "linear", "mintlify" or "generic"
    secrets: tuple[CredentialRef, ...] = ()  # any of them may have signed; empty only with `allow_unsigned`
    allow_unsigned: bool = False
    header: str | None = None  # of a generic source: the header with the signature


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTrigger:
    """Which deliveries of a source start the agent: every filter must hold, by one of its values (labels: all)."""

    source: str
    filters: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent, with the project's defaults already filled in."""

    name: str
    folder: str  # relative to the project, "agents/dev"
    actions: str  # relative to the project, "agents/dev/ACTIONS.md" or "agents/dev/SKILL.md"
    description: str | None = None  # of a SKILL.md
    credentials: tuple[CredentialRef, ...] = ()
    schedule: str | None = None
    timezone: str = "UTC"
    catchup: Catchup = "latest"
    catchup_grace: int = 3600  # seconds
    scale: int = 1  # 0 is a disabled agent
    timeout: int = DEFAULT_TIMEOUT  # seconds
    params: dict[str, Json] = field(default_factory=dict)
    command: tuple[str, ...] = ()  # the harness; empty: an LLM, with `models`
    models: tuple[Model, ...] = ()  # in the order in which they are tried
    webhooks: tuple[WebhookTrigger, ...] = ()
    overlap: Overlap = "skip"
    work_queue_size: int = 100
    budget: RunBudget = field(default_factory=RunBudget)
    daily: DayBudget = field(default_factory=DayBudget)
    before: tuple[Step, ...] = ()  # [[preflight]] and hooks.pre
    after: tuple[Step, ...] = ()  # hooks.post
    has_dockerfile: bool = False
    manual: bool = False

    @property
    def config(self) -> str:
        """The file with its settings, relative to the project; its name follows from the layout."""
        name = "config.toml" if self.actions.endswith("/SKILL.md") else "agent-config.toml"
        return f"{self.folder}/{name}"


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
    max_call_depth: int = 3
    lock_timeout: int = 1800  # seconds
    webhooks: tuple[WebhookSource, ...] = ()
    has_shared: bool = False  # a folder shared/ that every agent finds at /app/static/shared
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
