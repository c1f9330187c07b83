"""Keys for tests, made by ssh-keygen as a person makes them."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path


@cache
def key_pair(kind: str = "ed25519", passphrase: str = "", form: str = "RFC4716") -> tuple[str, str]:
    """The private key's file and the public key's; `form` is ssh-keygen's -m, RFC4716 meaning OpenSSH's own."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "key")
        options = ["-q", "-t", kind, "-N", passphrase, "-C", "tester", "-f", str(place), "-m", form]
        options += ["-b", "2048"] if kind == "rsa" else []  # made in a fraction of the time
        subprocess.run(["ssh-keygen", *options], check=True, timeout=60)
        return place.read_text(), place.with_name("key.pub").read_text()
