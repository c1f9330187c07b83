"""What Vultr offers, in the terms of cloud.py. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from alvps.provision.cloud import IMAGES, Image, Offers, Price, Region, ServerPlan
from alvps.provision.vultr import domain

_LEAST_MEMORY = 1024  # MB: with less, Docker and a build of an image do not get through side by side
_NAME = re.compile(r"(?P<family>Debian|Ubuntu) (?P<release>\d+(\.\d+)?)( LTS)? x64( \(\w+\))?")


def offers(regions: Iterable[domain.Region], plans: Iterable[domain.Plan], systems: Iterable[domain.Os]) -> Offers:
    """Cheapest plan first; regions by what people call them."""
    usable = [_plan(plan) for plan in plans if _can_be_a_host(plan)]
    return Offers(
        plans=tuple(sorted(usable, key=lambda plan: (min(price.amount for price in plan.prices.values()), plan.id))),
        regions=tuple(
            sorted((Region(id=one.id, text=f"{one.city}, {one.country}") for one in regions), key=lambda r: r.text)
        ),
        images=tuple(sorted(filter(None, map(_image, systems)), key=lambda image: IMAGES.index(image.name))),
    )


def _can_be_a_host(plan: domain.Plan) -> bool:
    """Not: bare metal, what has no disk of its own or no IPv4, what cannot be ordered, what is free only on request."""
    return (
        not plan.type.startswith("vbm")
        and not plan.id.endswith("-v6")
        and plan.deploy_ondemand
        and plan.ram >= _LEAST_MEMORY
        and plan.disk > 0
        and any(_cost(plan, region) > 0 for region in plan.locations)
    )


def _plan(plan: domain.Plan) -> ServerPlan:
    return ServerPlan(
        id=plan.id,
        cpus=plan.vcpu_count,
        memory=plan.ram,
        disk=plan.disk,
        architecture="x86",  # there are no others
        prices={
            region: Price(amount=_cost(plan, region), currency="USD")
            for region in plan.locations
            if _cost(plan, region) > 0
        },
    )


def _cost(plan: domain.Plan, region: str) -> Decimal:
    return plan.location_cost.get(region, plan.monthly_cost)


def _image(system: domain.Os) -> Image | None:
    match = _NAME.fullmatch(system.name)
    if match is None or system.arch != "x64":
        return None
    name = f"{match['family'].lower()}-{match['release']}"
    return Image(id=str(system.id), name=name, architecture="x86") if name in IMAGES else None
