"""Encrypting with the host's own key, by systemd-creds(1), so that only root and the units it is meant for can decrypt.

Whether a host can do this is not told by a version: it is tried, with the real data and in the way in which they will
be read, by a unit with LoadCredentialEncrypted=. The key is the file /var/lib/systemd/credential.secret, and the TPM
where there is one. Plain data go over standard input and output only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO

from alvps.host import process
from alvps.host.layout import Layout

MAX_BYTES = (
    1 << 20
)  # of one credential, and of all of a unit: CREDENTIAL_SIZE_MAX, CREDENTIALS_TOTAL_SIZE_MAX of systemd
_SECONDS = 60.0  # a TPM takes its time, and so does a busy host
# What a file begins with that was "encrypted" with no key at all: CRED_AES256_GCM_BY_NULL of systemd.
_NO_KEY = bytes.fromhex("058469daf6f54324800549da0f8ea2fb")
_PRINT = 'for name; do cat "$CREDENTIALS_DIRECTORY/$name" || exit; done'


class CannotSeal(Exception):
    """This host cannot encrypt, or what it encrypted is not what a unit is given."""


class CannotUnseal(Exception):
    """What is on the disk cannot be decrypted on this host: it is damaged, or was encrypted with another key."""


def seal(layout: Layout, name: str, plain: bytes) -> bytes:
    """Encrypt at most MAX_BYTES under a name, without which they cannot be decrypted. Raises CannotSeal."""
    import base64

    # Not bound to the state of the firmware (the PCRs of a TPM): after its next update the host could not decrypt.
    argv = [layout.systemd_creds, "encrypt", f"--name={name}", "--with-key=auto", "--tpm2-pcrs=", "-", "-"]
    try:
        sealed = _output_of(argv, lambda pipe: _write(pipe, plain))
        no_key = base64.b64decode(sealed).startswith(_NO_KEY)
    except (process.ProgramFailed, ValueError) as error:
        raise CannotSeal(str(error)) from error
    if no_key:
        raise CannotSeal("systemd-creds has no key here")
    return sealed


def unseal(layout: Layout, name: str, path: str) -> bytes:
    """Decrypt a file. Raises CannotUnseal."""
    try:
        return _output_of([layout.systemd_creds, "decrypt", f"--name={name}", path, "-"])
    except process.ProgramFailed as error:
        raise CannotUnseal(str(error)) from error


def prove(layout: Layout, paths: Mapping[str, str], plain: bytes) -> None:
    """Have a unit be given these files by their names, and print them one after the other. Raises CannotSeal."""
    argv = [layout.systemd_run, "--quiet", "--pipe", "--wait", "--collect", "--property=LimitCORE=0"]
    argv += ["--description=Action Llama: whether credentials can be decrypted"]
    argv += [f"--property=LoadCredentialEncrypted={name}:{path}" for name, path in paths.items()]
    try:
        printed = _output_of([*argv, "/bin/sh", "-c", _PRINT, "sh", *paths])
    except process.ProgramFailed as error:
        raise CannotSeal(str(error)) from error
    if printed != plain:
        raise CannotSeal("a unit is not given what was encrypted")


def _output_of(argv: list[str], feed: Callable[[IO[bytes]], None] | None = None) -> bytes:
    result = process.run(argv, timeout=_SECONDS, feed=feed, check=False, merge=False)
    if result.code != 0:
        # The tail has standard output's lines too, and those are secrets.
        why = "" if result.output else result.tail.rpartition("\n")[2]
        raise process.ProgramFailed(
            f"{argv[0].rpartition('/')[2]} ended with code {result.code}: {why or 'no reason given'}"
        )
    return result.output


def _write(pipe: IO[bytes], plain: bytes) -> None:
    pipe.write(plain)
