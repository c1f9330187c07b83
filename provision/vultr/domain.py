"""What the API answers, as far as it is used here. Fields that are not named are ignored: the API grows.

Shapes: https://www.vultr.com/api/, schemas region, plans, os, ssh, firewall-group, firewall-rule, instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from alvps.provision.vultr.reading import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Where instances stand."""

    id: str
    city: str
    country: str  # ISO 3166-1 alpha-2

    @classmethod
    def read(cls, fields: Fields) -> Region:
        return cls(id=fields.text("id"), city=fields.text("city"), country=fields.text("country"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A size. ram: MB, disk: GB (0: it has none of its own). monthly_cost: USD. locations: ids of regions.

    location_cost: USD by the month in regions where it is another.
    """

    id: str
    type: str
    vcpu_count: int
    ram: int
    disk: int
    monthly_cost: Decimal
    locations: tuple[str, ...]
    location_cost: Mapping[str, Decimal]
    deploy_ondemand: bool

    @classmethod
    def read(cls, fields: Fields) -> Plan:
        return cls(
            id=fields.text("id"),
            type=fields.text("type"),
            vcpu_count=fields.number("vcpu_count"),
            ram=fields.number("ram"),
            disk=fields.number("disk"),
            monthly_cost=fields.amount("monthly_cost"),
            locations=fields.texts("locations"),
            location_cost={
                region: costs.amount("monthly_cost") for region, costs in fields.inner_by_key("location_cost").items()
            },
            deploy_ondemand=fields.flag("deploy_ondemand", default=True),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Os:
    """A system to install. name: as in "Debian 12 x64 (bookworm)"."""

    id: int
    name: str
    arch: str
    family: str

    @classmethod
    def read(cls, fields: Fields) -> Os:
        return cls(
            id=fields.number("id"), name=fields.text("name"), arch=fields.text("arch"), family=fields.text("family")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SshKey:
    """A public key. ssh_key: as in authorized_keys."""

    id: str
    name: str
    ssh_key: str

    @classmethod
    def read(cls, fields: Fields) -> SshKey:
        return cls(id=fields.text("id"), name=fields.text("name"), ssh_key=fields.text("ssh_key"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallGroup:
    """A set of rules that instances can be in. It has no labels: its description is all that can carry a mark."""

    id: str
    description: str

    @classmethod
    def read(cls, fields: Fields) -> FirewallGroup:
        return cls(id=fields.text("id"), description=fields.text("description"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a firewall group lets in; all else is dropped. port: "22", "8000:9000", "" for a protocol without ports.

    source: "" for the subnet alone, else who is let in instead (as "cloudflare").
    """

    ip_type: str  # "v4" or "v6"
    protocol: str
    port: str
    subnet: str
    subnet_size: int
    source: str = ""

    @classmethod
    def read(cls, fields: Fields) -> Rule:
        return cls(
            ip_type=fields.text("ip_type"),
            protocol=fields.text("protocol").lower(),
            port=fields.text("port"),
            subnet=fields.address("subnet"),
            subnet_size=fields.number("subnet_size"),
            source=fields.text("source"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedRule:
    """A rule as it stands in its group."""

    id: int
    rule: Rule

    @classmethod
    def read(cls, fields: Fields) -> NumberedRule:
        return cls(id=fields.number("id"), rule=Rule.read(fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A server. The password that the API makes up and shows for a while is left where it is.

    status: active, pending, suspended, resizing. power_status: running, stopped. server_status: none, locked,
    installingbooting, isomounting, ok. main_ip: "0.0.0.0" until there is one; v6_main_ip: "" until then.
    """

    id: str
    label: str
    region: str
    tags: tuple[str, ...]
    status: str
    power_status: str
    server_status: str
    main_ip: str
    v6_main_ip: str

    @classmethod
    def read(cls, fields: Fields) -> Instance:
        return cls(
            id=fields.text("id"),
            label=fields.text("label"),
            region=fields.text("region"),
            tags=fields.texts("tags"),
            status=fields.text("status"),
            power_status=fields.text("power_status"),
            server_status=fields.text("server_status"),
            main_ip=fields.text("main_ip"),
            v6_main_ip=fields.text("v6_main_ip"),
        )
