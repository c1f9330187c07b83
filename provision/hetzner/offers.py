"""What can be rented at Hetzner, from what the API lists. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from alvps.provision.cloud import IMAGES, Image, Offers, Price, Region, ServerPlan


def offers(types: Iterable[Any], locations: Iterable[Any], images: Iterable[Any], pricing: Mapping[str, Any]) -> Offers:
    """Server types where they can be ordered now: what is deprecated or sold out at a location is left out there.

    types, locations, images: hcloud's models, whose annotations call every field optional. pricing: of GET /pricing;
    the price of a server contains that of its public IPv4 address, which is billed apart.
    """
    addresses = _ipv4(pricing)
    plans = (_plan(type_, addresses, pricing["currency"]) for type_ in types)
    return Offers(
        plans=tuple(sorted((plan for plan in plans if plan.prices), key=cheapest)),
        regions=tuple(Region(id=place.name, text=f"{place.city}, {place.country}") for place in locations),
        images=tuple(
            Image(id=str(image.id), name=image.name, architecture=image.architecture)
            for image in images
            if image.name in IMAGES and image.status == "available" and image.deprecation is None
        ),
    )


def cheapest(plan: ServerPlan) -> tuple[Decimal, str]:
    """The order of plans: by their lowest price."""
    return min(price.amount for price in plan.prices.values()), plan.id


def _plan(type_: Any, addresses: Mapping[str, Decimal], currency: str) -> ServerPlan:
    to_be_had = {
        place.location.name
        for place in type_.locations or ()
        if place.deprecation is None and place.available is not False
    }
    return ServerPlan(
        id=type_.name,
        cpus=type_.cores,
        memory=int(type_.memory * 1024),
        disk=int(type_.disk),
        architecture=type_.architecture,
        prices={
            price["location"]: Price(
                amount=Decimal(price["price_monthly"]["net"]) + addresses.get(price["location"], Decimal(0)),
                currency=currency,
            )
            for price in type_.prices
            if price["location"] in to_be_had
        },
    )


def _ipv4(pricing: Mapping[str, Any]) -> dict[str, Decimal]:
    """What a public IPv4 address costs by the month, net, by location."""
    return {
        price["location"]: Decimal(price["price_monthly"]["net"])
        for kind in pricing.get("primary_ips", ())
        if kind["type"] == "ipv4"
        for price in kind["prices"]
    }
