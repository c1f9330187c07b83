"""One environment as its file says it: the model, and the file's text. Nothing here is on a disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alvps.project.fields import UNSUPPORTED
from alvps.project.report import At
from alvps.project.schema import Check, Values, boolean, choice, integer, items, table, text

PROVIDERS = ("existing", "local", "hetzner", "vultr")
# RFC 1123, without the dot at the end.
DOMAIN = r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?"

_PATH = text(allowed="a path", longest=4096)
_HOST = "a host name or an address"
_ID = text(pattern=r"[A-Za-z0-9][A-Za-z0-9-]*", allowed="an id", longest=64)
_NUMBER = integer(1, 2**63 - 1)
_DOMAIN = text(pattern=DOMAIN, allowed="a domain in lower case, as in agents.example.com", longest=253)
SERVER: dict[str, Check] = {
    # No leading hyphen anywhere: these become words of command lines.
    "host": text(pattern=r"[A-Za-z0-9_.:\[\]%][A-Za-z0-9_.:\[\]%-]*", allowed=_HOST, longest=255),
    "user": text(pattern=r"[A-Za-z0-9_.][A-Za-z0-9_.@\\+-]*", allowed="a user's name", longest=64),
    "port": integer(1, 65535),
    "keyPath": _PATH,
    "knownHosts": _PATH,
    # A key of the Node system; the units know one place.
    "basePath": choice("/opt/action-llama"),
    "provider": choice(*PROVIDERS),
    # Where the Node system keeps what it made. Read, and written as the tables below.
    "hetznerServerId": _NUMBER,
    "hetznerLocation": _ID,
    "vultrInstanceId": _ID,
    "vultrRegion": _ID,
    "cloudflareZoneId": _ID,
    "cloudflareDnsRecordId": _ID,
    "cloudflareHostname": _DOMAIN,
    "expose": boolean,
}
_ENVIRONMENT = table(
    {
        "server": table(SERVER),
        "local": table({"container": text(pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*", allowed="a container's name")}),
        "rented": table(dict.fromkeys(("server", "sshKey", "firewall", "region", "instance"), _ID)),
        "web": table({"domain": _DOMAIN, "dashboard": boolean, "expose": boolean}),
        "dns": table(
            {
                "provider": choice("cloudflare"),
                "zone": _ID,
                "records": items(_ID, example='records = ["372e67954025e0ba6aaa6d586b9e0b59"]', most=8),
            }
        ),
    },
    refused=dict.fromkeys(("gateway", "telemetry", "model", "models", "webhooks", "cloud", "agents"), UNSUPPORTED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rented:
    """What a cloud provider made for an environment: ids as that provider writes them.

    `instance`: random, a label of everything that was made, so that a thing of the same name that is not ours is told
    apart. None: not made, or (from a file of the Node system) not known.
    """

    server: str
    ssh_key: str | None = None
    firewall: str | None = None
    region: str | None = None
    instance: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """What the host shows the world.

    `domain`: HTTPS for webhooks and health under this name. `dashboard`: that as well. `expose`: without a domain, the
    public listener itself, over HTTP.
    """

    domain: str | None = None
    dashboard: bool = False
    expose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """Address records that were made for the domain, by their ids at the provider of the zone."""

    zone: str
    records: tuple[str, ...] = ()
    provider: str = "cloudflare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One host, and how to reach it. `container`: the container that plays the host, for provider "local"."""

    name: str
    host: str
    user: str = "root"
    port: int = 22
    key_path: Path | None = None
    known_hosts: Path | None = None
    provider: str = "existing"
    container: str | None = None
    rented: Rented | None = None
    web: Web = Web()
    dns: Dns | None = None


def parse(name: str, raw: dict[str, object], at: At, *, beside: Path) -> Environment | None:
    """The environment that the file's tables describe; what is wrong is said at its place.

    beside: the folder that relative paths start from.
    """
    values: Values = _ENVIRONMENT(raw, at) or {}
    server = values.get("server", {})
    if "host" not in server:
        written = raw.get("server")
        if not (isinstance(written, dict) and "host" in written):
            at.key("server").key("host").say(f"missing; allowed: {_HOST}")
        return None
    web = values.get("web", {})
    return Environment(
        name=name,
        host=server["host"],
        user=server.get("user", "root"),
        port=server.get("port", 22),
        key_path=_path(beside, server.get("keyPath")),
        known_hosts=_path(beside, server.get("knownHosts")),
        provider=server.get("provider", _rented_from(server) or "existing"),
        container=values.get("local", {}).get("container"),
        rented=_rented(server, values.get("rented"), at),
        web=Web(
            domain=web.get("domain", server.get("cloudflareHostname")),
            dashboard=web.get("dashboard", False),
            expose=web.get("expose", server.get("expose", False)),
        ),
        dns=_dns(server, values.get("dns"), at),
    )


def render(environment: Environment) -> str:
    """The file's text."""
    rented, web, dns = environment.rented, environment.web, environment.dns
    tables: dict[str, Mapping[str, object]] = {
        "server": {
            "host": environment.host,
            "user": environment.user,
            "port": environment.port,
            "keyPath": environment.key_path,
            "knownHosts": environment.known_hosts,
            "provider": environment.provider,
        },
        "local": {"container": environment.container},
    }
    if rented is not None:
        tables["rented"] = {
            "server": rented.server,
            "sshKey": rented.ssh_key,
            "firewall": rented.firewall,
            "region": rented.region,
            "instance": rented.instance,
        }
    tables["web"] = {"domain": web.domain, "dashboard": web.dashboard or None, "expose": web.expose or None}
    if dns is not None:
        tables["dns"] = {"provider": dns.provider, "zone": dns.zone, "records": dns.records}
    return "\n".join(filter(None, (_table(name, values) for name, values in tables.items())))


def _rented_from(server: Values) -> str | None:
    """Which provider a file of the Node system is about."""
    return "hetzner" if "hetznerServerId" in server else "vultr" if "vultrInstanceId" in server else None


def _rented(server: Values, ours: Values | None, at: At) -> Rented | None:
    if ours is None:
        theirs = _rented_from(server)
        if theirs is None:
            return None
        one = {"hetzner": ("hetznerServerId", "hetznerLocation"), "vultr": ("vultrInstanceId", "vultrRegion")}[theirs]
        return Rented(server=str(server[one[0]]), region=server.get(one[1]))
    if "server" not in ours:
        at.key("rented").key("server").say("missing; allowed: an id")
        return None
    return Rented(
        server=ours["server"],
        ssh_key=ours.get("sshKey"),
        firewall=ours.get("firewall"),
        region=ours.get("region"),
        instance=ours.get("instance"),
    )


def _dns(server: Values, ours: Values | None, at: At) -> Dns | None:
    if ours is None:
        zone, record = server.get("cloudflareZoneId"), server.get("cloudflareDnsRecordId")
        return Dns(zone=zone, records=(record,) if record else ()) if zone else None
    if "zone" not in ours:
        at.key("dns").key("zone").say("missing; allowed: an id")
        return None
    return Dns(zone=ours["zone"], records=ours.get("records", ()), provider=ours.get("provider", "cloudflare"))


def _path(beside: Path, written: str | None) -> Path | None:
    return None if written is None else beside / Path(written).expanduser()


def _table(name: str, values: Mapping[str, object]) -> str:
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
    return "\n".join([f"[{name}]", *lines]) + "\n" if lines else ""


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # JSON's strings are TOML's, but for DEL, which TOML wants escaped as well.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
