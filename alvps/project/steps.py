"""What is done in the container before and after the agent's work: `[[preflight]]` and `hooks`."""

from __future__ import annotations

import posixpath
from typing import Any

from alvps.project import fields
from alvps.project.model import Step
from alvps.project.report import At, shown
from alvps.project.schema import Check, Values, boolean, choice, integer, items, prose, table, text

TIMEOUT = integer(1, 24 * 3600, "seconds")
MOST = 100


def _any_table(value: object, at: At) -> Values | None:
    if isinstance(value, dict):
        return value  # judged by the step's provider
    at.say(f"{shown(value)} is not allowed; allowed: a table")
    return None


def _below_tmp(value: object, at: At) -> str | None:
    """A path to write to: only /tmp can be written, and that is where steps run."""
    path: str | None = _PATH(value, at)
    if path is None or "${" in path or posixpath.normpath(posixpath.join("/tmp", path)).startswith("/tmp/"):  # noqa: S108 - in the container
        return path
    at.say(f"{shown(path)} is not allowed: nothing else can be written; allowed: a path below /tmp")
    return None


_COMMAND = prose(allowed="a shell command")
_HOOKS = items(_COMMAND, example='["make setup"]', most=MOST)
# Texts may hold ${VAR}, which is replaced in the container; so an address or a path can only be judged there.
_WORD = text(longest=4096)
_PATH = text(pattern=r"[^-].*", allowed="a path below /tmp", longest=4096)
_ADDRESS = text(pattern=r"(https?://|\$\{).*", allowed="an address such as https://host.example/x", longest=4096)
# No leading hyphen: these become words of git's command line.
_REPO = text(pattern=r"[^-].*", allowed='an address that git knows, or "owner/repo"', longest=4096)
_PARAMS: dict[str, tuple[dict[str, Check], dict[str, str]]] = {
    "shell": (
        {"command": _COMMAND, "output": _below_tmp},
        {"command": "a shell command"},
    ),
    "http": (
        {
            "url": _ADDRESS,
            "output": _below_tmp,
            "method": choice("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"),
            "headers": fields.headers,
            "body": prose(longest=1 << 20),
        },
        {"url": "the address", "output": "the file that the answer is written to"},
    ),
    "git-clone": (
        {"repo": _REPO, "dest": _below_tmp, "branch": text(pattern=r"[^-].*", allowed="a branch or tag", longest=500),
         "depth": integer(1, 1_000_000, "commits")},
        {"repo": 'an address that git knows, or "owner/repo"', "dest": "the folder to clone into"},
    ),
}  # fmt: skip
_CHECKS = {provider: table(keys, required=required) for provider, (keys, required) in _PARAMS.items()}
_STEP = table(
    {
        "provider": choice(*_PARAMS),
        "required": boolean,
        "params": _any_table,
        "timeout": TIMEOUT,
    },
    required={"provider": ", ".join(f'"{provider}"' for provider in _PARAMS)},
    refused={
        key: f"does not belong here; allowed: in the step's params, params = {{ {key} = … }}"
        for keys, _ in _PARAMS.values()
        for key in keys
    },
)
HOOKS = table({"pre": _HOOKS, "post": _HOOKS})


def preflight(value: object, at: At) -> tuple[Step, ...] | None:
    """`[[preflight]]`, in order."""
    found: tuple[Step, ...] | None = items(_step, example="[[preflight]] tables", most=MOST)(value, at)
    return found


def before(values: Values) -> tuple[Step, ...]:
    """What comes before the agent's work: the preflight, then the hooks."""
    hooks = values.get("hooks", {}).get("pre", ())
    return (*values.get("preflight", ()), *(Step(provider="shell", params={"command": hook}) for hook in hooks))


def after(values: Values) -> tuple[Step, ...]:
    """What comes after it. The work is done then, so a hook that fails is only said."""
    hooks = values.get("hooks", {}).get("post", ())
    return tuple(Step(provider="shell", params={"command": hook}, required=False) for hook in hooks)


def _step(value: object, at: At) -> Step | None:
    values: Values | None = _STEP(value, at)
    if values is None or not isinstance(value, dict) or "provider" not in values:
        return None
    if "params" in value and "params" not in values:
        return None  # no table, which was said
    provider = values["provider"]
    params: Any = _CHECKS[provider](values.get("params", {}), at.key("params"))
    return Step(
        provider=provider,
        params=params or {},
        required=values.get("required", True),
        timeout=values.get("timeout", 300),
    )
