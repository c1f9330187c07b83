"""`[limits]`: what one run of an agent may spend, and what an agent may spend in a day."""

from __future__ import annotations

from typing import Any

from alvps.project.model import DayBudget, RunBudget
from alvps.project.report import At
from alvps.project.schema import Values, integer, number, table

_MANY = 10**12
_COST = number(0.0001, 1_000_000)
_SPENT = {
    "requests": integer(1, _MANY),
    "tokens": integer(1, _MANY),
    "cost": _COST,
}
LIMITS = table(
    {
        **_SPENT,
        "toolCalls": integer(1, _MANY),
        "day": table({"runs": integer(1, _MANY), **_SPENT}),
    }
)


def budgets(values: Values) -> tuple[RunBudget, DayBudget]:
    """The two budgets of a checked table."""
    day = values.get("day", {})
    return (
        RunBudget(
            requests=values.get("requests"),
            tokens=values.get("tokens"),
            tool_calls=values.get("toolCalls"),
            cost=values.get("cost"),
        ),
        DayBudget(runs=day.get("runs"), requests=day.get("requests"), tokens=day.get("tokens"), cost=day.get("cost")),
    )


def check_harness(raw: Any, at: At) -> None:
    """A limit that nothing would keep is no limit: a command's requests to a model are not seen while it runs."""
    for key in ("requests", "tokens", "cost", "toolCalls"):
        if isinstance(raw, dict) and key in raw:
            at.key(key).say(
                "holds for a run that thinks with a model, and this agent runs a command; "
                "allowed for it: timeout, and the limits of [limits.day]"
            )
