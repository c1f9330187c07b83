"""The root of the command tree. A command's module is imported when that command is asked for, and not before."""

from __future__ import annotations

from importlib import import_module

import click

from alvps import __version__
from alvps.cli.asking import read_line
from alvps.cli.commands import COMMANDS, root_help

click.termui.visible_prompt_func = read_line  # of every question whose answer is shown


class LazyGroup(click.Group):
    """A group whose members come from the table in `alvps.cli.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(f"alvps.cli.{entry.module}"), entry.attribute)
        assert isinstance(command, click.Command)
        return command

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002  # click's signature
        return root_help()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="al %(version)s")
def root() -> None:
    """Runs LLM agents unattended on one Linux server."""
