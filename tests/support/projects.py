"""Projects made for one test."""

from __future__ import annotations

import json
from pathlib import Path


def toml(value: object) -> str:
    """A value as TOML writes it; tables inline (strings, numbers and booleans are the same in JSON)."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def write_project(folder: Path, agents: dict[str, dict[str, object]], **config: object) -> Path:
    """Write a project. An agent's entry holds its agent-config keys, and what `write_agent` takes besides."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"name": "demo", **config}
    (folder / "config.toml").write_text("".join(f"{key} = {toml(value)}\n" for key, value in settings.items()))
    for name, given in agents.items():
        write_agent(folder, name, **given)
    return folder


def write_agent(
    folder: Path,
    name: str,
    *,
    script: str | None = None,
    actions: str | None = None,
    files: dict[str, str] | None = None,
    **keys: object,
) -> None:
    """Write one agent. Its harness runs `script` with sh, unless it has `models`; `actions` is its ACTIONS.md."""
    agent = folder / "agents" / name
    agent.mkdir(parents=True, exist_ok=True)
    (agent / "ACTIONS.md").write_text(actions or f"# {name}\n")
    for path, text in (files or {}).items():
        (agent / path).write_text(text)
    if not {"schedule", "webhooks"} & set(keys):
        keys.setdefault("manual", True)
    lines = [f"{key} = {toml(value)}\n" for key, value in keys.items()]
    if "models" not in keys:
        (agent / "run.sh").write_text((script or "true") + "\n")
        lines.append('\n[harness]\ncommand = ["sh", "run.sh"]\n')
    (agent / "agent-config.toml").write_text("".join(lines))
