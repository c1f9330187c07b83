"""The gateway's OpenAPI documents, one for each door, and the routes that give them; made when somebody asks."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

from alvps.daemon.operator import Operator
from alvps.gateway import container, control, dashboard, public
from alvps.gateway.dashboard_orders import Visitor
from alvps.gateway.openapi import DoorName, describe
from alvps.gateway.routes import Route

PATH = "/openapi.json"


class DoorQuery(TypedDict):
    """Which of the four doors; null: this one."""

    door: DoorName | None


async def openapi(_operator: Operator, query: DoorQuery) -> dict[str, Any]:
    """The OpenAPI document of this door, or of another one."""
    return await asyncio.to_thread(document, query["door"] or "control")


async def of_dashboard(_visitor: Visitor) -> dict[str, Any]:
    """The OpenAPI document of this door."""
    return await asyncio.to_thread(document, "dashboard")


FOR_CONTROL = Route(method="GET", path=PATH, does=openapi, large=True)
FOR_DASHBOARD = Route(method="GET", path=PATH, does=of_dashboard, large=True)
ROUTES: dict[DoorName, tuple[Route, ...]] = {
    "control": (*control.ROUTES, FOR_CONTROL, *control.DELIVERY_ROUTES, *control.TICKET_ROUTES),
    "runs": container.ROUTES,
    "public": public.ROUTES,
    "dashboard": (*dashboard.OWN_ROUTES, FOR_DASHBOARD, *dashboard.CONTROL_ROUTES, *control.DELIVERY_ROUTES),
}


def document(door: DoorName) -> dict[str, Any]:
    """The OpenAPI document of one door."""
    return describe(door, ROUTES[door])
