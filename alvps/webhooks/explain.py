"""Which agents a delivery would start, and of the others why not: what `al webhooks simulate` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alvps.webhooks.context import Context, Ignored
from alvps.webhooks.headers import Headers
from alvps.webhooks.match import misses
from alvps.webhooks.parse import parse


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one agent: whether the delivery starts it, and if not, a line for each filter that does not hold.

    Of an agent with several triggers, each line begins with which one it speaks of.
    """

    agent: str
    matched: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the delivery is and does. `ignored`: why it can start nothing at all; then `context` is None."""

    context: Context | None
    ignored: str | None
    verdicts: tuple[Verdict, ...]


def explain(
    type_: str, headers: Headers, body: bytes, triggers: Sequence[tuple[str, Mapping[str, tuple[str, ...]]]]
) -> Explanation:
    """What the delivery would start; `triggers` are (agent, filters) pairs, several of an agent in their order.

    Agents come in the order of their first trigger. The signature is not looked at: a fixture has none. Raises as
    `parse` does.
    """
    filters_of: dict[str, list[Mapping[str, tuple[str, ...]]]] = {}
    for agent, filters in triggers:
        filters_of.setdefault(agent, []).append(filters)
    event = parse(type_, headers, body)
    if isinstance(event, Ignored):
        return Explanation(None, event.reason, tuple(Verdict(agent, False, (event.reason,)) for agent in filters_of))
    return Explanation(event, None, tuple(_verdict(agent, all_, type_, event) for agent, all_ in filters_of.items()))


def _verdict(agent: str, triggers: list[Mapping[str, tuple[str, ...]]], type_: str, context: Context) -> Verdict:
    reasons = []
    for position, filters in enumerate(triggers, start=1):
        missed = list(misses(filters, type_, context))
        if not missed:
            return Verdict(agent, True)
        prefix = f"trigger {position}: " if len(triggers) > 1 else ""
        reasons += [f"{prefix}{miss}" for miss in missed]
    return Verdict(agent, False, tuple(reasons))
