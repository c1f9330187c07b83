"""The key pair that a rented server lets in: made here for the environment, or the user's own."""

from __future__ import annotations

from pathlib import Path

from alvps.errors import UsageError
from alvps.private_file import write_private
from alvps.ssh.hostkeys import generate, parse_public


def user_key(path: Path, name: str) -> str:
    """The pair in this file, made when it is not there; its public line."""
    if not path.exists():
        pair = generate(f"al-{name}")
        write_private(path.with_name(path.name + ".pub"), pair.public)
        write_private(path, pair.private)  # last: with it the pair counts as made
    return public_line(path, name)


def public_line(path: Path, name: str) -> str:
    """`type base64 comment` of the private key file. Raises UsageError for what is none."""
    from alvps.ssh.keyfile import public_blob  # loads paramiko

    blob = public_blob(path)
    if blob is None:
        raise UsageError(
            f"{path} is no private key whose public half can be read",
            hint=f"ssh-keygen -y -f {path} > {path}.pub writes it beside; or leave --ssh-key away and a pair is made",
        )
    import base64

    length = int.from_bytes(blob[:4], "big")
    key = parse_public(f"{blob[4 : 4 + length].decode()} {base64.b64encode(blob).decode()}")
    return f"{key.line()} al-{name}"
