"""`al teardown cloud`: the host that a project means, and what its files say of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alvps.errors import AlError, UsageError

if TYPE_CHECKING:
    from alvps.project.environment import Environment


def find(name: str, project: Path) -> Environment:
    """The environment NAME; for "cloud", unless one has that name, the one that the project is bound to.

    Raises UsageError.
    """
    from alvps.project.cloud import CLOUD
    from alvps.project.environments import bound, companion_folder, list_environments
    from alvps.provision.teardown import find as find_named

    if name != CLOUD or CLOUD in list_environments() or companion_folder(CLOUD).exists():
        return find_named(name)
    found = bound(project, None)
    if found is None:
        raise UsageError(
            "this project is bound to no host", hint="al teardown NAME removes any; `al env list` shows which there are"
        )
    return found


def let_go(project: Path, removed: Environment) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take a host that is gone out of the project's files: what was taken out, and what a person must do."""
    from alvps.project.binding import drop_cloud, unbind
    from alvps.project.cloud import CLOUD
    from alvps.project.environments import binding, cloud_of
    from alvps.project.layers import LOCAL

    said: tuple[str, ...] = ()
    try:
        if removed.name != CLOUD and binding(project) == removed.name:
            unbind(project)
            said = (f"environment in {LOCAL}",)
        named = cloud_of(project)
        if named is not None and (named.host, named.port) == (removed.host, removed.port):
            said += tuple(f"[{CLOUD}] in {file}" for file in drop_cloud(project))
    except AlError as error:  # the host is gone all the same
        return said, (f"the project's files as they are: {error.message}",)
    return said, ()
