"""The table of commands: where each one lives and what it does in a line. `al --help` is printed from it alone."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One command: the module it lives in, the line that `al --help` shows, and its name in that module."""

    module: str
    summary: str
    attribute: str = "command"


SECTIONS: dict[str, dict[str, Entry]] = {
    "Project": {
        "new": Entry("new", "make a new project folder with two example agents"),
        "creds": Entry("creds", "list, add and remove credentials on this machine"),
        "doctor": Entry("doctor", "check the project, this machine and the host, and say what to do"),
    },
    "Host": {
        "setup": Entry("setup", "make a host for this project, and bind it to that: al setup cloud"),
        "provision": Entry("provision", "turn a server into a host: hetzner, vultr, existing, local"),
        "env": Entry("env", "list hosts, show and check one, bind this project to one"),
        "teardown": Entry("teardown", "remove what `al provision` made"),
        "push": Entry("push", "make this project live on the host"),
        "verify": Entry("verify", "check that a host is as it is claimed to be"),
        "rollback": Entry("releases", "go back to an earlier release", "rollback"),
        "releases": Entry("releases", "list the releases on the host", "releases"),
        "stop": Entry("power", "stop the host's daemon, or the project on this machine", "stop"),
        "start": Entry("power", "start the host's daemon, or run the project on this machine", "start"),
        "backup": Entry("backup", "fetch a copy of the host's history"),
    },
    "Agents": {
        "status": Entry("status", "show agents, their next runs and what is running"),
        "dashboard": Entry("dashboard", "open the host's dashboard in a browser"),
        "logs": Entry("logs", "show or follow the logs of agents and the daemon"),
        "run": Entry("run", "start an agent now"),
        "pause": Entry("gate", "stop starting runs, for one agent or all", "pause"),
        "resume": Entry("gate", "start runs again after a pause", "resume"),
        "kill": Entry("kill", "end a run, or all runs of an agent"),
        "why": Entry("why", "say why an agent ran, or did not"),
        "webhooks": Entry("webhooks", "list, show, replay and simulate webhook deliveries"),
        "locks": Entry("locks", "list the locks that runs hold"),
    },
}

COMMANDS: dict[str, Entry] = {name: entry for section in SECTIONS.values() for name, entry in section.items()}

USAGE = "Usage: al [--version] [--help] COMMAND [OPTIONS] [ARGS]"


def root_help() -> str:
    """The text of `al --help`."""
    width = max(map(len, COMMANDS)) + 2
    lines = [USAGE, "", "Runs LLM agents unattended on one Linux server.", ""]
    for title, entries in SECTIONS.items():
        lines.append(f"{title}:")
        lines += [f"  {name:<{width}}{entry.summary}" for name, entry in entries.items()]
        lines.append("")
    lines.append(
        "`al COMMAND --help` explains a command. Exit codes: 0 done, 1 failed, 2 wrong input, 3 host not reached,"
    )
    lines.append("4 host key refused, 5 push did not go live, 6 host busy with another push, 130 interrupted.")
    return "\n".join(lines)
