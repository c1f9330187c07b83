"""What a cloud provider can do: the typed face that the one flow for rented servers (rented/) drives.

An adapter per provider (hetzner/, vultr/) speaks that provider's API and nothing else: it keeps no state, prints
nothing and decides nothing that is not the provider's peculiarity. Every call is idempotent or says what it made, so
that a flow that was cut off anywhere can find out where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from alvps.provision.provider import ProvisionFailed

# The images that the bootstrap was made for, by the names that `--image` takes.
IMAGES = ("debian-13", "debian-12", "ubuntu-24.04", "ubuntu-22.04")
DEFAULT_IMAGE = "debian-12"  # the one that the tests boot


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """By the month, taxes left out, as the provider lists it."""

    amount: Decimal
    currency: str  # ISO 4217

    def __str__(self) -> str:
        return f"{self.amount:.2f} {self.currency}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Where a server can stand: the provider's id and what people call it."""

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlan:
    """A size of server. memory: MiB; disk: GB. prices: by region id, only where it can be ordered now."""

    id: str
    cpus: int
    memory: int
    disk: int
    architecture: Literal["x86", "arm"]
    prices: Mapping[str, Price]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A system that a server starts with. name: one of IMAGES; id: what the provider calls it."""

    id: str
    name: str
    architecture: Literal["x86", "arm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What can be rented, cheapest plan first."""

    plans: tuple[ServerPlan, ...]
    regions: tuple[Region, ...]
    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One server. instance: random, by which it is found again when the answer to its creation was lost."""

    name: str
    instance: str
    plan: str
    region: str
    image: str
    ssh_key: str
    firewall: str
    user_data: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SshKey:
    """A public key at the provider. ours: it was made there for this instance; another one outlives the server."""

    id: str
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server as the provider knows it now. address: IPv4, None until there is one.

    ticket: what has to be waited for after the creation, where a provider gives that an id of its own.
    """

    id: str
    name: str
    region: str
    running: bool
    address: str | None
    address6: str | None = None
    ticket: str | None = None


class CloudError(ProvisionFailed):
    """The provider said no, or nothing. What exists by then is recorded."""


class TokenRefused(CloudError):
    """The API key is wrong, has expired, or may only read."""

    exit_code = 2


class QuotaReached(CloudError):
    """The account may not have more of this."""


class NotAvailable(CloudError):
    """The plan or image cannot be had in that region now."""


class NameTaken(CloudError):
    """There is something of that name which this environment did not make."""


class CloudUnreachable(CloudError):
    """No answer, or none but errors of the provider's own and rate limits, after all attempts."""

    exit_code = 3


class OrderUnanswered(CloudUnreachable):
    """Whether the server was ordered is not known."""


class Cloud(Protocol):
    """One provider with one API key. Every method raises CloudError."""

    name: str  # as in `al provision NAME`

    def offers(self) -> Offers:
        """Plans, regions and images, with today's prices."""

    def ssh_key(self, *, name: str, public_key: str, instance: str) -> SshKey:
        """This very key at the provider: found by its content, else made under the name, which ends in the instance.

        It is ours when it carries the instance, as a label or in its name.
        """

    def find_ssh_key(self, instance: str) -> str | None:
        """The id of the key that was made for this instance."""

    def firewall(self, *, name: str, ports: tuple[int, ...], instance: str) -> str:
        """The id of this environment's firewall, with exactly these TCP ports (and ping) open to everybody, IPv4 and 6.

        Found by its instance, else made under the name, which ends in the instance; the rules are compared and mended,
        not assumed.
        """

    def find_firewall(self, instance: str) -> str | None:
        """The id of the firewall that was made for this instance, as it is."""

    def find_server(self, instance: str, *, late: float = 0) -> Server | None:
        """The server that was made for an order with this instance, if its creation was ever accepted.

        late: seconds for which a server that was just ordered may not show yet, where a provider is that slow; it is
        looked for until they are over.
        """

    def create_server(self, order: Order) -> Server:
        """Orders the server and returns at once. Never tries again where a second order would be a second server."""

    def wait_running(self, server: Server, on_wait: Callable[[str], None], *, timeout: float) -> Server:
        """Waits until it runs and has an address. on_wait: gets what is being waited for. timeout: seconds."""

    def server(self, server_id: str) -> Server | None:
        """The server, or None when there is none of that id."""

    def delete_server(self, server_id: str) -> bool:
        """Deletes it and waits until it is gone. False: there was none."""

    def delete_firewall(self, firewall_id: str) -> bool:
        """Deletes it. False: there was none."""

    def delete_ssh_key(self, key_id: str) -> bool:
        """Deletes it. False: there was none."""
