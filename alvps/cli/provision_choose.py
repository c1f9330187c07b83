"""Which server to rent, chosen from lists on a terminal: typing filters, arrows move, Ctrl-C leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alvps.cli.terminal import table
from alvps.errors import AlError

if TYPE_CHECKING:
    from alvps.provision.cloud import Offers, ServerPlan
    from alvps.provision.rented.begun import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of a list and the id that it stands for."""

    id: str
    text: str


def choose(offers: Offers, *, plan: str | None, region: str | None, image: str | None) -> Wanted:
    """Asks for what is None. Raises KeyboardInterrupt on Ctrl-C, AlError when there is nothing to choose from."""
    from alvps.provision.cloud import DEFAULT_IMAGE
    from alvps.provision.rented.begun import Wanted
    from alvps.provision.rented.order import default_plan

    plans = tuple(one for one in offers.plans if region is None or region in one.prices)
    plan = plan or _ask("Plan", plan_rows(plans, region), default_plan(plans))
    chosen = next((one for one in plans if one.id == plan), None)
    region = region or _ask("Region", region_rows(offers, chosen), None)
    image = image or _ask("Image", image_rows(offers, chosen), DEFAULT_IMAGE)
    return Wanted(plan=plan, region=region, image=image)


def plan_rows(plans: Sequence[ServerPlan], region: str | None) -> tuple[Row, ...]:
    """Plans with their size and monthly price: in the region, else the lowest."""
    cells = []
    for plan in plans:
        price = plan.prices[region] if region else min(plan.prices.values(), key=lambda one: one.amount)
        size = f"{plan.cpus} vCPU {plan.architecture}", f"{plan.memory / 1024:g} GB", f"{plan.disk} GB disk"
        cells.append((plan.id, *size, f"{'' if region else 'from '}{price} a month"))
    return _rows([plan.id for plan in plans], cells)


def region_rows(offers: Offers, plan: ServerPlan | None) -> tuple[Row, ...]:
    """Regions where the plan can be had, each with its price there."""
    there = [region for region in offers.regions if plan is None or region.id in plan.prices]
    cells = [(region.id, region.text, str(plan.prices[region.id]) if plan else "") for region in there]
    return _rows([region.id for region in there], cells)


def image_rows(offers: Offers, plan: ServerPlan | None) -> tuple[Row, ...]:
    """Images that fit the plan's processor, none twice."""
    names = dict.fromkeys(
        image.name for image in offers.images if plan is None or image.architecture == plan.architecture
    )
    return tuple(Row(id=name, text=name) for name in sorted(names))


def _rows(ids: Sequence[str], cells: Sequence[Sequence[str]]) -> tuple[Row, ...]:
    if not cells:
        return ()
    lines = table(("",) * len(cells[0]), cells).split("\n")[1:]
    return tuple(Row(id=id_, text=line) for id_, line in zip(ids, lines, strict=True))


def _ask(what: str, rows: Sequence[Row], default: str | None) -> str:
    import questionary

    if not rows:
        raise AlError(f"the provider has no {what.lower()} for that now; nothing was made")
    choices = [questionary.Choice(title=row.text, value=row.id) for row in rows]
    preset = next((choice for choice in choices if choice.value == default), None)
    question = questionary.select(
        what,
        choices=choices,
        default=preset,
        use_search_filter=True,
        use_jk_keys=False,  # letters filter
        instruction="(type to filter)",
    )
    return str(question.unsafe_ask())
