"""What was asked of a cloud provider and what it has made so far: the part of a record that rented servers need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alvps.project.environment import Dns, Web

SHOWN_WITHIN = 60.0  # seconds after its order, a server is among those that the provider shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to rent: ids as the provider writes them; image: one of cloud.IMAGES."""

    plan: str
    region: str
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Ids are None until the provider gave them. ssh_key: only when it was made for this environment.

    host_keys: the public halves of every host key that an order for the server carried; an order whose answer was lost
    may have been the one that counts. The private halves are never on this machine's disk. ordered: when the last of
    these went out, in seconds since 1970, until it is answered.
    """

    wanted: Wanted
    web: Web
    host_keys: tuple[str, ...] = ()
    ordered: float | None = None
    ssh_key: str | None = None
    firewall: str | None = None
    server: str | None = None
    dns: Dns | None = None

    def late(self, now: float) -> float:
        """Seconds for which the server of an order that was not answered may still not show."""
        return 0.0 if self.ordered is None else min(max(self.ordered + SHOWN_WITHIN - now, 0.0), SHOWN_WITHIN)

    def __str__(self) -> str:
        """What there is, for people; empty when nothing was made."""
        made = (
            ("ssh key", self.ssh_key),
            ("firewall", self.firewall),
            ("server", "(ordered, not answered)" if self.ordered else self.server),
            ("DNS records", " ".join(self.dns.records) if self.dns else None),
        )
        return ", ".join(f"{what} {id_}" for what, id_ in made if id_)


def read(values: Mapping[str, Any]) -> Begun:
    """From what `dataclasses.asdict` made, by way of JSON. Raises KeyError and TypeError for anything else."""
    dns = values["dns"]
    return Begun(
        **{
            **values,
            "wanted": Wanted(**values["wanted"]),
            "web": Web(**values["web"]),
            "host_keys": tuple(values["host_keys"]),
            "dns": Dns(**{**dns, "records": tuple(dns["records"])}) if dns else None,
        }
    )
