"""May this key be trusted for this host? Decided from the text of known_hosts files; nothing is read or sent here.

Format: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". Keys are compared as bytes, so types that no library knows count too.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    TRUSTED = "trusted"
    UNKNOWN = "unknown"  # no key of any type is recorded for the host
    CHANGED = "changed"  # other keys are recorded for it
    REVOKED = "revoked"
    AUTHORITY_ONLY = "authority-only"  # only a certificate authority is recorded, which is not supported


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """A public host key: its type ("ssh-ed25519") and its wire form."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def short_type(self) -> str:
        """As OpenSSH names its key files: ssh_host_<this>_key.pub."""
        return {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}.get(self.type, self.type.split("-")[0])

    def line(self) -> str:
        """`type base64`, as in a public key file."""
        return f"{self.type} {base64.b64encode(self.blob).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line: where it is, its marker ("" or "revoked" or "cert-authority"), its host patterns, its key."""

    where: str
    marker: str
    patterns: tuple[str, ...]
    key: HostKey

    def matches(self, name: str) -> bool:
        """A negated pattern that matches wins over every other."""
        found = False
        for pattern in self.patterns:
            negated = pattern.startswith("!")
            if _pattern_matches(pattern.removeprefix("!"), name):
                if negated:
                    return False
                found = True
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict and the recorded keys that led to it."""

    verdict: Verdict
    recorded: tuple[Entry, ...] = ()


def host_name(host: str, port: int) -> str:
    """The name under which a host is recorded: bare on port 22, else `[host]:port`."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def parse(text: str, source: str) -> tuple[Entry, ...]:
    """The lines that hold a key. Others are ignored, as OpenSSH does: a broken line can only lead to a refusal."""
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0)[1:] if fields[0].startswith("@") else ""
        if len(fields) < 3 or marker not in {"", "revoked", "cert-authority"}:
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except (binascii.Error, ValueError):
            continue
        if not blob.startswith(len(fields[1]).to_bytes(4, "big") + fields[1].encode()):
            continue
        key = HostKey(type=fields[1], blob=blob)
        entries.append(Entry(where=f"{source}:{number}", marker=marker, patterns=tuple(fields[0].split(",")), key=key))
    return tuple(entries)


def recorded_types(entries: Iterable[Entry], names: Iterable[str]) -> tuple[str, ...]:
    """Types of the plain keys recorded under any of the names, in file order: what to ask the server for first."""
    wanted = tuple(names)
    found = [e.key.type for e in entries if not e.marker and any(e.matches(name) for name in wanted)]
    return tuple(dict.fromkeys(found))


def judge(entries: Iterable[Entry], names: Iterable[str], key: HostKey, *, fallback: str | None = None) -> Judgement:
    """The verdict on `key` for a host known under any of `names`.

    fallback: the bare host name for a host on another port; a key recorded under it is enough to trust, as for OpenSSH,
    but other keys recorded under it do not make the key a changed one.
    """
    entries, wanted = tuple(entries), tuple(names)
    ours = tuple(e for e in entries if any(e.matches(name) for name in wanted))
    bare = tuple(e for e in entries if fallback is not None and e.matches(fallback))
    revoked = tuple(e for e in (*ours, *bare) if e.marker == "revoked" and e.key.blob == key.blob)
    if revoked:
        return Judgement(verdict=Verdict.REVOKED, recorded=revoked)
    plain = tuple(e for e in ours if not e.marker)
    if any(e.key.blob == key.blob for e in plain):
        return Judgement(verdict=Verdict.TRUSTED)
    if plain:
        return Judgement(verdict=Verdict.CHANGED, recorded=plain)
    if any(not e.marker and e.key.blob == key.blob for e in bare):
        return Judgement(verdict=Verdict.TRUSTED)
    authorities = tuple(e for e in (*ours, *bare) if e.marker == "cert-authority")
    if authorities:
        return Judgement(verdict=Verdict.AUTHORITY_ONLY, recorded=authorities)
    return Judgement(verdict=Verdict.UNKNOWN)


def _pattern_matches(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        try:
            _, _, salt, digest = pattern.split("|")
            expected = base64.b64decode(digest, validate=True)
            # HMAC-SHA1 is the format's, not a choice.
            actual = hmac.new(base64.b64decode(salt, validate=True), name.encode(), hashlib.sha1).digest()
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(expected, actual)
    # Only * and ? are special in this format; [ begins "[host]:port".
    return fnmatch.fnmatchcase(name, pattern.lower().replace("[", "[[]"))
