"""Which Docker engine is this machine's, and does it answer? The one that the `docker` command uses."""

from __future__ import annotations

import json
from contextlib import suppress

from alvps.errors import AlError
from alvps.host import process

_SECONDS = 15.0
_HINT = "is Docker installed and running, and may you use it? (group docker; `docker info` must work)"


def socket() -> str:
    """The engine's address, "unix://…". Raises AlError when it is not on this machine or does not answer."""
    try:
        found = process.run(["docker", "context", "inspect"], timeout=_SECONDS, merge=False).output
        address = str(json.loads(found)[0]["Endpoints"]["docker"]["Host"])
        process.run(["docker", "version", "--format", "{{.Server.Version}}"], timeout=_SECONDS)
    except process.ProgramFailed as error:
        last = error.tail.strip().splitlines()[-1:] or [str(error).replace("on the host", "on this machine")]
        raise AlError(f"Docker does not answer on this machine: {last[0]}", hint=_HINT) from error
    except (ValueError, LookupError, TypeError) as error:
        raise AlError("the docker command does not say which engine it uses", hint=_HINT) from error
    if not address.startswith("unix://"):
        raise AlError(
            f"the docker command uses {address}, which is not on this machine",
            hint="unset DOCKER_HOST, or `docker context use default`; for another machine: al provision existing HOST",
        )
    return address


def in_use(network: str) -> set[str]:
    """The releases of the runs in that network. Raises AlError when Docker does not answer."""
    argv = ["docker", "ps", "-a", "--filter", f"network={network}", "--format", '{{.Label "al.release"}}']
    try:
        return set(process.run(argv, timeout=_SECONDS, merge=False).output.decode().split())
    except process.ProgramFailed as error:
        raise AlError(f"Docker does not answer on this machine: {error}", hint=_HINT) from error


def drop_network(name: str) -> None:
    """Remove the runs' network, if no run is left in it: an engine has room for some thirty."""
    with suppress(process.ProgramFailed):
        process.run(["docker", "network", "rm", name], timeout=_SECONDS, check=False)
