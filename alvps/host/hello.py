"""What does the laptop say at the start of a push, and is that already so on this host?"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from alvps.host import credentials, dependencies, fsio, manifest, releases, serving
from alvps.host.layout import Layout
from alvps.host.manifest import Entry
from alvps.host.releases import Release

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
PROTOCOL = 1


class BadHello(ValueError):
    """The first message of a push is not one."""


class Hello(NamedTuple):
    """The laptop's side of the comparison, checked."""

    project: str
    agents: list[dict[str, Any]]  # name, folder, credentials ("type/instance", sorted), llm
    gateway: list[str]  # the credentials that deliveries are checked with, "gateway:type/instance", sorted
    digest: str  # of the project's tree; for one agent, of its folder
    code: str
    requirements: str
    bootstrap: str
    credentials: dict[str, str]  # "type/instance" -> digest
    credential_set: str  # the name of the set that these make
    scope: str | None  # the name of the only agent that is pushed
    replace: bool  # another project may be live
    rebuild: bool  # images are built anew although none of their inputs changed
    by: str
    version: str
    buckets: bytes  # of the whole project
    entries: tuple[Entry, ...]  # of one agent's folder, if only that is pushed


def parse(message: dict[str, Any], blob: bytes) -> Hello:
    """The message as a Hello. Raises BadHello, manifest.BadManifest, credentials.BadCredential."""
    if message.get("protocol") != PROTOCOL:
        raise BadHello(f"the laptop speaks protocol {message.get('protocol')!r}, this receiver {PROTOCOL}")
    scope = message.get("scope")
    agents = [_agent(item) for item in _list(message, "agents")]
    digests = message.get("credentials")
    if not isinstance(digests, dict):
        raise BadHello("'credentials' is not an object")
    if scope is not None and [agent["name"] for agent in agents] != [scope]:
        raise BadHello("a push of one agent says nothing but that agent")
    return Hello(
        project=_name(message.get("project")),
        agents=agents,
        gateway=sorted(_for_gateway(name) for name in _list(message, "gateway")),
        digest=manifest.check_digest(message.get("digest")),
        code=manifest.check_digest(message.get("code")),
        requirements=manifest.check_digest(message.get("requirements")),
        bootstrap=manifest.check_digest(message.get("bootstrap")),
        credentials={credentials.check_name(name): manifest.check_digest(value) for name, value in digests.items()},
        credential_set=str(message.get("credential_set", "")),
        scope=scope,
        replace=message.get("replace") is True,
        rebuild=message.get("rebuild") is True,
        by=str(message.get("by", ""))[:200],
        version=str(message.get("version", ""))[:50],
        buckets=b"" if scope is not None else blob,
        entries=_inside(manifest.decode(blob), agents[0]["folder"]) if scope is not None else (),
    )


def is_live(layout: Layout, hello: Hello, live: Release | None) -> bool:
    """Whether what the laptop has is what `current` points at, to the last byte. Does not ask whether it is ready."""
    if live is None or live.text("project") != hello.project or bootstrap_differs(layout, hello) or hello.rebuild:
        return False
    if hello.scope is not None:
        known = {agent.get("name"): agent for agent in live.agents}
        if known.get(hello.scope) != hello.agents[0]:
            return False
        if manifest.tree_digest(scoped_entries(live.manifest(), hello)) != live.text("project_digest"):
            return False
        here = credentials.live(layout).values  # last: it may have to be decrypted
        return not wanted_credentials(hello, here)
    return (
        live.text("project_digest") == hello.digest
        and live.text("code_digest") == hello.code
        and live.text("venv_digest") == dependencies.name_of(hello.requirements)
        and live.agents == hello.agents
        and live.texts("gateway") == hello.gateway
        and credentials.is_set(credentials.current(layout), hello.credential_set)
    )


def unchanged(layout: Layout, hello: Hello) -> dict[str, Any] | None:
    """The answer to a push of what is live, and served by the daemon, already. None if there is something to do."""
    live = releases.live(layout)
    if live is None or not is_live(layout, hello, live) or serving.ready(layout, live.id):
        return None
    return {"t": "done", "result": "unchanged", "release": live.id, "serving": live.id}


def bootstrap_differs(layout: Layout, hello: Hello) -> bool:
    """Whether another version of the bootstrap script than the laptop's was the last to run to its end."""
    return (fsio.read_json(layout.bootstrap) or {}).get("digest") != hello.bootstrap


def scoped_entries(live: tuple[Entry, ...], hello: Hello) -> tuple[Entry, ...]:
    """The live release's files with one agent's folder exchanged. Raises BadHello if the live ones are not known."""
    if not live:
        raise BadHello("the live release's list of files is damaged: push the whole project")
    folder = f"{hello.agents[0]['folder']}/"
    return manifest.checked([*(entry for entry in live if not entry.path.startswith(folder)), *hello.entries])


def merged_agents(live: Release, hello: Hello) -> list[dict[str, Any]]:
    """The live release's agents with one exchanged or added."""
    others = [agent for agent in live.agents if agent.get("name") != hello.scope]
    return sorted([*others, *hello.agents], key=lambda agent: str(agent["name"]))


def wanted_credentials(hello: Hello, here: credentials.Values) -> list[str]:
    """The credentials whose values must travel to a host that has these."""
    have = credentials.digests(here)
    return sorted(name for name, digest in hello.credentials.items() if have.get(name) != digest)


def names_of_release(name: object) -> str:
    """A release id from a message. Raises BadHello."""
    if not isinstance(name, str) or not releases.is_id(name):
        raise BadHello(f"{name!r} is no release")
    return name


def _inside(entries: tuple[Entry, ...], folder: str) -> tuple[Entry, ...]:
    for entry in entries:
        if not entry.path.startswith(f"{folder}/"):
            raise BadHello(f"{entry.path!r} is not in the agent's folder {folder!r}")
    return entries


def _agent(item: object) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise BadHello("an agent is not an object")
    folder = item.get("folder")
    manifest.check_path(folder if isinstance(folder, str) else "")
    declared = sorted(credentials.check_name(name) for name in _list(item, "credentials"))
    if any(name.startswith(credentials.GATEWAY) for name in declared):
        raise BadHello("an agent declares a credential of the gateway")
    return {
        "name": _name(item.get("name")),
        "folder": folder,
        "credentials": declared,
        "llm": item.get("llm") is True,
    }


def _for_gateway(name: object) -> str:
    if not isinstance(name, str) or not name.startswith(credentials.GATEWAY):
        raise BadHello(f"{name!r} is no credential of the gateway")
    return credentials.check_name(name)


def _name(value: object) -> str:
    if not isinstance(value, str) or len(value) > 63 or not _NAME.match(value):
        raise BadHello(f"{value!r} is no name")
    return value


def _list(message: dict[str, Any], key: str) -> list[Any]:
    value = message.get(key)
    if not isinstance(value, list) or len(value) > 100_000:
        raise BadHello(f"{key!r} is not a list")
    return value
