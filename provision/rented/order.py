"""Is what was asked for among the offers? Pure: refused before anything is made, with what there is instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

from alvps.errors import UsageError
from alvps.provision.cloud import Image, NotAvailable, Offers, Price, Region, ServerPlan
from alvps.provision.rented.begun import Wanted

T = TypeVar("T")

COMFORTABLE = 2000  # MiB: the daemon, Docker and a run or two


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was asked for, as the provider offers it."""

    plan: ServerPlan
    region: Region
    image: Image

    @property
    def price(self) -> Price:
        return self.plan.prices[self.region.id]

    def __str__(self) -> str:
        return f"{plan_text(self.plan)}; {self.region.text} ({self.region.id}); {self.image.name}"


def check(offers: Offers, wanted: Wanted) -> Choice:
    """Raises UsageError for what the provider does not have, NotAvailable for what it does not have there now."""
    region = _named(wanted.region, {region.id: region for region in offers.regions}, "region")
    plan = _named(wanted.plan, {plan.id: plan for plan in offers.plans}, "plan")
    if region.id not in plan.prices:
        raise NotAvailable(
            f"the plan {plan.id} cannot be had in {region.id} now; it can in {', '.join(sorted(plan.prices))}"
        )
    fitting = {image.name: image for image in offers.images if image.architecture == plan.architecture}
    return Choice(plan=plan, region=region, image=_named(wanted.image, fitting, f"image for {plan.architecture}"))


def default_plan(plans: Iterable[ServerPlan]) -> str | None:
    """The cheapest plan that is comfortable; plans come cheapest first."""
    return next((plan.id for plan in plans if plan.memory >= COMFORTABLE), None)


def plan_text(plan: ServerPlan) -> str:
    """A plan's size in a line."""
    return f"{plan.id}: {plan.cpus} vCPU ({plan.architecture}), {plan.memory / 1024:g} GB memory, {plan.disk} GB disk"


def _named(name: str, there: dict[str, T], what: str) -> T:
    if name in there:
        return there[name]
    close = get_close_matches(name, there, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(there)) or 'none'}"
    raise UsageError(f"there is no {what} {name!r}; nothing was made", hint=hint)
