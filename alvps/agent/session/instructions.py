"""What is the system prompt? ACTIONS.md as it is; SKILL.md without its front matter and with its commands' output.

In a SKILL.md, an exclamation mark before a command in backticks, as in !`git log -3`, stands for what the command
prints. The front matter was read on the laptop; here it is only left out.
"""

from __future__ import annotations

import os
import re

from alvps.agent.session import shell
from alvps.agent.session.shown import shorten

COMMAND_TIME = 60.0  # seconds for one command
COMMAND_OUTPUT = 16_000  # bytes of one command's output
# Not inside a word, and not an image's `![`: the backtick must follow.
_COMMAND = re.compile(r"!`([^`\n]+)`")
_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?\r?\n)??---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


async def load(folder: str, name: str, env: dict[str, str]) -> str:
    """The system prompt from `folder`/`name`; commands run there with `env`. Raises OSError: it cannot be read."""
    with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:  # noqa: PTH118, PTH123, ASYNC230 - pathlib costs start-up time; a small local file
        text = file.read()
    return await filled(without_front_matter(text), folder, env) if name == "SKILL.md" else text


def without_front_matter(text: str) -> str:
    """The text after the block between two lines of three hyphens at its very start, if it has one."""
    found = _FRONT_MATTER.match(text)
    return text[found.end() :].lstrip("\r\n") if found else text


async def filled(text: str, folder: str, env: dict[str, str]) -> str:
    """The text with each command replaced by what it prints; a failure is told in its place. One after the other."""
    parts: list[str] = []
    end = 0
    for found in _COMMAND.finditer(text):
        parts += [text[end : found.start()], await _output(found.group(1), folder, env)]
        end = found.end()
    return "".join((*parts, text[end:]))


async def _output(command: str, folder: str, env: dict[str, str]) -> str:
    try:
        result = await shell.run(command, timeout=COMMAND_TIME, cwd=folder, env=env, merge=False)
    except OSError as error:
        return f"[`{command}` could not be started: {error.strerror}]"
    if result.timed_out:
        return f"[`{command}` was stopped after {COMMAND_TIME:g} seconds]"
    shown = shorten(result.output.text(), COMMAND_OUTPUT).rstrip("\n")
    if result.code != 0:
        return f"{shown}{chr(10) if shown else ''}[`{command}` failed with exit code {result.code}]"
    return shown
