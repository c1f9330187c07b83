"""The control API's part about webhook deliveries: looking at them, and having one decided anew."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from alvps.daemon import views
from alvps.daemon.deliveries import Deliveries
from alvps.gateway.control_orders import LIST, MAX_LIST, MAX_NAME
from alvps.gateway.fields import Count, Text
from alvps.gateway.routes import Accepted


class DeliveriesQuery(TypedDict):
    """Which deliveries."""

    source: Annotated[str | None, Text(MAX_NAME)]
    agent: Annotated[str | None, Text(MAX_NAME)]
    decision: Literal["matched", "no-match", "ignored", "refused", "queue-full"] | None
    limit: Annotated[int, Count(LIST, MAX_LIST)]


class DeliveryList(TypedDict):
    """Deliveries, the newest first."""

    deliveries: list[views.Delivery]


class ReplayBody(TypedDict):
    """For which agent; null: for all."""

    agent: Annotated[str | None, Text(MAX_NAME)]


async def recent(deliveries: Deliveries, query: DeliveriesQuery) -> DeliveryList:
    """The newest webhook deliveries; what failed authentication was not taken, and is not among them."""
    found = await deliveries.recent(query["source"], query["agent"], query["decision"], query["limit"])
    return {"deliveries": found}


async def one(deliveries: Deliveries, delivery: str) -> views.WholeDelivery:
    """Everything about a delivery: what came, what was decided for each agent, and what became of it."""
    return await deliveries.one(delivery)


async def replay(deliveries: Deliveries, delivery: str, body: ReplayBody) -> Accepted[views.Replay]:
    """Match a delivery against the live release again, and queue a run for each agent that it matches."""
    return Accepted(await deliveries.replay(delivery, body["agent"]))
