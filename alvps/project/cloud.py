"""`[cloud]`: a server that is named as the Node system's documents do, in a project's own files or an environment's.

With provider "vps" it says how to reach a server, and so it is an environment, in a project one without a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alvps.project import fields
from alvps.project.environment import SERVER, Environment, parse
from alvps.project.layers import Layers
from alvps.project.report import At
from alvps.project.schema import Check, Values, choice, table

CLOUD = "cloud"  # the key, and the name of that environment
_VPS = "vps"
_MISSING = {"provider": f'"{_VPS}"', "host": "a host name or an address"}
_LATER = ("cloud-run", "ecs")
_SSH = {"sshUser": "user", "sshPort": "port", "sshKeyPath": "keyPath"}  # as an environment file has them
_NOTED = (  # of a server that the Node system rented
    "vultrInstanceId",
    "vultrRegion",
    "hetznerServerId",
    "hetznerLocation",
    "cloudflareZoneId",
    "cloudflareDnsRecordId",
    "cloudflareHostname",
)
_KEYS: dict[str, Check] = {
    "provider": choice(_VPS),
    "host": SERVER["host"],
    **{key: SERVER[ours] for key, ours in _SSH.items()},
    **{key: SERVER[key] for key in _NOTED},
}
_TABLE = table(_KEYS, refused={"gatewayUrl": "does not belong here: commands reach the server through SSH"})


def check(value: object, at: At) -> Values | None:
    """The table in one file."""
    provider = value.get("provider") if isinstance(value, dict) else None
    if provider in _LATER:
        # Its other keys are that provider's; none of them is wrong.
        at.key("provider").say(f'"{provider}" is {fields.UNSUPPORTED}; allowed: "{_VPS}"')
        return None
    found: Values | None = _TABLE(value, at)
    return found


def environment(root: Path, layers: Layers) -> Environment | None:
    """What `[cloud]` in both files of the project in `root` means together; None without one, or when it is wrong."""
    part = layers.part(CLOUD)
    if part is None:
        return None
    for key in (key for key in _MISSING if key not in part.written):
        part.at(key).say(f"missing; allowed: {_MISSING[key]}")
    if not _MISSING.keys() <= part.values.keys():
        return None
    return parse(CLOUD, {"server": _server(part.values)}, part.at(), beside=root)


def translated(raw: dict[str, Any], at: At) -> dict[str, Any]:
    """An environment's file with `[server]` for its `[cloud]`, if that is what it has."""
    if CLOUD not in raw or "server" in raw:
        return raw
    found = check(raw[CLOUD], at.key(CLOUD)) or {}
    if not at.problems and "host" not in found:
        at.below(CLOUD, "host").say(f"missing; allowed: {_MISSING['host']}")
    return {**{key: value for key, value in raw.items() if key != CLOUD}, "server": _server(found)}


def _server(values: Values) -> dict[str, Any]:
    return {_SSH.get(key, key): value for key, value in values.items() if key != "provider"}
