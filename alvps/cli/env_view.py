"""An environment as `al env list` and `al env show` tell it: facts, then lines. Nothing secret is among them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alvps.cli.terminal import table
from alvps.project.environment import Environment


def row(environment: Environment, *, meant: bool) -> dict[str, Any]:
    """What the list says of one."""
    host = f"[{environment.host}]" if ":" in environment.host else environment.host
    return {
        "name": environment.name,
        "provider": environment.provider,
        "host": environment.host,
        "user": environment.user,
        "port": environment.port,
        "address": f"{environment.user}@{host}:{environment.port}",
        "domain": environment.web.domain,
        "meant": meant,
    }


def broken(name: str, problem: str) -> dict[str, Any]:
    """What the list says of one whose file is wrong."""
    return {"name": name, "meant": False, "problem": problem}


def listed(rows: list[dict[str, Any]]) -> str:
    """The list for a person; the one that commands in this folder mean has a mark."""
    cells = []
    for one in rows:
        mark = "*" if one["meant"] else ""
        if "problem" in one:
            cells.append((mark, one["name"], "–", f"! {one['problem']}", ""))
        else:
            cells.append((mark, one["name"], one["provider"], one["address"], one["domain"] or ""))
    return table(("", "NAME", "PROVIDER", "HOST", "DOMAIN"), cells)


def facts(environment: Environment, *, meant: bool, file: Path | None) -> dict[str, Any]:
    """Everything about one. Reads its pinned keys and the public half of its key pair."""
    return {
        **row(environment, meant=meant),
        "file": str(file) if file else None,
        "container": environment.container,
        "key": _key(environment.key_path),
        "pinned": _pinned(environment.known_hosts),
        "rented": asdict(environment.rented) if environment.rented else None,
        "web": asdict(environment.web),
        "dns": asdict(environment.dns) if environment.dns else None,
    }


def shown(found: dict[str, Any]) -> str:
    """The facts for a person."""
    key, pinned, rented, web, dns = (found[name] for name in ("key", "pinned", "rented", "web", "dns"))
    key_line = f"{key['path']}  {key['fingerprint'] or '! ' + key['problem']}" if key else "from your ssh configuration"
    lines = [
        ("name", found["name"] + (" (what commands in this folder mean)" if found["meant"] else "")),
        ("file", found["file"] or "none: it is [cloud] in the project's files"),
        ("provider", found["provider"]),
        ("host", found["address"]),
        ("container", found["container"]),
        ("key", key_line),
    ]
    if pinned is None:
        lines.append(("host key", "your known_hosts decides"))
    else:
        lines += [("host key", one) for one in pinned["keys"]] or [("host key", f"! {pinned['file']} has none")]
    if rented:
        lines += [(name.replace("_", " "), value) for name, value in rented.items()]
    lines += [("domain", web["domain"]), ("dashboard", "under the domain" if web["dashboard"] else None)]
    lines.append(("exposed", "the listener, over HTTP" if web["expose"] else None))
    if dns:
        lines.append(("dns", f"{dns['provider']}, zone {dns['zone']}, records {', '.join(dns['records']) or 'none'}"))
    width = max(len(name) for name, _ in lines) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in lines if value)


def _key(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    from alvps.ssh.keyfile import public_blob

    blob = public_blob(path)
    problem = None if blob else ("its public half is not to be found" if path.exists() else "there is no such file")
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=") if blob else None
    return {"path": str(path), "fingerprint": fingerprint, "problem": problem}


def _pinned(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    from alvps.ssh.known_hosts import parse

    try:
        entries = parse(file.read_text(errors="replace"), str(file))
    except OSError:
        entries = ()
    return {"file": str(file), "keys": [f"{one.key.short_type} {one.key.fingerprint}" for one in entries]}
