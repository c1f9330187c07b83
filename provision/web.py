"""Changes what the world sees of a host: the provider's firewall, the domain's DNS, the proxy on the host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from alvps.project.environment import Dns, Environment, Web
from alvps.project.environments import save_environment
from alvps.provision import addresses, bootstrap, dns_removal
from alvps.provision.provider import Event, Progress, ProvisionFailed, silent
from alvps.provision.remote import run_script
from alvps.provision.timing import timed
from alvps.provision.verify import target
from alvps.ssh import Connection, connect
from alvps.ssh.target import Passphrase

if TYPE_CHECKING:
    from alvps.provision.cloud import Cloud

_QUICK = 60.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What shall be so. dns_token: Cloudflare's; without, a person makes the records. cloud: of a rented server."""

    environment: Environment
    web: Web
    dns_token: str | None = None
    cloud: Cloud | None = None
    passphrase: Passphrase | None = None
    progress: Progress = silent

    @property
    def names(self) -> bool:
        """Whether the domain's records are to be looked at; those that are right already are left alone."""
        before = self.environment
        return self.web.domain is not None and (self.web.domain != before.web.domain or before.dns is None)

    @property
    def forgets(self) -> bool:
        """Whether records that were made are of no use any more."""
        return self.environment.dns is not None and self.web.domain != self.environment.web.domain


def change(wanted: Change) -> Environment:
    """The environment as its file says afterwards. Interrupted at any point, the same call goes on.

    Raises UsageError, before anything is changed, for what cannot be had; ProvisionFailed, HostUnreachable,
    HostKeyRefused, CloudError.
    """
    now = wanted.environment
    if wanted.forgets:
        dns_removal.require_token(now.dns, wanted.dns_token)
    with connect(target(now), passphrase=wanted.passphrase) as connection:
        _check(connection, wanted.web)
        _open_ports(wanted)
        if wanted.names:
            now = _lead_here(wanted, connection)
        with timed(wanted.progress, "web", "the host shows the world what it shall"):
            _run(connection, wanted.web, wanted.progress)
    now = replace(now, web=wanted.web)
    save_environment(now)
    if wanted.web.domain is None and now.dns is not None:
        now = _forget(wanted, now, now.dns)
    return now


def _check(connection: Connection, web: Web) -> None:
    """Raises ProvisionFailed when the host cannot show that; then nothing was changed."""
    argv = bootstrap.argv("--check", *bootstrap.web_change(web), user=connection.user)
    outcome = run_script(connection, argv, bootstrap.script(), on_line=lambda _line: None, timeout=_QUICK)
    if outcome.exit_code == bootstrap.REFUSED:
        reason = outcome.lines[-1].removeprefix("bootstrap: refused: ")
        raise ProvisionFailed(f"{connection.host_label}: {reason}; nothing was changed")
    if outcome.exit_code != 0:
        raise ProvisionFailed(f"{connection.host_label}: no root there; nothing was changed", detail=outcome.tail)


def _open_ports(wanted: Change) -> None:
    rented = wanted.environment.rented
    if wanted.cloud is None or rented is None or rented.instance is None:
        return
    open_ = bootstrap.ports(wanted.web)
    name = f"al-{wanted.environment.name}-{rented.instance}"
    with timed(wanted.progress, "firewall", f"{wanted.cloud.name}'s firewall opens {', '.join(map(str, open_))}"):
        wanted.cloud.firewall(name=name, ports=open_, instance=rented.instance)


def _lead_here(wanted: Change, connection: Connection) -> Environment:
    """Has the domain lead to the host, or says which records somebody has to make."""
    now, domain = wanted.environment, wanted.web.domain
    assert domain is not None
    found = () if now.provider == "local" else addresses.of(connection, now.host)
    if not found or wanted.dns_token is None:
        kinds = " and ".join(f"{'AAAA' if ':' in address else 'A'} {address}" for address in found)
        text = f"{domain} has to lead to this host: {kinds or 'which has no public address that could be found out'}"
        wanted.progress(Event(step="dns", text=text, note=True))
        return now
    from alvps.provision import dns

    def on_made(made: Dns) -> None:
        nonlocal now
        now = replace(now, dns=made)
        save_environment(now)

    with timed(wanted.progress, "dns", f"{domain} leads to {', '.join(found)}"):
        dns.ensure(domain, found, wanted.dns_token, known=now.dns, on_made=on_made)
    return now


def _run(connection: Connection, web: Web, progress: Progress) -> None:
    argv = bootstrap.argv(
        *("--digest", bootstrap.digest(), *bootstrap.web_change(web)),
        user=connection.user,
    )
    outcome = run_script(
        connection,
        argv,
        bootstrap.script(),
        on_line=lambda line: progress(Event(step="web", text=line.removeprefix("bootstrap: "), detail=True)),
    )
    if outcome.exit_code != 0:
        raise ProvisionFailed(
            f"{connection.host_label}: the bootstrap failed (exit code {outcome.exit_code})",
            hint="mend what it says and run the same command again: it goes on where it stopped",
            detail=outcome.tail,
        )


def _forget(wanted: Change, now: Environment, known: Dns) -> Environment:
    for text in dns_removal.removed(known, wanted.dns_token):
        wanted.progress(Event(step="dns", text=f"removed the {text}", note=True))
    now = replace(now, dns=None)
    save_environment(now)
    return now
