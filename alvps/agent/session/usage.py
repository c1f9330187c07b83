"""What has the session used, what does that cost, and may it go on? Tokens, tool calls, USD."""

from __future__ import annotations

from dataclasses import dataclass

from alvps.agent.session.order import Budget, Prices

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Of one answer. The four counts do not overlap: `input` is what was neither read from nor written to a cache."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.input + self.output + self.cache_read + self.cache_write


@dataclass(slots=True)
class Totals:
    """Of the session so far; only ever grows. `cost` is None as soon as one answer's price is unknown."""

    requests: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    tool_calls: int = 0
    cost: float | None = 0.0

    @property
    def tokens(self) -> int:
        """Everything that was read or written by a model."""
        return self.input + self.output + self.cache_read + self.cache_write

    def add(self, tokens: Tokens, cost: float | None) -> None:
        """Take one answer."""
        self.requests += 1
        self.input += tokens.input
        self.output += tokens.output
        self.cache_read += tokens.cache_read
        self.cache_write += tokens.cache_write
        self.cost = None if self.cost is None or cost is None else self.cost + cost

    def as_report(self, model: str) -> dict[str, object]:
        """The object `usage` of POST /report."""
        return {
            "model": model,
            "requests": self.requests,
            "inputTokens": self.input,
            "outputTokens": self.output,
            "cacheReadTokens": self.cache_read,
            "cacheWriteTokens": self.cache_write,
            "toolCalls": self.tool_calls,
            "cost": None if self.cost is None else round(self.cost, 6),
        }

    def as_log(self) -> dict[str, object]:
        """The fields of the line `token-usage`."""
        return {
            "inputTokens": self.input,
            "outputTokens": self.output,
            "cacheReadTokens": self.cache_read,
            "cacheWriteTokens": self.cache_write,
            "totalTokens": self.tokens,
            "cost": None if self.cost is None else round(self.cost, 6),
            "turnCount": self.requests,
        }


def price(tokens: Tokens, prices: Prices) -> float:
    """USD for one answer."""
    read = prices.input if prices.cache_read is None else prices.cache_read
    write = prices.input if prices.cache_write is None else prices.cache_write
    sums = tokens.input * prices.input + tokens.output * prices.output + tokens.cache_read * read
    return (sums + tokens.cache_write * write) / _MILLION


def before_request(totals: Totals, budget: Budget) -> str | None:
    """Why another request is over the budget, or None."""
    if budget.requests is not None and totals.requests >= budget.requests:
        return _reached("requests", f"{totals.requests}", f"{budget.requests}")
    if budget.tokens is not None and totals.tokens >= budget.tokens:
        return _reached("tokens", f"{totals.tokens}", f"{budget.tokens}")
    if budget.cost is not None and totals.cost is not None and totals.cost >= budget.cost:
        return _reached("cost", _usd(totals.cost), f"{_usd(budget.cost)} USD")
    return None


def before_tool(totals: Totals, budget: Budget) -> str | None:
    """Why another tool call is over the budget, or None."""
    if budget.tool_calls is not None and totals.tool_calls >= budget.tool_calls:
        return _reached("tool calls", f"{totals.tool_calls}", f"{budget.tool_calls}")
    return None


def _reached(what: str, used: str, limit: str) -> str:
    return f"limit reached: {what} {used} of {limit}"


def _usd(amount: float) -> str:
    return f"{amount:.2f}" if amount >= 0.1 else f"{amount:.6f}".rstrip("0").rstrip(".")
