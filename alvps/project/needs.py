"""Which credentials a project needs, by whom and for what. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from alvps.credentials.refs import CredentialRef
from alvps.project.model import Agent, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A credential that an agent's runs need.

    `declared`: the agent gets it, as files and variables. If not, it is a model's key alone, which the harness gets and
    the agent does not see. `models`: the names of the models that it is the key of.
    """

    ref: CredentialRef
    declared: bool
    models: tuple[str, ...] = ()


def required_credentials(project: Project) -> dict[str, tuple[Need, ...]]:
    """Agent to what its runs need, each credential once, sorted."""
    return {agent.name: agent_needs(agent) for agent in project.agents}


def agent_needs(agent: Agent) -> tuple[Need, ...]:
    """What the runs of one agent need, each credential once, sorted."""
    models: dict[CredentialRef, list[str]] = {ref: [] for ref in agent.credentials}
    for model in agent.models:
        models.setdefault(model.key, []).append(model.name)
    return tuple(
        Need(ref=ref, declared=ref in agent.credentials, models=tuple(names)) for ref, names in sorted(models.items())
    )


def gateway_credentials(project: Project) -> dict[CredentialRef, tuple[str, ...]]:
    """The webhook secrets that the gateway needs, sorted, each with the names of the sources that it signs for."""
    found: dict[CredentialRef, list[str]] = {}
    for source in project.webhooks:
        for ref in source.secrets:
            found.setdefault(ref, []).append(source.name)
    return {ref: tuple(names) for ref, names in sorted(found.items())}
