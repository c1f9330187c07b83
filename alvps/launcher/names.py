"""How is a run's container named and labelled, and which run does a container belong to?

Names are for people; who owns a container is decided by its labels alone, the installation's id first. Two
installations on one engine, or a stranger's container with a similar name, never meet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

INSTALLATION = "al.installation"
PROJECT = "al.project"
AGENT = "al.agent"
RUN = "al.run"
ATTEMPT = "al.attempt"
TRIGGER = "al.trigger"
RELEASE = "al.release"
COMPONENT = "al.component"

# journald stores a label as a field: al.agent becomes AL_AGENT. The installation's id is nobody's business there.
LOGGED = (AGENT, RUN, TRIGGER, COMPONENT, ATTEMPT, PROJECT, RELEASE)

RUN_ID = re.compile(r"[a-z0-9]{10,26}")
AGENT_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
TRIGGER_KIND = re.compile(r"[a-z][a-z-]{0,31}")
MAX_ATTEMPT = 1_000_000


@dataclass(frozen=True, slots=True, order=True)
class RunKey:
    """One attempt at one run: what a container is for."""

    run: str
    attempt: int


def is_agent(name: object) -> TypeGuard[str]:
    """Whether this can be an agent's name."""
    return isinstance(name, str) and len(name) <= 63 and AGENT_NAME.fullmatch(name) is not None


def container_name(project: str, agent: str, key: RunKey) -> str:
    """The container's name."""
    return f"al-{project}-{agent}-{key.run}-{key.attempt}"


def network_name(project: str) -> str:
    """The name of the bridge network that the project's runs share."""
    return f"al-{project}"


def labels(*, installation: str, project: str, agent: str, key: RunKey, trigger: str, release: str) -> dict[str, str]:
    """Every label of a run's container."""
    return {
        INSTALLATION: installation,
        PROJECT: project,
        AGENT: agent,
        RUN: key.run,
        ATTEMPT: str(key.attempt),
        TRIGGER: trigger,
        RELEASE: release,
        COMPONENT: "agent",
    }


def ours(installation: str) -> list[str]:
    """Docker's label filter for this installation's runs."""
    return [f"{INSTALLATION}={installation}", f"{COMPONENT}=agent"]


def key_of(found: Mapping[str, str], installation: str) -> RunKey | None:
    """The run that a container with these labels is for; None for any container that is not one of our runs."""
    if found.get(INSTALLATION) != installation or found.get(COMPONENT) != "agent":
        return None
    run, attempt = found.get(RUN, ""), found.get(ATTEMPT, "")
    if not RUN_ID.fullmatch(run) or not re.fullmatch(r"[1-9][0-9]{0,6}", attempt):
        return None
    return RunKey(run, int(attempt))
