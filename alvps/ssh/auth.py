"""Who al says it is: keys of the agent, then key files, never a password.

OpenSSH asks the server about a key before it signs; paramiko cannot, so a key file with a passphrase comes last: nobody
is asked for a passphrase while another key would have done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from paramiko import PKey
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey
from paramiko.config import SSHConfig
from paramiko.ssh_exception import PasswordRequiredException, SSHException

from alvps.ssh import keyfile
from alvps.ssh.agent import Agent
from alvps.ssh.settings import Settings
from alvps.ssh.target import Passphrase


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
        wanted = tuple(filter(None, (keyfile.public_blob(path) for path in self._settings.identity_files)))
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

    def _from_files(self, seen: set[bytes]) -> Iterator[AuthSource]:
        locked = []
        for path in self._settings.identity_files:
            if keyfile.public_blob(path) in seen:
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
            if key.public_blob is None or not keyfile.belongs_to(key.public_blob.key_blob, key):
                continue
            yield self._offer(key, f"{certificate} (certificate)")
        key.public_blob = None
        yield self._offer(key, str(path))

    def _load(self, path: Path, passphrase: str | None) -> PKey | None:
        """The key in the file; None when there is none in it. Raises PasswordRequiredException when it is locked."""
        try:
            return keyfile.load(path, passphrase)
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
