"""Who al says it is: keys of the agent, then key files, never a password.

OpenSSH asks the server about a key before it signs; paramiko cannot, so a key file with a passphrase comes last: nobody
is asked for a passphrase while another key would have done.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paramiko import PKey
from paramiko.auth_strategy import AuthResult, AuthSource, AuthStrategy, InMemoryPrivateKey
from paramiko.config import SSHConfig
from paramiko.ssh_exception import PasswordRequiredException, SSHException
from paramiko.transport import Transport

from alvps.ssh.agent import Agent
from alvps.ssh.settings import Settings

Passphrase = Callable[[Path], str | None]


@dataclass(slots=True)
class Attempts:
    """What was tried, for the message when nothing worked."""

    offered: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    locked: list[Path] = field(default_factory=list)


class Strategy(AuthStrategy):
    """The order: keys of the agent that the configuration names, its other keys, key files, locked key files."""

    def __init__(self, settings: Settings, *, timeout: float, passphrase: Passphrase | None = None) -> None:
        super().__init__(ssh_config=SSHConfig())
        self._settings = settings
        self._timeout = timeout
        self._passphrase = passphrase
        self.attempts = Attempts()

    def get_sources(self) -> Iterator[AuthSource]:
        wanted = tuple(filter(None, (_public_blob(path) for path in self._settings.identity_files)))
        seen: set[bytes] = set()
        agent = Agent(self._settings.identity_agent, timeout=self._timeout) if self._settings.identity_agent else None
        try:
            if agent is not None:
                held = agent.keys()
                named = [key for key in held if key.blob in wanted]
                others = [] if self._settings.identities_only else [key for key in held if key.blob not in wanted]
                for key in (*named, *others):
                    seen.add(key.blob)
                    yield self._offer(key, f"{key.get_name()} {key.comment} (agent)")
            yield from self._from_files(seen)
        finally:
            if agent is not None:
                agent.close()

    def authenticate(self, transport: Transport) -> AuthResult:
        result: AuthResult = super().authenticate(transport)
        return result

    def _from_files(self, seen: set[bytes]) -> Iterator[AuthSource]:
        locked = []
        for path in self._settings.identity_files:
            if _public_blob(path) in seen:
                continue
            try:
                key = self._load(path, None)
            except PasswordRequiredException:
                locked.append(path)
            else:
                if key is not None:
                    yield from self._with_certificates(key, path)
        for path in locked:
            text = self._passphrase(path) if self._passphrase is not None else None
            if text is None:
                self.attempts.locked.append(path)
                continue
            key = self._load(path, text)
            if key is not None:
                yield from self._with_certificates(key, path)

    def _with_certificates(self, key: PKey, path: Path) -> Iterator[AuthSource]:
        """The key with each certificate that is made for it, then the key alone."""
        beside = path.with_name(path.name + "-cert.pub")
        for certificate in dict.fromkeys((*self._settings.certificate_files, beside)):
            try:
                key.load_certificate(str(certificate))
            except (OSError, ValueError, SSHException):
                continue
            yield self._offer(key, f"{certificate} (certificate)")
        key.public_blob = None
        yield self._offer(key, str(path))

    def _load(self, path: Path, passphrase: str | None) -> PKey | None:
        """The key in the file; None when there is no such file or it is no key (noted). PasswordRequiredException when it is locked."""
        try:
            return load_private_key(path, passphrase)
        except PasswordRequiredException:
            raise
        except FileNotFoundError:
            return None
        except (OSError, ValueError, SSHException) as error:
            self.attempts.skipped.append(f"{path}: {error}")
            return None

    def _offer(self, key: PKey, label: str) -> AuthSource:
        self.attempts.offered.append(label)
        return InMemoryPrivateKey(self._settings.user, key)


def load_private_key(path: Path, passphrase: str | None) -> PKey:
    """A key of any type that paramiko knows.

    Raises PasswordRequiredException when it needs a passphrase, SSHException when it is damaged, of an unknown type, or
    the passphrase is wrong, OSError when it cannot be read.
    """
    from paramiko import ECDSAKey, Ed25519Key, RSAKey

    text = path.read_text(errors="replace")
    kinds: list[Any] = [Ed25519Key, ECDSAKey, RSAKey]
    if "BEGIN RSA" in text:
        kinds = [RSAKey]
    elif "BEGIN EC" in text:
        kinds = [ECDSAKey]
    elif "BEGIN OPENSSH PRIVATE KEY" not in text:
        raise SSHException("not a private key in OpenSSH or PEM format")
    failure: Exception = SSHException("unknown key type")
    for kind in kinds:
        try:
            key: PKey = kind.from_private_key_file(os.fspath(path), password=passphrase)
        except PasswordRequiredException:
            raise
        except (SSHException, ValueError, IndexError) as error:
            failure = error
        else:
            return key
    if passphrase is not None:
        raise SSHException("wrong passphrase, or the file is damaged") from failure
    raise SSHException(f"not a key that al can use ({failure})") from failure


def _public_blob(path: Path) -> bytes | None:
    """The public half beside a key file, by which the agent's copy of it is recognised."""
    for candidate in (path, path.with_name(path.name + ".pub")):
        try:
            fields = candidate.read_bytes()[:65536].split(None, 2)
        except OSError:
            continue
        if len(fields) >= 2 and fields[0].startswith((b"ssh-", b"ecdsa-", b"sk-")):
            try:
                return base64.b64decode(fields[1], validate=True)
            except ValueError:
                continue
    return None
