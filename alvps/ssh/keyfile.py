"""Private key files: what a file says about itself, and the key in it.

The format is OpenSSH's PROTOCOL.key: its public half can be read without the passphrase.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from paramiko import ECDSAKey, Ed25519Key, PKey, RSAKey
from paramiko.ssh_exception import PasswordRequiredException, SSHException

_MAGIC = b"openssh-key-v1\x00"
_LIMIT = 1 << 20  # bytes; no key file is larger


def load(path: Path, passphrase: str | None) -> PKey:
    """The private key in the file.

    Raises PasswordRequiredException when it needs a passphrase, SSHException when the passphrase is wrong or the file
    is damaged or of a kind that paramiko does not know, OSError when it cannot be read.
    """
    data = path.read_bytes()[:_LIMIT]
    header = _openssh(data)
    kind = _kind(data, header)
    try:
        key: PKey = kind.from_private_key_file(os.fspath(path), password=passphrase)
    except PasswordRequiredException:
        raise
    except (SSHException, ValueError, IndexError, struct.error) as error:
        # Everything that paramiko meets when it unpacks the result of a wrong passphrase.
        what = "wrong passphrase, or the file is damaged" if passphrase is not None else "the file is damaged"
        raise SSHException(what) from error
    return key


def public_blob(path: Path) -> bytes | None:
    """The public half in wire form, from the file itself or the .pub beside it; None when neither tells."""
    for candidate in (path, path.with_name(path.name + ".pub")):
        try:
            data = candidate.read_bytes()[:_LIMIT]
        except OSError:
            continue
        header = _openssh(data)
        if header is not None:
            return header.public
        fields = data.split(None, 2)
        if len(fields) >= 2 and fields[0].startswith((b"ssh-", b"ecdsa-", b"sk-")):
            try:
                return base64.b64decode(fields[1], validate=True)
            except binascii.Error:
                continue
    return None


def belongs_to(certificate: bytes, key: PKey) -> bool:
    """Is the certificate made for the key? PROTOCOL.certkeys repeats the key's own fields after a nonce."""
    blob = key.asbytes()
    (length,) = struct.unpack_from(">I", blob)
    return blob[4 + length :] in certificate


@dataclass(frozen=True, slots=True)
class _Header:
    public: bytes

    @property
    def type(self) -> str:
        (length,) = struct.unpack_from(">I", self.public)
        return self.public[4 : 4 + length].decode(errors="replace")


def _openssh(data: bytes) -> _Header | None:
    head, _, rest = data.partition(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    body, end, _ = rest.partition(b"-----END OPENSSH PRIVATE KEY-----")
    if head.strip() or not end:
        return None
    try:
        raw = base64.b64decode(b"".join(body.split()), validate=True)
        if not raw.startswith(_MAGIC):
            return None
        at = len(_MAGIC)
        for _ in range(3):  # cipher, key derivation, its options
            (length,) = struct.unpack_from(">I", raw, at)
            at += 4 + length
        _, length = struct.unpack_from(">II", raw, at)
    except (binascii.Error, struct.error):
        return None
    return _Header(raw[at + 8 : at + 8 + length])


def _kind(data: bytes, header: _Header | None) -> type[PKey]:
    if header is not None:
        for kind in (Ed25519Key, ECDSAKey, RSAKey):
            if header.type in kind.identifiers():
                return kind
        raise SSHException(f"a key of type {header.type}, which only an agent can use: ssh-add it")
    if b"-----BEGIN RSA PRIVATE KEY-----" in data:
        return RSAKey
    if b"-----BEGIN EC PRIVATE KEY-----" in data:
        return ECDSAKey
    raise SSHException("not a private key in OpenSSH or PEM format; `ssh-keygen -p -f FILE` rewrites others")
