"""A server rented from a cloud provider: one flow for all of them, driven by what `Cloud` offers.

Each id is on disk before anything is waited for, and what is made carries the record's random instance, so a call that
was cut off anywhere can be made again: it finds what there is. Removing it: rented_teardown.py.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from alvps.errors import AlError, UsageError
from alvps.project.environment import Environment, Rented, Web
from alvps.project.environments import companion_folder, list_environments, load_environment, save_environment
from alvps.provision import bootstrap, firstboot, record, rented_plan, rented_teardown
from alvps.provision.begun import Begun, Wanted
from alvps.provision.cloud import Cloud, Order, Server, SshKey
from alvps.provision.cloudinit import FirstBoot, user_data
from alvps.provision.disk import disk_errors
from alvps.provision.lock import claimed
from alvps.provision.order import Choice, check
from alvps.provision.provider import Event, Plan, Progress, ProvisionFailed, Report
from alvps.provision.record import Record
from alvps.provision.rented_keys import public_line, user_key
from alvps.provision.timing import timed
from alvps.ssh.hostkeys import generate, known_hosts_line, parse_public, write_pin
from alvps.ssh.target import Passphrase

if TYPE_CHECKING:
    from alvps.project.environment import Dns

_RUNNING = 600.0  # seconds until a server that was ordered must run


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What one call wants; for a server that was ordered already, it must be what it was ordered with."""

    wanted: Wanted
    key_path: Path | None
    web: Web


@dataclass(frozen=True, slots=True, kw_only=True)
class RentedServer:
    """One server.

    wanted: None to go on with everything that was asked for before. key_path: the user's own private key instead of a
    pair made for this environment. web: what the world shall see. dns_token: Cloudflare's, for the records of
    web.domain. passphrase: asked for that of a locked key file.
    """

    name: str
    cloud: Cloud
    wanted: Wanted | None = None
    key_path: Path | None = None
    web: Web = field(default_factory=Web)
    dns_token: str | None = field(default=None, repr=False)
    passphrase: Passphrase | None = None
    settle: firstboot.Settle = firstboot.settle

    def plan(self) -> Plan:
        asked = self._asked(record.earlier(self.name, self.cloud.name))
        return rented_plan.plan(self.cloud, self.name, asked.wanted, asked.key_path, asked.web)

    def create(self, progress: Progress) -> Environment:
        with claimed(self.name):  # also refuses a bad name before anything else
            return self._create(progress)

    def _create(self, progress: Progress) -> Environment:
        earlier = record.earlier(self.name, self.cloud.name)
        if self.name in list_environments():
            return self._written(earlier)
        try:
            with timed(progress, "done", f"environment {self.name} is ready"), disk_errors():
                environment = self._go_on(earlier, progress)
        except AlError as error:
            if there := self._so_far():
                error.detail = f"{error.detail}\n{there}" if error.detail else there
                if not isinstance(error, UsageError):  # for one, it is another command that goes on
                    error.hint = f"{error.hint}; {self._go_on_hint()}" if error.hint else self._go_on_hint()
            raise
        except KeyboardInterrupt:
            if there := self._so_far():
                progress(Event(step="interrupted", text=f"{there}; {self._go_on_hint()}", note=True))
            raise
        return environment

    def destroy(self, environment: Environment, progress: Progress, *, purge: bool = False) -> Report:  # noqa: ARG002  # nothing stays of a rented machine
        with claimed(self.name), disk_errors():
            return rented_teardown.destroy(self.cloud, environment, progress, dns_token=self.dns_token)

    def _written(self, earlier: Record | None) -> Environment:
        """The environment, when only the last step of its making was cut off. Raises UsageError for any other."""
        found = load_environment(self.name)
        if earlier is None or found.rented is None or found.rented.instance != earlier.instance:
            record.refuse_taken(self.name)
        record.close(self.name)
        return found

    def _go_on(self, earlier: Record | None, progress: Progress) -> Environment:
        progress(Event(step="check", text=f"asking {self.cloud.name}"))
        asked = self._asked(earlier)
        server = self._found(asked, earlier, progress)
        choice = check(self.cloud.offers(), asked.wanted) if server is None else None
        made = self._begin(asked, earlier) if server is None or earlier is None else earlier
        public = self._user_key(made, server)
        made, key = self._access(made, public, progress)
        if server is None:
            assert choice is not None
            made, server = self._order(made, choice, public, key, progress)
        made = _note(made, server=server.id)
        with timed(progress, "server", f"the server {server.id} runs"):
            server = self._running(server, progress)
        made = self._pin(made, server, progress)
        made = self._names(made, server, progress)
        environment = self._environment(made, server)
        self.settle(environment, progress, passphrase=self.passphrase)
        save_environment(environment)
        record.close(self.name)
        return environment

    def _asked(self, earlier: Record | None) -> _Asked:
        if self.wanted is not None:
            return _Asked(wanted=self.wanted, key_path=self.key_path, web=self.web)
        if earlier is None or earlier.rented is None:
            raise UsageError(f"which server shall {self.name!r} be?", hint="say --plan and --region")
        return _asked_of(earlier)

    def _found(self, asked: _Asked, earlier: Record | None, progress: Progress) -> Server | None:
        """The server of an earlier attempt. Raises UsageError when something else was asked for then."""
        if earlier is None or earlier.rented is None:
            return None
        id_ = earlier.rented.server
        found = (self.cloud.server(id_) if id_ else None) or self.cloud.find_server(earlier.instance)
        if found is None:
            if id_:
                text = f"the server {id_} is gone at {self.cloud.name}; another one is ordered"
                progress(Event(step="check", text=text, note=True))
            return None
        if asked != _asked_of(earlier):
            was = earlier.rented.wanted
            raise UsageError(
                f"the server {found.id} was ordered already with other options:"
                f" --plan {was.plan} --region {was.region} --image {was.image}",
                hint=f"the same options go on with it; al teardown {self.name} removes it",
            )
        progress(Event(step="check", text=f"going on with the server {found.id}"))
        return found

    def _begin(self, asked: _Asked, earlier: Record | None) -> Record:
        """The record of what is asked for, on disk before anything is made."""
        if asked.key_path is not None:
            public_line(asked.key_path, self.name)  # raises before anything is made
        before = earlier.rented if earlier and earlier.rented else Begun(wanted=asked.wanted, web=asked.web)
        made = Record(
            name=self.name,
            provider=self.cloud.name,
            instance=earlier.instance if earlier else secrets.token_hex(8),
            host="",
            key_path=str(asked.key_path) if asked.key_path else None,
            rented=replace(before, wanted=asked.wanted, web=asked.web, server=None),
        )
        record.save(made)
        return made

    def _user_key(self, made: Record, server: Server | None) -> str:
        """The public line of the key that the server lets in. Raises ProvisionFailed when that key is gone."""
        path = self._key_path(made)
        if server is not None and not path.exists():
            raise ProvisionFailed(f"the server {server.id} lets only the key {path} in, and that file is gone")
        return public_line(path, self.name) if made.key_path else user_key(path, self.name)

    def _key_path(self, made: Record) -> Path:
        return Path(made.key_path) if made.key_path else companion_folder(self.name) / "id_ed25519"

    def _access(self, made: Record, public: str, progress: Progress) -> tuple[Record, SshKey]:
        """Key and firewall at the provider, as they have to be, whatever was there before."""
        label, web = f"al-{self.name}-{made.instance}", _begun(made).web
        with timed(progress, "ssh key", f"the SSH key is at {self.cloud.name}"):
            key = self.cloud.ssh_key(name=label, public_key=public, instance=made.instance)
        made = _note(made, ssh_key=key.id if key.ours else None)
        ports = bootstrap.ports(web)
        with timed(progress, "firewall", f"the firewall opens {', '.join(map(str, ports))}"):
            firewall = self.cloud.firewall(name=label, ports=ports, instance=made.instance)
        return _note(made, firewall=firewall), key

    def _order(
        self, made: Record, choice: Choice, public: str, key: SshKey, progress: Progress
    ) -> tuple[Record, Server]:
        begun, host_key = _begun(made), generate(self.name)
        assert begun.firewall is not None
        made = _note(made, host_keys=(*begun.host_keys, host_key.key.line()))
        boot = FirstBoot(
            hostname=self.name,
            authorized_key=public,
            host_key=host_key,
            bootstrap=bootstrap.script(),
            web=begun.web,
        )
        with timed(progress, "order", f"a server is ordered: {choice}"):
            server = self.cloud.create_server(
                Order(
                    name=self.name,
                    instance=made.instance,
                    plan=choice.plan.id,
                    region=choice.region.id,
                    image=choice.image.id,
                    ssh_key=key.id,
                    firewall=begun.firewall,
                    user_data=user_data(boot),
                )
            )
        return made, server

    def _running(self, server: Server, progress: Progress) -> Server:
        progress(Event(step="server", text=f"waiting for the server {server.id}"))
        return self.cloud.wait_running(
            server, lambda text: progress(Event(step="server", text=text, detail=True)), timeout=_RUNNING
        )

    def _pin(self, made: Record, server: Server, progress: Progress) -> Record:
        """The address, on disk, and the host keys pinned for it."""
        address = _address(server)
        if made.host not in {"", address}:
            text = f"the server {server.id} has another address now: {address}, it was {made.host}"
            progress(Event(step="address", text=text, note=True))
        made = replace(made, host=address)
        record.save(made)
        lines = [known_hosts_line(address, made.port, parse_public(line)) for line in _begun(made).host_keys]
        write_pin(companion_folder(self.name) / "known_hosts", lines)
        return made

    def _names(self, made: Record, server: Server, progress: Progress) -> Record:
        """The domain's address records, before the server asks for a certificate."""
        domain = _begun(made).web.domain
        if domain is None:
            return made
        addresses = tuple(filter(None, (server.address, server.address6)))
        if self.dns_token is None:
            kinds = " and ".join(f"{'AAAA' if ':' in address else 'A'} {address}" for address in addresses)
            text = f"make these DNS records for {domain}: {kinds} (with a credential cloudflare_api_token, al does it)"
            progress(Event(step="dns", text=text, note=True))
            return made
        from alvps.provision import dns

        latest = made

        def on_made(known: Dns) -> None:
            nonlocal latest
            latest = _note(latest, dns=known)

        with timed(progress, "dns", f"{domain} points to {', '.join(addresses)}"):
            on_made(dns.ensure(domain, addresses, self.dns_token, known=_begun(made).dns, on_made=on_made))
        return latest

    def _environment(self, made: Record, server: Server) -> Environment:
        begun = _begun(made)
        return Environment(
            name=self.name,
            host=made.host,
            key_path=self._key_path(made),
            known_hosts=companion_folder(self.name) / "known_hosts",
            provider=self.cloud.name,
            rented=Rented(
                server=server.id,
                ssh_key=begun.ssh_key,
                firewall=begun.firewall,
                region=server.region,
                instance=made.instance,
            ),
            web=begun.web,
            dns=begun.dns,
        )

    def _go_on_hint(self) -> str:
        return f"the same command goes on, al teardown {self.name} removes what there is"

    def _so_far(self) -> str | None:
        """What exists by now and what can be done about it; None when nothing was made."""
        made = record.load(self.name)
        there = str(made.rented) if made is not None and made.rented is not None else ""
        return f"made so far: {there}" if there else None


def _asked_of(earlier: Record) -> _Asked:
    begun = _begun(earlier)
    return _Asked(wanted=begun.wanted, key_path=Path(earlier.key_path) if earlier.key_path else None, web=begun.web)


def _note(made: Record, **what: object) -> Record:
    """The record with these things of `Begun`, on disk."""
    noted = replace(made, rented=replace(_begun(made), **what))  # type: ignore[arg-type]  # the names of its fields
    record.save(noted)
    return noted


def _begun(made: Record) -> Begun:
    assert made.rented is not None
    return made.rented


def _address(server: Server) -> str:
    assert server.address is not None  # wait_running's promise
    return server.address
