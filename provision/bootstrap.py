"""The script that turns a machine into a host: its text, its digest, how it is called. Facts only, nothing is run.

Three callers: cloud-init at first boot, `al provision existing`, and `al push` when the digest that the host remembers
(/etc/action-llama/bootstrap.json) is another one.
"""

from __future__ import annotations

import hashlib

from alvps.project.environment import Web
from alvps.provision.resources import resource

RECORD = "/etc/action-llama/bootstrap.json"  # {"digest": …}, the last thing that the script writes
PUBLIC_PORT = 8080  # of action-llama.socket
REFUSED = 64  # the script's exit code for: this machine cannot be a host, nothing was changed


def script() -> bytes:
    """The script, put together of its parts. It may be fed to `sh -s`: cut off anywhere, it does nothing."""
    return b"\n".join(part.read_bytes() for part in sorted(resource("cloud-init", "bootstrap").glob("*.sh")))


def digest(text: bytes | None = None) -> str:
    """What the host remembers about the script that last ran to its end."""
    return hashlib.sha256(script() if text is None else text).hexdigest()


def argv(*arguments: str, user: str = "root") -> list[str]:
    """Runs a script from standard input as root."""
    return [*as_root(user), "sh", "-s", "--", *arguments]


def web_arguments(web: Web) -> tuple[str, ...]:
    """The script's options for what the world sees. None: what the host was told before stays as it is."""
    domain = ("--domain", web.domain) if web.domain else ()
    return (*domain, *(("--dashboard",) if web.dashboard else ()), *(("--expose",) if web.expose else ()))


def web_change(web: Web) -> tuple[str, ...]:
    """The script's options for what the world shall see, and nothing else, whatever it saw before."""
    domain = ("--domain", web.domain) if web.domain else ("--no-domain",)
    return (
        *domain,
        "--dashboard" if web.dashboard else "--no-dashboard",
        "--expose" if web.expose else "--no-expose",
    )


def ports(web: Web) -> tuple[int, ...]:
    """The TCP ports that a firewall in front of the host has to let through."""
    return (22, *((80, 443) if web.domain else ()), *((PUBLIC_PORT,) if web.expose else ()))


def as_root(user: str) -> list[str]:
    """What goes before a command that needs root. `-n`: a question for a password would wait for ever."""
    return [] if user == "root" else ["sudo", "-n", "--"]


def packages(text: bytes | None = None) -> tuple[str, ...]:
    """The packages that the script would install on an empty machine, from the table in it."""
    source = (script() if text is None else text).decode()
    table = source.split("\nNEEDED='\n", 1)[1].split("\n'\n", 1)[0]
    return (*(line.split()[1] for line in table.splitlines()), "python3-venv")
