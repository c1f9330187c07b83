"""Options that several commands share, so that they are spelled and explained once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

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
    """-E/--env: which host."""
    return click.option(
        "-E",
        "--env",
        "env_name",
        metavar="NAME",
        help="The environment to talk to (default: $AL_ENV, the project's .env.toml, or the only one there is).",
    )(function)


def json_option(function: F) -> F:
    """--json: data on standard output for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, for programs.")(
        function
    )


def yes_option(function: F) -> F:
    """-y/--yes: do not ask."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")(function)
