"""The prompt of a run."""

from __future__ import annotations

from alvps.project import Agent
from alvps.prompt import Trigger, assemble
from alvps.store.runs import Run


def prompt(agent: Agent, run: Run) -> str:
    """What the run's command gets on its standard input."""
    return assemble(
        agent_name=agent.name,
        params=agent.params,
        credentials=agent.credentials,
        trigger=Trigger(kind=run.trigger, prompt=run.prompt),
    )
