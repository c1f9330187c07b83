"""What the fake Hetzner has on offer, in the shapes of its API (docs.hetzner.cloud: locations, server_types, images).

Beside what a client wants there is what it must leave out: a type that is sold out, one that is gone from a location,
ARM, dedicated cores, deprecated images, images that are no systems.
"""

from __future__ import annotations

from typing import Any

ANNOUNCED, GONE = "2025-10-16T06:00:00Z", "2026-01-01T00:00:00Z"


def _location(number: int, name: str, country: str, city: str, zone: str) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "description": f"{city} DC Park 1",
        "country": country,
        "city": city,
        "latitude": 50.47612,
        "longitude": 12.370071,
        "network_zone": zone,
    }


LOCATIONS = [
    _location(1, "fsn1", "DE", "Falkenstein", "eu-central"),
    _location(2, "nbg1", "DE", "Nuremberg", "eu-central"),
    _location(3, "hel1", "FI", "Helsinki", "eu-central"),
    _location(4, "ash", "US", "Ashburn, VA", "us-east"),
]
_IDS = {location["name"]: location["id"] for location in LOCATIONS}
_GONE = {"announced": ANNOUNCED, "unavailable_after": GONE}


def _price(net: str) -> dict[str, str]:
    return {"net": f"{float(net):.10f}", "gross": f"{float(net) * 1.19:.16f}"}


def _type(
    number: int,
    name: str,
    size: tuple[int, float, int],
    prices: dict[str, str],
    *,
    sold_out: tuple[str, ...] = (),
    gone: tuple[str, ...] = (),
    architecture: str = "x86",
    cpu_type: str = "shared",
) -> dict[str, Any]:
    cores, memory, disk = size
    return {
        "id": number,
        "name": name,
        "description": name.upper(),
        "category": "Cost-Optimized" if cpu_type == "shared" else "General Purpose",
        "cores": cores,
        "memory": memory,
        "disk": disk,
        "deprecated": bool(gone),
        "deprecation": _GONE if set(gone) == set(prices) else None,
        "prices": [
            {
                "location": location,
                "price_hourly": _price(f"{float(net) / 624:.4f}"),
                "price_monthly": _price(net),
                "included_traffic": 20 << 40,
                "price_per_tb_traffic": _price("1.00"),
            }
            for location, net in prices.items()
        ],
        "storage_type": "local",
        "cpu_type": cpu_type,
        "architecture": architecture,
        "locations": [
            {
                "id": _IDS[location],
                "name": location,
                "deprecation": _GONE if location in gone else None,
                "available": location not in (*sold_out, *gone),
                "recommended": location not in (*sold_out, *gone),
            }
            for location in prices
        ],
    }


_EU = ("fsn1", "nbg1", "hel1")
SERVER_TYPES = [
    _type(104, "cx22", (2, 4.0, 40), dict.fromkeys(_EU, "3.79"), gone=_EU),
    _type(114, "cx23", (2, 4.0, 40), dict.fromkeys(_EU, "3.49"), sold_out=("fsn1",)),
    _type(115, "cx33", (4, 8.0, 80), dict.fromkeys(_EU, "5.49")),
    _type(22, "cpx11", (2, 2.0, 40), {**dict.fromkeys(_EU, "4.35"), "ash": "4.49"}, gone=_EU),
    _type(45, "cax11", (2, 4.0, 40), dict.fromkeys(_EU, "3.79"), architecture="arm"),
    _type(96, "ccx13", (2, 8.0, 80), {**dict.fromkeys(_EU, "12.49"), "ash": "12.99"}, cpu_type="dedicated"),
]


def _image(
    number: int, name: str | None, architecture: str = "x86", *, type_: str = "system", deprecated: bool = False
) -> dict[str, Any]:
    flavor, _, version = (name or "unknown-").partition("-")
    return {
        "id": number,
        "type": type_,
        "status": "available",
        "name": name,
        "description": name or "nightly",
        "image_size": None if type_ == "system" else 2.3,
        "disk_size": 5,
        "created": "2023-06-13T06:00:03Z",
        "created_from": None,
        "bound_to": None,
        "os_flavor": flavor,
        "os_version": version or None,
        "rapid_deploy": type_ == "system",
        "protection": {"delete": False},
        "deprecation": _GONE if deprecated else None,
        "labels": {},
        "deleted": None,
        "architecture": architecture,
    }


IMAGES = [
    _image(45557056, "debian-11", deprecated=True),
    _image(114690387, "debian-12"),
    _image(114690389, "debian-12", "arm"),
    _image(310557660, "debian-13"),
    _image(310557659, "debian-13", "arm"),
    _image(67794396, "ubuntu-22.04"),
    _image(103908130, "ubuntu-22.04", "arm"),
    _image(161547269, "ubuntu-24.04"),
    _image(161547270, "ubuntu-24.04", "arm"),
    _image(310880554, "fedora-42"),
    _image(40093140, "docker-ce", type_="app"),
    _image(90909090, None, type_="snapshot"),
]

_ADDRESS = [
    {"location": place["name"], "price_hourly": _price("0.0008"), "price_monthly": _price("0.50")}
    for place in LOCATIONS
]
PRICING = {
    "currency": "EUR",
    "vat_rate": "19.00",
    "primary_ips": [{"type": "ipv4", "prices": _ADDRESS}, {"type": "ipv6", "prices": []}],
    "server_types": [{"id": one["id"], "name": one["name"], "prices": one["prices"]} for one in SERVER_TYPES],
}
