"""The key pair that a rented server lets in: made here for the environment, or the user's own."""

from __future__ import annotations

import base64
from pathlib import Path

from alvps.errors import UsageError
from alvps.private_file import write_private
from alvps.ssh import Target
from alvps.ssh.hostkeys import generate, parse_public


def user_key(path: Path, name: str) -> str:
    """The pair in this file, made when it is not there; its public line."""
    if not path.exists():
        pair = generate(f"al-{name}")
        write_private(path.with_name(path.name + ".pub"), pair.public)
        write_private(path, pair.private)  # last: with it the pair counts as made
    return public_line(path, name)


def public_line(path: Path, name: str) -> str:
    """`type base64 comment` of the private key file. Raises UsageError when the file does not tell."""
    from alvps.ssh.keyfile import public_blob  # loads paramiko

    blob = public_blob(path)
    if blob is None:
        raise UsageError(
            f"{path} is no private key whose public half can be read",
            hint=f"ssh-keygen -y -f {path} > {path}.pub writes it beside; or leave --ssh-key away and a pair is made",
        )
    length = int.from_bytes(blob[:4], "big")
    key = parse_public(f"{blob[4 : 4 + length].decode()} {base64.b64encode(blob).decode()}")
    return f"{key.line()} al-{name}"


def check_own(path: Path, name: str, *, can_ask: bool) -> None:
    """Raises UsageError for a key that could not be used later: a server that lets only that in would be lost.

    can_ask: whether somebody is there to type a passphrase.
    """
    from paramiko.ssh_exception import PasswordRequiredException, SSHException

    from alvps.ssh.keyfile import load, public_blob

    public_line(path, name)
    try:
        load(path, None)
    except PasswordRequiredException:
        if not can_ask and not _in_agent(public_blob(path)):
            raise UsageError(
                f"{path} is locked with a passphrase, and nobody can be asked for it", hint=f"ssh-add {path}"
            ) from None
    except (SSHException, OSError) as error:
        if not _in_agent(public_blob(path)):
            raise UsageError(f"{path}: {error}") from None


def _in_agent(blob: bytes | None) -> bool:
    from alvps.ssh.agent import Agent
    from alvps.ssh.route import Query

    socket = Query(Target("127.0.0.1")).settings().identity_agent
    if socket is None:
        return False
    agent = Agent(socket, timeout=5.0)
    try:
        return blob in [key.blob for key in agent.get_keys()]
    finally:
        agent.close()
