"""The host-key policy for the target and for every hop: known and unchanged, or refused before anything is said.

paramiko's own list of known hosts stays empty, so that it asks this policy about every key; its parser knows neither
patterns nor markers nor HostKeyAlias.
"""

from __future__ import annotations

from pathlib import Path

import paramiko

from alvps.errors import HostKeyRefused
from alvps.ssh.known_hosts import Entry, HostKey, Judgement, Verdict, host_name, judge, parse, recorded_types
from alvps.ssh.settings import Settings


class StrictPolicy(paramiko.MissingHostKeyPolicy):
    """Judges by the pinned file alone when there is one, else by the files that the ssh configuration names."""

    def __init__(self, settings: Settings, pinned: Path | None) -> None:
        self._settings = settings
        self._pinned = pinned
        self._files = (pinned,) if pinned is not None else settings.known_hosts_files
        self._entries = tuple(entry for path in self._files for entry in _read(path))
        bare = settings.host_key_alias or settings.hostname.lower()
        numbered = settings.host_key_alias or host_name(settings.hostname, settings.port)
        # A pin belongs to one host: the name that the user gave counts as well as the one it stands for.
        given = host_name(settings.host, settings.port)
        self._names = (numbered, given) if pinned is not None else (numbered,)
        self._fallback = bare if pinned is None and bare != numbered else None

    def preferred_types(self) -> tuple[str, ...]:
        """Key types to ask for first: those whose key is known."""
        names = self._names if self._fallback is None else (*self._names, self._fallback)
        return recorded_types(self._entries, names)

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002  # paramiko's signature
        shown = HostKey(type=key.get_name(), blob=key.asbytes())
        judgement = judge(self._entries, self._names, shown, fallback=self._fallback)
        if judgement.verdict is Verdict.TRUSTED:
            if not self._revoked_by_file(shown):
                return
            judgement = Judgement(verdict=Verdict.REVOKED)
        raise refusal(self._settings, shown, judgement, self._names[0], self._pinned or self._files[0])

    def _revoked_by_file(self, key: HostKey) -> bool:
        path = self._settings.revoked_host_keys
        if path is None:
            return False
        try:
            data = path.read_bytes()
        except OSError as error:
            raise HostKeyRefused(f"RevokedHostKeys {path} cannot be read: {error.strerror}") from error
        if data.startswith(b"SSHKRL\n"):
            raise HostKeyRefused(
                f"RevokedHostKeys {path} is a binary revocation list, which al cannot read",
                hint="use a list of public keys instead, one per line",
            )
        return any(key.line().split()[1] in line.split() for line in data.decode(errors="replace").splitlines())


def refusal(settings: Settings, shown: HostKey, judgement: Judgement, name: str, file: Path) -> HostKeyRefused:
    """The error with both fingerprints, how to check and how to accept knowingly."""
    kind = shown.type.removeprefix("ssh-").upper()
    seen = f"it shows {kind} {shown.fingerprint}"
    check = f"on the host's own console run `ssh-keygen -lf /etc/ssh/ssh_host_{shown.short_type}_key.pub` and compare"
    where = f"{settings.label} refused, nothing was sent"
    recorded = "\n".join(_describe(entry) for entry in judgement.recorded) or None
    line = f"{name} {shown.line()}"
    if judgement.verdict is Verdict.CHANGED:
        expected = ", ".join(entry.key.fingerprint for entry in judgement.recorded)
        return HostKeyRefused(
            f"host key of {where}: {seen}, but {expected} is recorded: either somebody is in between, or the host was"
            " set up anew",
            hint=f"{check}; if it is the host's key, replace the recorded line by `{line}`",
            detail=recorded,
        )
    if judgement.verdict is Verdict.AUTHORITY_ONLY:
        return HostKeyRefused(
            f"host key of {where}: {seen}, and only a certificate authority is recorded for it; host certificates are"
            " not supported",
            hint=f"{check}; if it is the host's key, add the line `{line}` to {file}",
            detail=recorded,
        )
    if judgement.verdict is Verdict.UNKNOWN:
        return HostKeyRefused(
            f"host key of {where}: {seen}, and no key is recorded for it in {file}",
            hint=f"{check}; if it is the host's key, add the line `{line}` to {file}",
        )
    return HostKeyRefused(
        f"host key of {where}: {seen}, which is marked as revoked",
        hint="a revoked key must not be used again: give the host a new one",
        detail=recorded,
    )


def _describe(entry: Entry) -> str:
    marker = f"@{entry.marker} " if entry.marker else ""
    return f"{entry.where}: {marker}{entry.key.type} {entry.key.fingerprint}"


def _read(path: Path) -> tuple[Entry, ...]:
    try:
        return parse(path.read_text(errors="replace"), str(path))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise HostKeyRefused(f"known hosts file {path} cannot be read: {error.strerror}") from error
