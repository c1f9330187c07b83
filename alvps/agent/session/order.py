"""What is this session to do? One JSON document on standard input, from the container's entry.

    {"prompt": text, "run": id, "agent": name, "timeout"?: seconds that are left for the run,
     "secrets"?: [what must not be told to anybody but a model],
     "session": {"models": [{"name", "provider", "model", "auth", "thinking", "base_url", "prices", "key"}],
                 "budget": {"requests", "tokens", "tool_calls", "cost"}, "actions": "ACTIONS.md" or "SKILL.md"}}

The models' keys travel here and nowhere else: not in an argument, not in the environment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

PROVIDERS = ("anthropic", "openai", "groq", "google", "xai", "mistral", "openrouter", "custom")
LEVELS = ("off", "minimal", "low", "medium", "high", "xhigh")
AUTHS = ("api_key", "oauth_token")
ACTIONS = ("ACTIONS.md", "SKILL.md")


class Unusable(Exception):
    """The document is not an order; the message names the field and never a value, because values are secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """USD for a million tokens; a cache price that is None is the input's."""

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model to think with; `name` is the project's own for it."""

    name: str
    provider: str
    model: str
    key: str = field(repr=False)
    auth: str = "api_key"
    thinking: str | None = None
    base_url: str | None = None
    prices: Prices | None = None

    @property
    def title(self) -> str:
        """How messages name it: "sonnet (anthropic/claude-sonnet-5-5)"."""
        return f"{self.name} ({self.provider}/{self.model})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the run may spend; None is no limit. `cost` in USD."""

    requests: int | None = None
    tokens: int | None = None
    tool_calls: int | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The whole document."""

    prompt: str
    run: str
    agent: str
    models: tuple[ModelSpec, ...]
    budget: Budget = field(default_factory=Budget)
    actions: str = "ACTIONS.md"
    timeout: float | None = None  # seconds; None: the entry's timer alone ends the session
    secrets: tuple[str, ...] = field(default=(), repr=False)


def parse(document: bytes) -> Order:
    """The order in the document. Raises Unusable for the first thing that is wrong."""
    try:
        data = json.loads(document)
    except (ValueError, RecursionError) as error:
        # Some of json's messages quote what they choke on, and the document holds keys: only the kind is told.
        raise Unusable(f"the order's JSON does not parse: {type(error).__name__}") from None
    top = _table(data, "the order")
    session = _table(top.get("session"), "session")
    models = session.get("models")
    if not isinstance(models, list) or not models:
        raise Unusable("session.models is not a list with at least one model")
    actions = session.get("actions", "ACTIONS.md")
    if actions not in ACTIONS:
        raise Unusable("session.actions is neither ACTIONS.md nor SKILL.md")
    return Order(
        prompt=_text(top, "prompt", empty=True),
        run=_text(top, "run"),
        agent=_text(top, "agent"),
        models=tuple(_model(item, f"session.models[{number}]") for number, item in enumerate(models)),
        budget=_budget(session.get("budget")),
        actions=actions,
        timeout=_number(top, "timeout", "timeout"),
        secrets=_secrets(top.get("secrets")),
    )


def _model(value: object, where: str) -> ModelSpec:
    table = _table(value, where)
    provider, auth, thinking = table.get("provider"), table.get("auth") or "api_key", table.get("thinking")
    if provider not in PROVIDERS:
        raise Unusable(f"{where}.provider is not one of {', '.join(PROVIDERS)}")
    if auth not in AUTHS:
        raise Unusable(f"{where}.auth is neither api_key nor oauth_token")
    if thinking is not None and thinking not in LEVELS:
        raise Unusable(f"{where}.thinking is not one of {', '.join(LEVELS)}")
    base_url = table.get("base_url")
    if base_url is not None and (not isinstance(base_url, str) or not base_url.startswith(("http://", "https://"))):
        raise Unusable(f"{where}.base_url is not an address that starts with http:// or https://")
    if provider == "custom" and base_url is None:
        raise Unusable(f"{where}.base_url is missing: a custom provider has no address of its own")
    return ModelSpec(
        name=_text(table, "name", where),
        provider=str(provider),
        model=_text(table, "model", where),
        key=_text(table, "key", where),
        auth=str(auth),
        thinking=thinking if isinstance(thinking, str) else None,
        base_url=base_url,
        prices=_prices(table.get("prices"), f"{where}.prices"),
    )


def _prices(value: object, where: str) -> Prices | None:
    if value is None:
        return None
    table = _table(value, where)
    into, out = _number(table, "input", where), _number(table, "output", where)
    if into is None or out is None:
        raise Unusable(f"{where} lacks input or output")
    read, write = _number(table, "cache_read", where), _number(table, "cache_write", where)
    return Prices(input=into, output=out, cache_read=read, cache_write=write)


def _budget(value: object) -> Budget:
    if value is None:
        return Budget()
    table = _table(value, "session.budget")
    counts = {key: _number(table, key, "session.budget") for key in ("requests", "tokens", "tool_calls")}
    return Budget(
        **{key: None if count is None else int(count) for key, count in counts.items()},
        cost=_number(table, "cost", "session.budget"),
    )


def _secrets(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Unusable("secrets is not a list of texts")
    return tuple(value)


def _table(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Unusable(f"{where} is not an object")
    return value


def _text(table: Mapping[str, object], key: str, where: str = "the order", *, empty: bool = False) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not (value or empty):
        raise Unusable(f"{where}: {key} is missing or not text")
    return value


def _number(table: Mapping[str, object], key: str, where: str) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise Unusable(f"{where}: {key} is not a number of 0 or more")
    return value
