"""What the fake Vultr's answers look like: errors, rules, instances (www.vultr.com/api)."""

from __future__ import annotations

import base64
import ipaddress
import re
import time
import uuid
from typing import Any

from tests.support.cloud.server import Answer, Refused

Thing = dict[str, Any]
# What an instance goes through: status, power_status, server_status.
STATES = (
    ("pending", "running", "none"),
    ("active", "running", "locked"),
    ("active", "running", "installingbooting"),
    ("active", "running", "ok"),
)


def failure(status: int, message: str, **headers: str) -> Answer:
    """An error in Vultr's shape. headers: with _ for -."""
    body = {"error": message, "status": status}
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def refused(message: str, status: int = 400) -> Refused:
    return Refused(failure(status, message))


def rule_of(body: Thing) -> Thing:
    """A rule as answers show it. Raises Refused."""
    protocol, port, kind = str(body.get("protocol", "")).lower(), body.get("port", ""), body.get("ip_type")
    if protocol not in {"tcp", "udp", "icmp", "gre", "esp", "ah"}:
        raise refused("Invalid protocol.")
    if kind not in {"v4", "v6"}:
        raise refused("Invalid ip_type.")
    if not isinstance(port, str) or not re.fullmatch(r"|\d{1,5}([:-]\d{1,5})?", port):
        raise refused("Invalid port.")
    if bool(port) != (protocol in {"tcp", "udp"}):
        raise refused("Invalid port.")
    try:
        network = ipaddress.ip_network(f"{body['subnet']}/{body['subnet_size']}")
    except (ValueError, KeyError):
        raise refused("Invalid subnet.") from None
    if f"v{network.version}" != kind:
        raise refused("Invalid subnet.")
    return {
        "id": 0,
        "type": kind,
        "ip_type": kind,
        "action": "accept",
        "protocol": protocol,
        "port": port,
        "subnet": body["subnet"],
        "subnet_size": body["subnet_size"],
        "source": body.get("source", ""),
        "notes": body.get("notes", ""),
    }


def instance_of(key: str, body: Thing, plan: Thing, system: Thing) -> Thing:
    status, power, server = STATES[0]
    return {
        "id": key,
        "os": system["name"],
        "ram": plan["ram"],
        "disk": 0,
        "main_ip": "0.0.0.0",
        "vcpu_count": plan["vcpu_count"],
        "region": body["region"],
        "plan": plan["id"],
        "date_created": now(),
        "status": status,
        "allowed_bandwidth": 2,
        "netmask_v4": "",
        "gateway_v4": "0.0.0.0",
        "power_status": power,
        "server_status": server,
        "v6_network": "",
        "v6_main_ip": "",
        "v6_network_size": 0,
        "label": body.get("label", ""),
        "internal_ip": "",
        "kvm": "",
        "hostname": body.get("hostname", "vultr"),
        "tag": (body.get("tags") or [""])[0],
        "tags": body.get("tags", []),
        "os_id": system["id"],
        "app_id": 0,
        "image_id": "",
        "snapshot_id": "",
        "firewall_group_id": body.get("firewall_group_id", ""),
        "features": ["ipv6"] if body.get("enable_ipv6") else [],
        "user_scheme": body.get("user_scheme", "root"),
        "vpc_only": False,
    }


def network_of(instance: Thing) -> Thing:
    """Addresses, which an instance has from its second state on."""
    v6 = {"v6_network": "2001:db8:4711::", "v6_main_ip": "2001:db8:4711::64", "v6_network_size": 64}
    v4 = {"main_ip": instance["_address"], "netmask_v4": "255.255.254.0", "gateway_v4": "192.0.2.1"}
    return v4 | (v6 if "ipv6" in instance["features"] else {})


def public(instance: Thing) -> Thing:
    return {key: value for key, value in instance.items() if not key.startswith("_")}


def cursor_of(start: int) -> str:
    return base64.b64encode(f"next__{start}".encode()).decode()


def new_id() -> str:
    return str(uuid.uuid4())


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
