"""What would a push do? Pure: the laptop's side and the host's side in, a plan out."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from alvps.host import imageplan
from alvps.host.manifest import Entry, decode

if TYPE_CHECKING:
    from alvps.push.wanted import Wanted

Action = Literal["nothing", "reload", "restart", "first start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would change on the host. Credentials by name ("type/instance"), images by what they are for."""

    live: str | None
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    bytes: int  # of the files that travel, before compression
    images: tuple[str, ...]
    credentials_added: tuple[str, ...]
    credentials_changed: tuple[str, ...]
    credentials_removed: tuple[str, ...]
    code: bool  # alvps itself is another version than the live release's
    dependencies: bool  # they would be installed
    bootstrap: bool  # the host's bootstrap would run
    other_project: str | None  # the host runs this project, and the push would be refused
    action: Action

    @property
    def changes(self) -> bool:
        """Whether a file, a credential or an image differs."""
        files = self.added or self.changed or self.removed
        return bool(
            files or self.images or self.credentials_added or self.credentials_changed or self.credentials_removed
        )

    @property
    def is_empty(self) -> bool:
        """Whether a push would change nothing."""
        return self.action == "nothing"

    def to_json(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)

    def lines(self) -> list[str]:
        """As a person reads it, without colours."""
        lines = [f"+ {path}" for path in self.added]
        lines += [f"~ {path}" for path in self.changed]
        lines += [f"- {path}" for path in self.removed]
        lines += [f"+ credential {name}" for name in self.credentials_added]
        lines += [f"~ credential {name}" for name in self.credentials_changed]
        lines += [f"- credential {name}" for name in self.credentials_removed]
        lines += [f"build the image of {what}" for what in self.images]
        lines += ["update alvps on the host"] if self.code and self.live else []
        lines += ["install its dependencies"] if self.dependencies else []
        lines += ["run the host's bootstrap"] if self.bootstrap else []
        if self.other_project:
            lines.append(f"! the host runs the project {self.other_project!r}; this needs --replace")
        lines.append(_ACTIONS[self.action])
        return lines


_ACTIONS = {
    "nothing": "nothing to do: it is live",
    "reload": "the daemon takes it up without a restart",
    "restart": "launcher and daemon are restarted; runs go on",
    "first start": "launcher and daemon are started for the first time",
}


def make(wanted: Wanted, state: dict[str, Any], manifest: bytes) -> Plan:
    """Compare what is wanted with what the host's `state` says."""
    live: dict[str, Any] | None = state.get("live")
    have = decode(manifest) if manifest else ()
    entries = _whole(wanted, have)
    before, after = {entry.path: entry for entry in have}, {entry.path: entry for entry in entries}
    changed = sorted(path for path in after.keys() & before.keys() if after[path] != before[path])
    here = {entry.sha256 for entry in have}
    travels = {entry.sha256: entry.size for entry in entries if entry.sha256 not in here}
    agents = _agents(wanted, live)
    images = imageplan.plan(wanted.project, agents, entries, wanted.code.entries, str(state.get("surroundings")))
    there = set(state.get("images") or ())
    had, want = dict(state.get("credentials") or {}), wanted.credential_digests
    declared = {name for agent in agents for name in agent["credentials"]}
    new_code = live is None or (wanted.scope is None and live.get("code_digest") != wanted.code.digest)
    new_venv = live is None or (wanted.scope is None and live.get("venv_digest") != state.get("venv_name"))
    partial = Plan(
        live=live.get("id") if live else None,
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(changed),
        removed=tuple(sorted(before.keys() - after.keys())),
        bytes=sum(travels.values()),
        images=tuple(image.what for image in images.images if image.tag not in there),
        credentials_added=tuple(sorted(want.keys() - had.keys())),
        credentials_changed=tuple(sorted(n for n in want.keys() & had.keys() if want[n] != had[n])),
        credentials_removed=tuple(sorted(had.keys() - declared)),
        code=new_code,
        dependencies=new_venv and not state.get("venv"),
        bootstrap=state.get("bootstrap") != hashlib.sha256(wanted.bootstrap).hexdigest(),
        other_project=live["project"] if live and live.get("project") != wanted.project else None,
        action="nothing",
    )
    differs = partial.changes or partial.bootstrap or partial.other_project or state.get("ready")
    differs = differs or (live is not None and live.get("agent_facts") != agents)
    return replace(partial, action=_action(first=live is None, restart=new_code or new_venv, reload=bool(differs)))


def _action(*, first: bool, restart: bool, reload: bool) -> Action:
    if first:
        return "first start"
    if restart:
        return "restart"
    return "reload" if reload else "nothing"


def _whole(wanted: Wanted, have: tuple[Entry, ...]) -> tuple[Entry, ...]:
    if wanted.scope is None:
        return wanted.entries
    folder = f"{wanted.agents[0]['folder']}/"
    return (*(entry for entry in have if not entry.path.startswith(folder)), *wanted.entries)


def _agents(wanted: Wanted, live: dict[str, Any] | None) -> list[dict[str, Any]]:
    if wanted.scope is None or live is None:
        return wanted.agents
    others = [agent for agent in live.get("agent_facts") or [] if agent.get("name") != wanted.scope]
    return sorted([*others, *wanted.agents], key=lambda agent: str(agent["name"]))
