"""Whether runs that wait for one another's answers could ever go on. Pure.

A run can end if it waits for nothing, or if everything can end that it waits for. Something that is still in its
agent's queue can end if it can begin: if enough of the runs that hold the places can end. What nobody can know (how
long a run takes, whether somebody resumes an agent) counts as possible, so only a wait that cannot end is called one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Who runs, who waits for whom, and how many places there are."""

    active: Mapping[str, str]  # the runs that hold a place, and their agents
    queued: Mapping[str, str]  # runs that have not begun and are waited for, and their agents
    waits: Mapping[str, frozenset[str]]  # the runs that each of the active ones waits for right now
    scales: Mapping[str, int]  # places of each agent; of one that is not here, runs are dropped and not begun
    limit: int | None = None  # places of all agents together


def cycle(world: World, run: str) -> tuple[str, ...] | None:
    """None if `run` can end; else the agents from it on, each waiting for the next, to the first that comes again."""
    able = _able(world)
    if run in able or run not in world.active:
        return None
    path: list[str] = []
    while run not in path:
        path.append(run)
        run = _next(world, run, able, path)
    names: list[str] = []
    for step, following in zip(path, [*path[1:], run], strict=True):
        names.append(world.active[step])
        called = _called(world, step, able)
        if called in world.queued and world.queued[called] != world.active[following]:
            names.append(world.queued[called])  # it has no place, because others fill the project's
    names.append(world.active[run])
    return tuple(name for number, name in enumerate(names) if number == 0 or name != names[number - 1])


def _able(world: World) -> set[str]:
    """The active runs that can end."""
    able = {run for run in world.active if not world.waits.get(run)}
    while True:
        more = {
            run
            for run in world.active
            if run not in able and all(_ends(world, other, able) for other in world.waits[run])
        }
        if not more:
            return able
        able |= more


def _ends(world: World, run: str, able: set[str]) -> bool:
    if run in world.active:
        return run in able
    agent = world.queued.get(run)
    if agent is None or not world.scales.get(agent):
        return True  # over already, or about to be dropped
    return not _full(world, agent, able) and not _all_full(world, able)


def _full(world: World, agent: str, able: set[str]) -> bool:
    """Whether runs that cannot end hold all places of the agent."""
    return sum(of == agent and run not in able for run, of in world.active.items()) >= world.scales[agent]


def _all_full(world: World, able: set[str]) -> bool:
    return world.limit is not None and len(world.active) - len(able) >= world.limit


def _called(world: World, run: str, able: set[str]) -> str:
    """What that run waits for in vain; the first of several."""
    return min(other for other in world.waits[run] if not _ends(world, other, able))


def _next(world: World, run: str, able: set[str], path: list[str]) -> str:
    """The run that keeps `run` from its end; one of the path if possible, so that the cycle is short."""
    called = _called(world, run, able)
    if called in world.active:
        return called
    agent = world.queued[called]
    in_its_place = [
        other
        for other, of in world.active.items()
        if other not in able and (of == agent or not _full(world, agent, able))
    ]
    return min(in_its_place, key=lambda other: (other not in path, other))
