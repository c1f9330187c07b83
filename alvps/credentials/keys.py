"""SSH keys as text: is it one, can it be used unattended, and which public key belongs to it?

cryptography does the reading (paramiko brings it along): `ssh-keygen -y` would need the key in a file. It is imported
here only when a key is looked at, which happens on the laptop alone.
"""

from __future__ import annotations

import re

_FRAME = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----\n(?:(?!-----)[^\n]*\n)+-----END \1-----\n?")


class BadKey(ValueError):
    """The text is no key that can be used; the message says why and shows none of it."""


def public_of(text: str) -> str:
    """The public key of a private one, as a line of authorized_keys without a comment.

    Raises BadKey unless the text, with LF line ends, is a private key that can be used without a passphrase.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    kind = _kind(text)
    openssh = kind == "OPENSSH PRIVATE KEY"
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        key = load(text.encode(), None)
        if isinstance(key, (ed25519.Ed25519PrivateKey, rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
            form = serialization.PublicFormat.OpenSSH
            return key.public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode()
    except TypeError:  # what both say when a key is encrypted and no passphrase was given
        raise BadKey("is protected by a passphrase, which nobody could type on the host: use a key without") from None
    except UnsupportedAlgorithm:
        pass
    except ValueError:
        raise BadKey("cannot be read as a private key; was it copied whole?") from None
    raise BadKey("is of a kind that SSH does not use here; `ssh-keygen -t ed25519` makes one that it does")


def check_public(line: str) -> None:
    """Raises BadKey unless the text is a public key in OpenSSH's form."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey('is no public key in OpenSSH\'s form, such as "ssh-ed25519 AAAA… name"') from None


def is_same(public: str, other: str) -> bool:
    """Whether two public keys are the same, whatever comment follows them."""
    return public.split()[:2] == other.split()[:2]


def _kind(text: str) -> str:
    """What stands in the first line. Looked at before the key is read: ssh insists on lines, cryptography does not."""
    frame = _FRAME.fullmatch(text)
    if frame:
        return frame[1]
    if "PRIVATE KEY" in text:
        raise BadKey(
            "is not whole: a private key has a BEGIN line, an END line, and the lines between them as they were"
        )
    if text.lstrip().startswith(("ssh-", "ecdsa-", "sk-ssh-")):
        raise BadKey("is a public key; the private one is wanted, the file without .pub")
    raise BadKey('is no private key: there is no "PRIVATE KEY" in it')
