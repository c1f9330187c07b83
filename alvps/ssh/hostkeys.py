"""Host keys: made on the laptop, shown by a host, pinned in a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alvps.errors import HostUnreachable
from alvps.private_file import write_private
from alvps.ssh.known_hosts import HostKey, host_name
from alvps.ssh.target import Target, Timeouts

# In the order of preference; RSA keys are asked for by their signature (RFC 8332).
_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A host key pair as files hold it. The private half is a secret: it is left out of the repr."""

    private: str
    public: str  # "ssh-ed25519 AAAA… comment"
    key: HostKey

    def __repr__(self) -> str:
        return f"KeyPair({self.key.fingerprint})"


def generate(comment: str = "al") -> KeyPair:
    """A new ed25519 key pair in OpenSSH's format, without a passphrase: sshd has nobody to ask for one."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = Ed25519PrivateKey.generate()
    private = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = made.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    key = parse_public(public.decode())
    return KeyPair(private=private.decode(), public=f"{key.line()} {comment}\n", key=key)


def parse_public(text: str) -> HostKey:
    """A public key file's line. Raises ValueError when it is none."""
    import base64

    fields = text.split(None, 2)
    if len(fields) < 2:
        raise ValueError("not a public key line")
    blob = base64.b64decode(fields[1], validate=True)
    if not blob.startswith(len(fields[0]).to_bytes(4, "big") + fields[0].encode()):
        raise ValueError("the line's type is not the key's")
    return HostKey(type=fields[0], blob=blob)


def known_hosts_line(host: str, port: int, key: HostKey) -> str:
    """The line that pins the key for the host, without a newline."""
    return f"{host_name(host, port)} {key.line()}"


def write_pin(path: Path, lines: Iterable[str]) -> None:
    """Make the lines the file's whole content, at once and durably, mode 0600; its folder is made 0700 if missing."""
    write_private(path, "".join(f"{line}\n" for line in lines))


def fetch(target: Target | str, port: int | None = None, *, timeouts: Timeouts | None = None) -> tuple[HostKey, ...]:
    """The keys that the host shows, best type first, by key exchange alone: nothing is authenticated at the target.

    The way to it is that of `connect`, so hops are verified and authenticated. Raises HostUnreachable, HostKeyRefused
    (of a hop), UsageError.
    """
    from alvps.ssh.way import Way

    wanted = Target(target, port=port) if isinstance(target, str) else target
    limits = timeouts or Timeouts()
    found: list[HostKey] = []
    with Way(wanted, limits) as way:
        for kind in _TYPES:
            shown = way.show_key(kind)
            if shown is not None:
                found.append(shown)
        settings = way.target
    if not found:
        raise HostUnreachable(f"cannot reach {settings.label}: step key exchange: it offers no host key that al knows")
    return tuple(found)
