"""All schedules of a release in one heap: a thousand agents on one line are one entry, and one timer serves all."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from alvps.daemon.plan import Calendar, instant, owed, seconds
from alvps.project.model import Agent
from alvps.schedule import Schedule
from alvps.store.schedules import Position
from alvps.store.ticks import AgentTicks, Due

Line = tuple[str, str]  # expression and zone


@dataclass(slots=True)
class Group:
    """The agents that share one line, and when it is next due (seconds since 1970; 0 = not asked yet)."""

    calendar: Calendar
    agents: list[Agent] = field(default_factory=list)
    next: int = 0


class Timetable:
    """When which agents are due. Not thread-safe: `examine` may run in a thread while nothing else is called."""

    def __init__(self, agents: Iterable[Agent], positions: Mapping[str, Position]) -> None:
        self._groups: dict[Line, Group] = {}
        self._cursors = {name: position.instant for name, position in positions.items()}
        for agent in agents:
            if agent.schedule is not None and agent.scale > 0:
                line = (agent.schedule, agent.timezone)
                if line not in self._groups:
                    self._groups[line] = Group(Schedule(*line))
                self._groups[line].agents.append(agent)
        # Everything is due once, so that what was missed while nobody watched is looked at.
        self._heap: list[tuple[int, Line]] = [(0, line) for line in self._groups]
        self._next_of = {agent.name: group for group in self._groups.values() for agent in group.agents}

    def next_due(self) -> int | None:
        """The earliest instant at which a line is due, or None without schedules."""
        return self._heap[0][0] if self._heap else None

    def next_tick(self) -> tuple[int, str] | None:
        """The next instant and the first agent of it, for people."""
        if not self._heap or not self._heap[0][0]:
            return None
        at, line = self._heap[0]
        return at, self._groups[line].agents[0].name

    def next_of(self, agent: str) -> int | None:
        """When that agent is due next, or None."""
        group = self._next_of.get(agent)
        return group.next or None if group else None

    def due(self, now: float) -> list[Line]:
        """The lines that are due, taken off the heap; `schedule` puts them back."""
        lines = []
        while self._heap and self._heap[0][0] <= now:
            lines.append(heapq.heappop(self._heap)[1])
        return lines

    def examine(self, lines: Iterable[Line], now: float) -> tuple[list[AgentTicks], dict[Line, int]]:
        """What is owed on these lines, and when each is due again. Takes about 0.2 ms per line; changes nothing."""
        ticks: list[AgentTicks] = []
        following: dict[Line, int] = {}
        for line in lines:
            group = self._groups[line]
            following[line] = seconds(group.calendar.next_after(instant(now)))
            same: dict[tuple[int, str, int], tuple[Due, ...]] = {}
            for agent in group.agents:
                question = (self._cursors[agent.name], agent.catchup, agent.catchup_grace)
                if question not in same:
                    since, catchup, grace = question
                    same[question] = owed(group.calendar, since=since, now=now, catchup=catchup, grace=grace)
                if same[question]:
                    ticks.append(
                        AgentTicks(
                            agent=agent.name,
                            expression=line[0],
                            zone=line[1],
                            scale=agent.scale,
                            queue_limit=agent.work_queue_size,
                            overlap=agent.overlap,
                            due=same[question],
                        )
                    )
        return ticks, following

    def decided(self, ticks: Iterable[AgentTicks], following: Mapping[Line, int]) -> None:
        """Go on: what was owed is in the store."""
        for item in ticks:
            self._cursors[item.agent] = max(self._cursors[item.agent], item.due[-1].nominal)
        self.schedule(following)

    def schedule(self, following: Mapping[Line, int]) -> None:
        """Put lines back, due at the given instants."""
        for line, at in following.items():
            self._groups[line].next = at
            heapq.heappush(self._heap, (at, line))

    def look_again(self, begin: int | None = None) -> None:
        """Ask every line again, because the clock went back; with `begin`, as if nothing later had been decided."""
        if begin is not None:
            self._cursors = {name: min(cursor, begin) for name, cursor in self._cursors.items()}
        self._heap = [(0, line) for line in self._groups]
