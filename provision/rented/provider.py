"""A server rented from a cloud provider: one flow for all of them, driven by what `Cloud` offers.

Each id is on disk before anything is waited for, and what is made carries the record's random instance, so a call that
was cut off anywhere can be made again: it finds what there is. Removing it: teardown.py.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path

from alvps.errors import AlError, UsageError
from alvps.project.environment import Environment, Web
from alvps.project.environments import list_environments, load_environment, save_environment
from alvps.provision import record
from alvps.provision.cloud import Cloud, Server
from alvps.provision.disk import disk_errors
from alvps.provision.lock import claimed
from alvps.provision.provider import Event, Plan, Progress, Report
from alvps.provision.record import Record
from alvps.provision.rented import firstboot, plan, steps, teardown
from alvps.provision.rented.begun import Begun, Wanted
from alvps.provision.rented.keys import check_own
from alvps.provision.rented.order import check
from alvps.provision.timing import timed
from alvps.ssh.target import Passphrase

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
        return plan.plan(self.cloud, self.name, asked.wanted, asked.key_path, asked.web)

    def create(self, progress: Progress) -> Environment:
        with disk_errors(), claimed(self.name):  # also refuses a bad name before anything else
            return self._create(progress)

    def _create(self, progress: Progress) -> Environment:
        earlier = record.earlier(self.name, self.cloud.name)
        if self.name in list_environments():
            written = self._written(earlier)
            if written is not None:
                return written
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
        with disk_errors(), claimed(self.name):
            return teardown.destroy(self.cloud, environment, progress, dns_token=self.dns_token)

    def _written(self, earlier: Record | None) -> Environment | None:
        """The environment, when only the last step of its making was cut off. Raises UsageError for any other.

        None: its server was deleted since; its file is then written anew with another one.
        """
        found = load_environment(self.name)
        if earlier is None or found.rented is None or found.rented.instance != earlier.instance:
            record.refuse_taken(self.name)
        elif self.cloud.server(found.rented.server) is None:
            return None
        record.close(self.name)
        return found

    def _go_on(self, earlier: Record | None, progress: Progress) -> Environment:
        progress(Event(step="check", text=f"asking {self.cloud.name}"))
        asked = self._asked(earlier)
        server = self._found(asked, earlier, progress)
        if earlier is not None and server is not None:
            made, _key = steps.access(self.cloud, earlier, steps.authorized(earlier, server), progress)
        else:
            choice = check(self.cloud.offers(), asked.wanted)
            made = self._begin(asked, earlier)
            public = steps.authorized(made, None)
            made, key = steps.access(self.cloud, made, public, progress)
            made, server = steps.order(self.cloud, made, choice, public=public, key=key, progress=progress)
        made = steps.note(made, server=server.id, ordered=None)
        with timed(progress, "server", f"the server {server.id} runs"):
            server = self._running(server, progress)
        made = steps.pin(made, server, progress)
        made = steps.names(made, server, self.dns_token, progress)
        environment = steps.environment(made, server)
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
        id_, late = earlier.rented.server, steps.late(earlier, progress)
        found = (self.cloud.server(id_) if id_ else None) or self.cloud.find_server(earlier.instance, late=late)
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
        """The record of what is asked for, on disk before anything is made; refused when it cannot be had."""
        if asked.key_path is not None:
            check_own(asked.key_path, self.name, can_ask=self.passphrase is not None)
        before = earlier.rented if earlier and earlier.rented else Begun(wanted=asked.wanted, web=asked.web)
        if asked.web.domain is not None and self.dns_token is not None and before.dns is None:
            from alvps.provision import dns

            dns.refuse_taken(asked.web.domain, self.dns_token)
        made = Record(
            name=self.name,
            provider=self.cloud.name,
            instance=earlier.instance if earlier else secrets.token_hex(8),
            host="",
            key_path=str(asked.key_path) if asked.key_path else None,
            rented=replace(before, wanted=asked.wanted, web=asked.web, server=None, ordered=None),
        )
        record.save(made)
        return made

    def _running(self, server: Server, progress: Progress) -> Server:
        progress(Event(step="server", text=f"waiting for the server {server.id}"))
        return self.cloud.wait_running(
            server, lambda text: progress(Event(step="server", text=text, detail=True)), timeout=_RUNNING
        )

    def _go_on_hint(self) -> str:
        return f"the same command goes on, al teardown {self.name} removes what there is"

    def _so_far(self) -> str | None:
        """What exists by now and what can be done about it; None when nothing was made."""
        made = record.load(self.name)
        there = str(made.rented) if made is not None and made.rented is not None else ""
        return f"made so far: {there}" if there else None


def _asked_of(earlier: Record) -> _Asked:
    begun = steps.begun_of(earlier)
    return _Asked(wanted=begun.wanted, key_path=Path(earlier.key_path) if earlier.key_path else None, web=begun.web)
