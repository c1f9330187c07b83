"""What the fake Hetzner's answers look like: errors, rules, servers (docs.hetzner.cloud)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tests.support.cloud import hetzner_catalogue as catalogue
from tests.support.cloud.server import Answer, Refused

Thing = dict[str, Any]


def failure(status: int, code: str, message: str, details: Thing | None = None, **headers: str) -> Answer:
    """An error in Hetzner's shape. headers: with _ for -."""
    body = {"error": {"code": code, "message": message, "details": details}}
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def invalid(problems: Mapping[str, list[str]]) -> Refused:
    """The refusal of a body's fields."""
    names = ", ".join(f"'{name}'" for name in problems)
    details = {"fields": [{"name": name, "messages": said} for name, said in problems.items()]}
    return Refused(failure(422, "invalid_input", f"invalid input in fields {names}", details))


def image_of(wanted: object, kind: Thing | None) -> Thing | None:
    """A name means the image of the server type's architecture; an id means that image."""
    for image in catalogue.IMAGES:
        if str(wanted) == str(image["id"]):
            return image
        if wanted == image["name"] and kind is not None and image["architecture"] == kind["architecture"]:
            return image
    return None


def rule_of(given: Thing) -> Thing:
    """A rule as answers show it: all keys there."""
    return {"source_ips": [], "destination_ips": [], "port": None, "description": None} | given


def server_of(
    number: int, body: Thing, kind: Thing, image: Thing, location: Thing, address: str, firewalls: list[int]
) -> Thing:
    wanted = body.get("public_net", {})
    ipv4 = {"id": number + 100_000, "ip": address, "blocked": False, "dns_ptr": f"static.{address}.clients.example"}
    ipv6 = {"id": number + 200_000, "ip": f"2001:db8:{number:x}::/64", "blocked": False, "dns_ptr": []}
    return {
        "id": number,
        "name": body["name"],
        "status": "initializing" if body.get("start_after_create", True) else "off",
        "created": now(),
        "public_net": {
            "ipv4": ipv4 if wanted.get("enable_ipv4", True) else None,
            "ipv6": ipv6 if wanted.get("enable_ipv6", True) else None,
            "floating_ips": [],
            "firewalls": [{"id": one, "status": "pending"} for one in firewalls],
        },
        "private_net": [],
        "server_type": kind,
        "location": location,
        "image": image,
        "iso": None,
        "rescue_enabled": False,
        "locked": False,
        "backup_window": None,
        "outgoing_traffic": None,
        "ingoing_traffic": None,
        "included_traffic": 20 << 40,
        "protection": {"delete": False, "rebuild": False},
        "labels": body.get("labels", {}),
        "volumes": [],
        "load_balancers": [],
        "primary_disk_size": kind["disk"],
        "placement_group": None,
    }


def public(server: Thing) -> Thing:
    return {key: value for key, value in server.items() if not key.startswith("_")}


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
