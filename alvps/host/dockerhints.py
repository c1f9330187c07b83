"""What in a user's Dockerfile cannot work on our base, which is Debian with a user of its own?

Dockerfiles of the Node system were written for Alpine and its user `node`. Pure; only the laptop asks, before a push.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from alvps.host.dockerfile import BASE, BadDockerfile, check, froms, is_base
from alvps.host.dockerlines import Command, Instruction, commands, instructions

_FOREIGN = re.compile(r"(?:.*/)?(?:node|alpine)(?:[:@].*)?|.*alpine.*", re.IGNORECASE)
_APT = "apt-get install -y --no-install-recommends"
_AS_USER = "the image's user is `agent`"
_NODE_USER = re.compile(r"node(?::.*)?|.*:node")
_NODE_PROGRAMS = frozenset(("node", "npm", "npx", "yarn", "pnpm", "corepack"))
_NODE_INSTALLERS = re.compile(r"\b(?:nodejs|nodesource|nvm|fnm|volta)\b")
_WITH_VALUE = frozenset(("-t", "--virtual", "-X", "--repository", "-p", "--root"))
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*")


class Remark(NamedTuple):
    """Something about one line, counted from 1. `fatal`: the build or the run is sure to fail by it."""

    line: int
    message: str
    fatal: bool


def explain(text: str) -> list[Remark]:
    """Everything about the Dockerfile that cannot work (`fatal`), or may not; in the order of its lines.

    Stages that do not stand on `FROM al-agent` may do as they like: a build stage may well be Alpine.
    """
    remarks = [*_base(text), *_instructions(text)]
    return sorted(dict.fromkeys(remarks))


def _base(text: str) -> Iterator[Remark]:
    try:
        check(text)
    except BadDockerfile as error:
        message, line = str(error), 1
        roots = _roots(text)
        if roots:
            line, image = roots[-1][1:]
            if _FOREIGN.fullmatch(image):
                message = (
                    f"an agent's image cannot stand on {image!r}: write FROM {BASE}, which is Debian, and install with "
                    f"{_APT} what is needed, nodejs and npm too"
                )
        yield Remark(line, message, fatal=True)


def _roots(text: str) -> list[tuple[int, int, str]]:
    """For each stage: the line of its FROM, the line of the FROM that it stands on in the end, and that one's image."""
    named: dict[str, tuple[int, str]] = {}
    found = []
    for index, match in froms(text):
        root = named.get(match["image"].lower(), (index + 1, match["image"]))
        found.append((index + 1, *root))
        if match["stage"]:
            named[match["stage"].lower()] = root
    return found


def _instructions(text: str) -> Iterator[Remark]:
    begins = {line: is_base(image) for line, _, image in _roots(text)}
    ours = has_user = has_node = False
    for one in instructions(text):
        if one.keyword == "FROM":
            ours = begins.get(one.line, False)
        elif ours:
            found = list(commands(one)) if one.keyword == "RUN" else []
            has_user = has_user or any(_makes_user(command) for command in found)
            has_node = has_node or _installs_node(one, found)
            for command in found:
                yield from _command(command, has_node=has_node)
            if not has_user:
                yield from _node_user(one, found)


def _command(command: Command, *, has_node: bool) -> Iterator[Remark]:
    program, args = command.words[0].rpartition("/")[2], command.words[1:]
    if program == "apk":
        yield Remark(command.line, _instead_of_apk(args), fatal=True)
    elif program in ("adduser", "addgroup"):
        options = [arg for arg in args if re.fullmatch(r"-[A-Za-z]+", arg) and arg not in ("-q", "-v")]
        if options:
            better = "useradd" if program == "adduser" else "groupadd"
            yield Remark(
                command.line,
                f"{options[0]} is an option of Alpine's {program}; {BASE} is Debian: use {better}",
                fatal=True,
            )
    elif program in _NODE_PROGRAMS and not has_node:
        yield Remark(
            command.line,
            f"{program} is not in {BASE}; unless the project's own Dockerfile installs it: {_APT} nodejs npm",
            fatal=False,
        )


def _instead_of_apk(args: tuple[str, ...]) -> str:
    packages: list[str] = []
    if "add" in args:
        after = args[args.index("add") + 1 :]
        for index, arg in enumerate(after):
            name = re.split(r"[=<>~@]", arg)[0]
            if _PACKAGE.fullmatch(name) and not (index and after[index - 1] in _WITH_VALUE):
                packages.append(name)
    wanted = " ".join(packages[:12]) or "PACKAGE"
    return (
        f"apk is Alpine's; {BASE} is Debian: use apt-get update && {_APT} {wanted}, as USER root "
        "(some packages have other names there)"
    )


def _node_user(one: Instruction, found: list[Command]) -> Iterator[Remark]:
    """Whatever needs a user `node`, or a home folder of his."""
    if one.keyword == "USER" and _NODE_USER.fullmatch(one.text.strip().strip("\"'")):
        yield Remark(one.line, f"there is no user node; {_AS_USER}: write USER agent", fatal=True)
    if one.keyword in ("COPY", "ADD"):
        for match in re.finditer(r"--chown=(\S+)", one.text):
            if _NODE_USER.fullmatch(match[1].strip("\"'")):
                line = one.line_of(match.start())
                yield Remark(line, f"there is no user node; {_AS_USER}: write --chown=agent:agent", fatal=True)
    for command in found:
        program, args = command.words[0].rpartition("/")[2], command.words[1:]
        if program in ("chown", "chgrp"):
            owners = [arg for arg in args if not arg.startswith("-")][:1]
            if owners and _NODE_USER.fullmatch(owners[0]):
                yield Remark(command.line, f"there is no user node; {_AS_USER}: write {program} agent", fatal=True)
        elif program in ("su", "gosu", "su-exec", "runuser") and "node" in args:
            yield Remark(command.line, f"there is no user node; {_AS_USER}", fatal=True)
    for match in re.finditer(r"/home/node\b", one.text):
        yield Remark(
            one.line_of(match.start()),
            "there is no /home/node; a run starts in /app/static, and its HOME is /tmp",
            fatal=False,
        )


def _makes_user(command: Command) -> bool:
    return command.words[0].rpartition("/")[2] in ("useradd", "adduser") and "node" in command.words[1:]


def _installs_node(one: Instruction, found: list[Command]) -> bool:
    if one.keyword in ("COPY", "ADD"):
        return "--from=" in one.text and "node" in one.text
    if _NODE_INSTALLERS.search(one.text):
        return True
    return any(
        command.words[0] in ("apt-get", "apt") and "install" in command.words and "npm" in command.words
        for command in found
    )
