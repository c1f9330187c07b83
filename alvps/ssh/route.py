"""Which way leads to the host: its own settings and those of every hop before it.

ProxyJump is followed as ssh does: the last hop of `a,b` is reached through `a`, the first by its own configuration
(which may name hops again).
"""

from __future__ import annotations

import getpass
import os
import pwd
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from alvps.errors import HostUnreachable, UsageError
from alvps.ssh.settings import Settings, parse, query_argv
from alvps.ssh.target import Target

MAX_HOPS = 8
_QUERY_SECONDS = 10.0  # `Match exec` runs the user's commands; DNS may be asked for canonical names


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The hops in the order in which they are opened; the last one is the target."""

    hops: tuple[Settings, ...]

    @property
    def target(self) -> Settings:
        return self.hops[-1]


class Query:
    """One running `ssh -G`. Started at once, so that it works while the caller imports what comes next."""

    def __init__(self, target: Target, *, proxy_jump: str | None = None) -> None:
        """Raises UsageError when the host's name cannot be one, HostUnreachable when there is no ssh program."""
        if not target.host or re.search(r"[\s\x00-\x1f]", target.host):
            raise UsageError(f"{target.host!r} is not the name of a host")
        self._target = target
        try:
            self._process = subprocess.Popen(
                query_argv(target, proxy_jump=proxy_jump),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError:
            raise HostUnreachable(
                f"cannot resolve the ssh settings of {target.host}: there is no `ssh` program on this machine",
                hint="install the OpenSSH client (openssh-client); al reads ~/.ssh/config through `ssh -G`",
            ) from None

    def settings(self) -> Settings:
        """Wait for the answer. Raises UsageError with ssh's own words when it refuses."""
        with self._process as process:
            try:
                out, err = process.communicate(timeout=_QUERY_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise HostUnreachable(
                    f"step ssh configuration: `ssh -G {self._target.host}` took more than {_QUERY_SECONDS:.0f} s",
                    hint="a `Match exec` command or a name server may hang; try that command yourself",
                ) from None
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            said = err.decode(errors="replace").strip()
            raise UsageError(f"ssh does not accept {self._target.host!r} or its configuration", detail=said or None)
        return parse(
            out.decode(errors="surrogateescape"),
            self._target,
            home=_home(),
            environ=os.environ,
            local_user=getpass.getuser(),
        )

    def kill(self) -> None:
        """Stop asking."""
        self._process.kill()


def find(query: Query, target: Target) -> Route:
    """Wait for the target's settings and ask for those of the hops. Raises UsageError on a ProxyJump that loops."""
    return Route(hops=_follow(query.settings(), target, depth=0))


def jump_hops(value: str) -> tuple[tuple[str | None, str, int | None], ...]:
    """`[user@]host[:port],…` or `ssh://…` as (user, host, port). Raises UsageError on what is neither."""
    hops = []
    for hop in value.split(","):
        text = hop.strip().removeprefix("ssh://")
        match = re.fullmatch(
            r"(?:(?P<user>.+)@)?(?P<host>\[[^\]]+\]|[^:\[\]]+|[0-9A-Fa-f:.]+)(?::(?P<port>\d+))?", text
        )
        if match is None:
            raise UsageError(f"ProxyJump {value!r}: {hop!r} is not [user@]host[:port]")
        port = match["port"]
        hops.append((match["user"], match["host"].strip("[]"), int(port) if port else None))
    return tuple(hops)


def _home() -> Path:
    """As ssh has it: of the account, whatever HOME says."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path.home()


def _follow(settings: Settings, target: Target, *, depth: int) -> tuple[Settings, ...]:
    # `Host *` with `ProxyJump bastion` matches the bastion as well; OpenSSH starts itself without end there.
    if settings.proxy_jump is None or _names_itself(settings, settings.proxy_jump):
        return (replace(settings, proxy_jump=None),)
    if depth >= MAX_HOPS:
        raise UsageError(
            f"ProxyJump of {target.host} leads over more than {MAX_HOPS} hops; it probably loops",
            hint="give the hop itself `ProxyJump none` in the ssh configuration",
        )
    before, comma, last = settings.proxy_jump.rpartition(",")
    ((user, host, port),) = jump_hops(last)
    # The target's own key and pin do not apply to hops; its configuration file does.
    hop = Target(host, user=user, port=port, ssh_config=target.ssh_config)
    hop_settings = Query(hop, proxy_jump=before if comma else None).settings()
    return (*_follow(hop_settings, hop, depth=depth + 1), settings)


def _names_itself(settings: Settings, jump: str) -> bool:
    hops = jump_hops(jump)
    return len(hops) == 1 and hops[0][1] in {settings.host, settings.hostname}
