"""Projects, code and credentials for tests of a push; small, so that a whole push takes a fraction of a second."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alvps.host.manifest import Entry, tree_digest
from alvps.push import wanted as wanting
from alvps.push.code_tree import CodeTree, code_tree
from alvps.push.events import Event
from alvps.push.push import PushResult, _push
from alvps.push.session import HostSession
from alvps.push.wanted import Wanted
from tests.support.local_connection import LocalConnection
from tests.support.receiver import FakeHost

BOOTSTRAP = b"echo bootstrapped\n"


def small_code(folder: Path, **changed: str) -> CodeTree:
    """The receiver itself, units, the base image's files: a code tree that compiles quickly. `changed`: more files."""
    real = code_tree()
    wanted = ("alvps/__init__.py", "alvps/frames.py", "alvps/host/", "alvps/data/docker/", "alvps/agent/")
    files = {name: path for name, path in real.files.items() if name.startswith(wanted)}
    texts = {
        "alvps/data/host-requirements.txt": "",
        "alvps/data/systemd/action-llama.service": "[Service]\nType=notify\n",
        "alvps/data/systemd/action-llama-launcher.service": "[Service]\nType=notify\n",
        "alvps/data/systemd/action-llama.socket": "[Socket]\n",
        "alvps/data/docker/agent/Dockerfile": "FROM debian:bookworm-slim\n",
        "alvps/agent/__init__.py": "",
        **{name.replace("__", "/"): text for name, text in changed.items()},
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        files[name] = path
    entries = tuple(sorted(_entry(name, path) for name, path in files.items()))
    return CodeTree(entries, tree_digest(entries), files)


def write(folder: Path, files: dict[str, bytes | str]) -> Path:
    """Write files, and return the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


PROJECT: dict[str, bytes | str] = {
    "config.toml": 'name = "demo"\n',
    "agents/dev/ACTIONS.md": "# Do it\n",
    "agents/dev/agent-config.toml": "manual = true\n",
    "agents/dev/run.sh": "echo hello\n",
    "agents/ops/ACTIONS.md": "# Watch it\n",
    "shared/big.bin": bytes(range(256)) * 200,
}


def wanted(
    folder: Path,
    code: CodeTree,
    *,
    credentials: dict[str, dict[str, str]] | None = None,
    agents: dict[str, list[str]] | None = None,
    scope: str | None = None,
    project: str = "demo",
    bootstrap: bytes = BOOTSTRAP,
    gateway: dict[str, dict[str, str]] | None = None,
) -> Wanted:
    """What `wanting.read` would find in this folder, without its having to be a valid project."""
    values = credentials if credentials is not None else {"github_token/default": {"token": "canary-1"}}
    declared = agents if agents is not None else {"dev": sorted(values), "ops": []}
    entries = sorted(_entry(path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    if scope is not None:
        entries = [entry for entry in entries if entry.path.startswith(f"agents/{scope}/")]
        declared = {scope: declared[scope]}
        values = {name: values[name] for name in declared[scope]}
    secrets = {} if scope is not None else dict(gateway or {})
    return Wanted(
        project=project,
        folder=folder,
        agents=[
            {"name": n, "folder": f"agents/{n}", "credentials": sorted(c), "llm": False}
            for n, c in sorted(declared.items())
        ],
        gateway=sorted(secrets),
        scope=scope,
        entries=tuple(entries),
        code=code,
        bootstrap=bootstrap,
        values={**values, **secrets},
    )


def do_push(
    host: FakeHost,
    want: Wanted,
    *,
    connection: LocalConnection | None = None,
    progress: Callable[[Event], None] = lambda _: None,
    replace: bool = False,
    rebuild: bool = False,
    **layout: Any,
) -> PushResult:
    """One push over a fresh connection; the receiver has ended when this returns or raises."""
    with connection or LocalConnection() as line, _session(line, host, want, progress, layout) as session:
        return _push(session, want, progress, 0.0, replace=replace, rebuild=rebuild)


def _session(line: LocalConnection, host: FakeHost, want: Wanted, tell: Any, layout: dict[str, Any]) -> HostSession:
    return HostSession(line, layout={**host.layout, **layout}, tell=tell, code=want.code.digest)


def _entry(name: str, path: Path) -> Entry:
    content = path.read_bytes()
    mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    return Entry(name, mode, len(content), hashlib.sha256(content).hexdigest())


__all__ = ["BOOTSTRAP", "PROJECT", "do_push", "small_code", "wanted", "wanting", "write"]
