"""What every kind of machine can do: say what it would make, make it, remove it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from alvps.errors import AlError

if TYPE_CHECKING:
    from alvps.project.environment import Environment


class ProvisionFailed(AlError):
    """A machine was not made ready, or not removed. What exists is recorded: the same command goes on from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened on the way.

    detail: a line of a program's output within the step; show it dimmed or not at all. note: to be read in any case.
    seconds: how long the step took, on the event that ends it.
    """

    step: str
    text: str
    detail: bool = False
    note: bool = False
    seconds: float | None = None


Progress = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Progress for nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `create` would do, in words.

    price: by the month. user_data: what the machine would be told; for keys that would be made, a placeholder.
    """

    provider: str
    environment: str
    steps: tuple[str, ...]
    price: str | None = None
    user_data: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a removal did: names of things, for people."""

    removed: tuple[str, ...]
    left: tuple[str, ...]


class Provider(Protocol):
    """One kind of machine. Made with the options of one machine; see registry.py for how."""

    def plan(self) -> Plan:
        """What `create` would do. Contacts nothing; for a rented server, the provider's lists are read."""

    def create(self, progress: Progress) -> Environment:
        """Makes the machine ready, and its environment file as the last thing.

        Interrupted at any point, a second call gets to the same end and `destroy` removes what there is: what is about
        to be made is recorded on disk first. Raises UsageError (the name is taken), ProvisionFailed, HostUnreachable,
        HostKeyRefused.
        """

    def destroy(self, environment: Environment, progress: Progress, *, purge: bool = False) -> Report:
        """Removes what `create` made, the environment's files last.

        purge: on a machine that stays, also history, credentials and accounts. Raises ProvisionFailed, HostUnreachable.
        """
