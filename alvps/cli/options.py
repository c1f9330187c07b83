"""Options that several commands share, so that they are spelled and explained once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

F = TypeVar("F", bound=Callable[..., Any])


def project_option(function: F) -> F:
    """-p/--project: the project folder."""
    return click.option(
        "-p",
        "--project",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        help="The project folder (default: the current one).",
    )(function)


def environment_option(function: F) -> F:
    """-E/--env: which host. -c/--cloud: a host, whichever is meant, and not this machine. Both make `env_name`."""

    @wraps(function)
    def command(*args: Any, env_name: str | None, cloud: bool, **others: Any) -> Any:
        from alvps.project.environments import ON_A_HOST

        return function(*args, env_name=env_name or (ON_A_HOST if cloud else None), **others)

    named = click.option(
        "-E",
        "--env",
        "env_name",
        metavar="NAME",
        help="The environment to talk to (default: $AL_ENV, the project's .env.toml or [cloud], or the only one there"
        " is).",
    )
    cloud = click.option("-c", "--cloud", is_flag=True, help="The project's host, and not this machine.")
    return cast("F", named(cloud(command)))


def json_option(function: F) -> F:
    """--json: data on standard output for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, for programs.")(
        function
    )


def yes_option(function: F) -> F:
    """-y/--yes: do not ask."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")(function)
