"""What `ssh -G` says about a host, as data: the argument vector that asks, and the parser of the answer.

The user's ssh configuration has Include, Match, canonicalisation, ProxyJump and more; only ssh itself reads it right.
Names and meaning of the keywords: ssh_config(5).
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from alvps.errors import UsageError
from alvps.ssh.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One host's settings, tokens and `~` expanded, `none` turned into None or ()."""

    host: str  # as asked for
    hostname: str
    user: str
    port: int
    proxy_jump: str | None = None
    proxy_command: str | None = None
    identity_files: tuple[Path, ...] = ()
    certificate_files: tuple[Path, ...] = ()
    identities_only: bool = False
    identity_agent: str | None = None
    host_key_alias: str | None = None
    known_hosts_files: tuple[Path, ...] = ()
    revoked_host_keys: Path | None = None
    connect_timeout: float | None = None
    address_family: socket.AddressFamily = socket.AF_UNSPEC
    bind_address: str | None = None
    compression: bool = False
    kex: tuple[str, ...] = ()
    ciphers: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    host_key_algorithms: tuple[str, ...] = ()
    pubkey_algorithms: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """`host:port` for messages, with brackets around an IPv6 address."""
        return f"[{self.hostname}]:{self.port}" if ":" in self.hostname else f"{self.hostname}:{self.port}"

    @property
    def label(self) -> str:
        return f"{self.user}@{self.address}"


def query_argv(target: Target, *, proxy_jump: str | None = None) -> list[str]:
    """The command that prints the settings. proxy_jump: hops that replace those of the configuration."""
    # -T: without it ssh remarks on a missing terminal.
    argv = ["ssh", "-G", "-T"]
    if target.ssh_config is not None:
        argv += ["-F", str(target.ssh_config)]
    if target.user is not None:
        argv += ["-l", target.user]
    if target.port is not None:
        argv += ["-p", str(target.port)]
    if target.key_path is not None:
        argv += ["-i", str(target.key_path), "-o", "IdentitiesOnly=yes"]
    if proxy_jump is not None:
        argv += ["-J", proxy_jump]
    return [*argv, "--", target.host]


def parse(text: str, target: Target, *, home: Path, environ: Mapping[str, str], local_user: str) -> Settings:
    """The answer of `ssh -G` as Settings. Raises UsageError when it lacks what every answer has."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        values.setdefault(keyword.lower(), []).append(value)

    def one(keyword: str) -> str | None:
        found = values.get(keyword, [None])[0]
        return None if found is None or found.lower() == "none" else found

    hostname, user, port = one("hostname"), one("user") or local_user, one("port") or "22"
    if not hostname or not port.isdigit():
        raise UsageError(f"ssh -G gave no usable answer for {target.host!r}")
    tokens = {
        "h": hostname, "n": target.host, "p": port, "r": user, "u": local_user, "d": str(home),
        "L": socket.gethostname().split(".")[0], "l": socket.gethostname(), "i": str(os.getuid()),
        "k": one("hostkeyalias") or target.host, "%": "%",
    }  # fmt: skip

    def path(value: str) -> Path:
        return Path(expand(value, tokens, environ, home))

    def ready(value: str) -> Path:
        return Path(expand(value, tokens, environ, home, strict=False))

    def names(keyword: str) -> tuple[str, ...]:
        return tuple(filter(None, (one(keyword) or "").split(",")))

    identity_files = tuple(path(v) for v in values.get("identityfile", []) if v.lower() != "none")
    if target.key_path is not None:
        identity_files = (target.key_path.expanduser(),)
    known = [one("userknownhostsfile"), one("globalknownhostsfile")]
    revoked, timeout, command = one("revokedhostkeys"), one("connecttimeout"), one("proxycommand")
    agent = one("identityagent") if "identityagent" in values else "SSH_AUTH_SOCK"
    return Settings(
        host=target.host,
        hostname=hostname,
        user=user,
        port=int(port),
        proxy_jump=one("proxyjump"),
        proxy_command=None if command is None else _safe_command(command, tokens),
        identity_files=identity_files,
        certificate_files=tuple(path(v) for v in values.get("certificatefile", []) if v.lower() != "none"),
        identities_only=(one("identitiesonly") or "no") == "yes" or target.key_path is not None,
        identity_agent=_agent_path(agent, tokens, environ, home),
        host_key_alias=one("hostkeyalias"),
        known_hosts_files=tuple(ready(name) for value in known if value for name in split_paths(value)),
        revoked_host_keys=ready(revoked) if revoked else None,
        connect_timeout=float(timeout) if timeout and timeout.isdigit() and timeout != "0" else None,
        address_family={"inet": socket.AF_INET, "inet6": socket.AF_INET6}.get(
            one("addressfamily") or "", socket.AF_UNSPEC
        ),
        bind_address=one("bindaddress"),
        compression=one("compression") == "yes",
        kex=names("kexalgorithms"),
        ciphers=names("ciphers"),
        macs=names("macs"),
        host_key_algorithms=names("hostkeyalgorithms"),
        pubkey_algorithms=names("pubkeyacceptedalgorithms"),
    )


def expand(
    value: str, tokens: Mapping[str, str], environ: Mapping[str, str], home: Path, *, strict: bool = True
) -> str:
    """`~`, `${VARIABLE}` and `%` tokens expanded, as ssh_config(5) says.

    strict: raises UsageError on an unknown token. Off for what most versions of ssh print expanded already: a `%` that
    is left there is part of a name.
    """
    if value == "~" or value.startswith("~/"):
        value = str(home) + value[1:]
    value = re.sub(r"\$\{(\w+)\}", lambda match: environ.get(match[1], ""), value)
    return _percent(value, tokens, strict=strict)


def split_paths(value: str, *, exists: Callable[[str], bool] = os.path.exists) -> tuple[str, ...]:
    """`ssh -G` prints paths on one line without quotes: words are joined where that names a file that exists."""
    words, found = value.split(" "), []
    while words:
        for count in range(len(words), 1, -1):
            joined = " ".join(words[:count])
            if exists(str(Path(joined).expanduser())):
                break
        else:
            joined, count = words[0], 1
        found.append(joined)
        del words[:count]
    return tuple(word for word in found if word)


def _percent(value: str, tokens: Mapping[str, str], *, strict: bool = True) -> str:
    def token(match: re.Match[str]) -> str:
        try:
            return tokens[match[1]]
        except KeyError:
            if not strict:
                return match[0]
            raise UsageError(f"the ssh configuration uses %{match[1]} in {value!r}, which al does not know") from None

    return re.sub(r"%(.?)", token, value)


def _safe_command(command: str, tokens: Mapping[str, str]) -> str:
    """ProxyCommand with its tokens filled in, which must be harmless in the user's shell: that is what runs it."""
    for name in ("h", "n", "r", "p", "k"):
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._:@%+-]*", tokens[name]):
            raise UsageError(f"{tokens[name]!r} is not a name that can be put into a ProxyCommand")
    return _percent(command, tokens)


def _agent_path(value: str | None, tokens: Mapping[str, str], environ: Mapping[str, str], home: Path) -> str | None:
    if value is None:
        return None
    if value == "SSH_AUTH_SOCK":
        return environ.get("SSH_AUTH_SOCK") or None
    if re.fullmatch(r"\$\w+", value):
        return environ.get(value[1:]) or None
    return expand(value, tokens, environ, home, strict=False) or None
