"""`existing`: a Debian or Ubuntu server that is there already, with root or sudo by SSH key."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alvps.errors import HostKeyRefused
from alvps.project.environment import Environment, Web
from alvps.project.environments import companion_folder, save_environment
from alvps.provision import bootstrap, dns_removal, record
from alvps.provision.onhost import run_bootstrap
from alvps.provision.provider import Event, Plan, Progress, ProvisionFailed, Report
from alvps.provision.record import Record
from alvps.provision.remote import Outcome, run_script
from alvps.provision.resources import resource
from alvps.provision.timing import timed
from alvps.provision.verify import target, verify
from alvps.ssh import Connection, Target, connect
from alvps.ssh.hostkeys import fetch, known_hosts_line, write_pin
from alvps.ssh.known_hosts import HostKey
from alvps.ssh.route import Query

Confirm = Callable[[Sequence[HostKey]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """One server.

    host: a name or address, also an alias of the user's ssh configuration; user and port come from there when None.
    key_path: None for the user's own keys. fingerprint: the host key that is expected, as `ssh-keygen -l` prints it;
    otherwise `confirm` is asked with the keys that the host shows. passphrase: asked for that of a locked key file.
    web: what the world shall see. dns_token: Cloudflare's, for the records of web.domain.
    """

    name: str
    host: str
    user: str | None = None
    port: int | None = None
    key_path: Path | None = None
    fingerprint: str | None = None
    confirm: Confirm | None = None
    passphrase: Callable[[Path], str | None] | None = None
    web: Web = field(default_factory=Web)
    dns_token: str | None = field(default=None, repr=False)

    def plan(self) -> Plan:
        return Plan(
            provider="existing",
            environment=self.name,
            steps=(
                f"fetch the host key of {self.host}, have it confirmed, pin it in {companion_folder(self.name)}",
                "check that the machine can be a host (systemd, apt, processor, disk) before anything is changed",
                "run the bootstrap: packages, accounts, Docker, journal, security updates, ssh keys only, firewall",
                f"connect anew and write the environment {self.name}",
            ),
        )

    def create(self, progress: Progress) -> Environment:
        record.refuse_taken(self.name)
        earlier = record.earlier(self.name, "existing")  # also refuses a bad name before anything else
        user, port = self._resolved()
        wanted = Target(self.host, user=user, port=port, key_path=self.key_path)
        with timed(progress, "host key", f"the host key of {self.host} is confirmed"):
            keys = self._confirmed(fetch(wanted))
        environment = Environment(
            name=self.name,
            host=self.host,
            user=user,
            port=port,
            key_path=self.key_path,
            known_hosts=companion_folder(self.name) / "known_hosts",
            provider="existing",
            web=self.web,
        )
        instance = earlier.instance if earlier else secrets.token_hex(8)
        record.save(
            Record(
                name=self.name,
                provider="existing",
                instance=instance,
                host=self.host,
                port=port,
                user=user,
                key_path=str(self.key_path) if self.key_path else None,
            )
        )
        assert environment.known_hosts is not None
        write_pin(environment.known_hosts, [known_hosts_line(self.host, port, key) for key in keys])
        with self._connect(environment) as connection:
            self._check(connection, user, fresh=earlier is None)
            run_bootstrap(connection, self.web, progress)
        # sshd may have been reloaded with new settings: that the next connection works is what has to be known.
        with timed(progress, "connect", f"a new SSH connection to {self.host} is verified"):
            verify(environment, digest=bootstrap.digest(), passphrase=self.passphrase)
        if self.web.domain is None:
            save_environment(environment)
            return environment
        from alvps.provision.web import Change, change

        # Has the domain lead to the address that the host says it has, and writes the environment.
        return change(
            Change(
                environment=environment,
                web=self.web,
                dns_token=self.dns_token,
                passphrase=self.passphrase,
                progress=progress,
            )
        )

    def destroy(self, environment: Environment, progress: Progress, *, purge: bool = False) -> Report:
        dns_removal.require_token(environment.dns, self.dns_token)
        script = resource("cloud-init", "remove.sh").read_bytes()
        argv = bootstrap.argv(*(["--purge"] if purge else []), user=environment.user)
        with self._connect(environment) as connection:
            outcome = run_script(
                connection, argv, script, on_line=lambda line: progress(Event(step="remove", text=line, detail=True))
            )
            if outcome.exit_code != 0:
                raise ProvisionFailed(
                    f"{connection.host_label}: not everything was removed", hint="run it again", detail=outcome.tail
                )
        return Report(
            removed=(
                *_said(outcome, "removed: "),
                *dns_removal.removed(environment.dns, self.dns_token),
                *record.forget(self.name),
            ),
            left=tuple(f"{environment.host}: {what}" for what in _said(outcome, "left: ")),
        )

    def _resolved(self) -> tuple[str, int]:
        """User and port as ssh would take them."""
        asked = Target(self.host, user=self.user, port=self.port, key_path=self.key_path)
        settings = Query(asked).settings()
        return settings.user, settings.port

    def _confirmed(self, keys: tuple[HostKey, ...]) -> tuple[HostKey, ...]:
        """The keys to pin. Raises HostKeyRefused."""
        shown = "\n".join(f"{key.short_type} {key.fingerprint}" for key in keys)
        check = "compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host's own console"
        if self.fingerprint is not None:
            matching = tuple(key for key in keys if key.fingerprint == _normal(self.fingerprint))
            if not matching:
                raise HostKeyRefused(
                    f"{self.host} shows another host key than {self.fingerprint}; nothing was sent",
                    hint=check,
                    detail=shown,
                )
            return matching
        if self.confirm is None or not self.confirm(keys):
            raise HostKeyRefused(
                f"the host key of {self.host} was not confirmed; nothing was sent", hint=check, detail=shown
            )
        return keys

    def _connect(self, environment: Environment) -> Connection:
        return connect(target(environment), passphrase=self.passphrase)

    def _check(self, connection: Connection, user: str, *, fresh: bool) -> None:
        """Raises ProvisionFailed when the machine cannot be a host; then nothing was changed, here or there."""
        argv = bootstrap.argv("--check", *bootstrap.web_arguments(self.web), user=user)
        outcome = run_script(connection, argv, bootstrap.script(), on_line=lambda _line: None, timeout=60)
        if outcome.exit_code == 0:
            return
        if fresh:
            record.forget(self.name)
        if outcome.exit_code == bootstrap.REFUSED:
            reason = outcome.lines[-1].removeprefix("bootstrap: refused: ")
            raise ProvisionFailed(f"{connection.host_label} cannot be a host: {reason}; nothing was changed")
        hint = None if user == "root" else f"{user} needs sudo without a password (sudo -n true must work)"
        raise ProvisionFailed(
            f"{connection.host_label}: no root there; nothing was changed", hint=hint, detail=outcome.tail
        )


def _normal(fingerprint: str) -> str:
    text = fingerprint.strip().rstrip("=")
    return text if text.startswith("SHA256:") else f"SHA256:{text}"


def _said(outcome: Outcome, prefix: str) -> tuple[str, ...]:
    return tuple(line.removeprefix(prefix) for line in outcome.lines if line.startswith(prefix))
