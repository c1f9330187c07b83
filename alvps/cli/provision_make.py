"""The end of every `al provision`: the plan shown, or the machine made and where it is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from alvps.project.environment import Environment
    from alvps.provision.provider import Plan, Provider


def show_plan(plan: Plan, *, as_json: bool, brief: bool = False) -> None:
    """To standard output; brief: to standard error, before a question, and without what the machine is told."""
    if as_json:
        said = {"environment": plan.environment, "provider": plan.provider, "steps": plan.steps}
        more = {"price": plan.price, "user_data": plan.user_data}
        click.echo(json.dumps({**said, **{key: value for key, value in more.items() if value is not None}}))
        return
    click.echo("\n".join(f"{number}. {step}" for number, step in enumerate(plan.steps, 1)), err=brief)
    if plan.price and not brief:
        click.echo(f"\nprice: {plan.price}")
    if plan.user_data and not brief:
        click.echo(f"\nuser-data:\n{plan.user_data}", nl=False)


def make(provider: Provider, *, as_json: bool) -> None:
    """Makes it, with progress, and says how it is reached."""
    from alvps.cli.progress import Progress

    with Progress() as progress:
        environment = provider.create(progress.provision)
    if as_json:
        click.echo(json.dumps(_where(environment)))
        return
    click.echo(f"environment {environment.name} is ready: {environment.user}@{environment.host}:{environment.port}")
    if environment.web.domain:
        click.echo(f"webhooks: https://{environment.web.domain}/webhooks/…")
    click.echo(f"next: al push -E {environment.name}")


def _where(environment: Environment) -> dict[str, object]:
    said = {"name": environment.name, "host": environment.host, "port": environment.port, "user": environment.user}
    rented, web = environment.rented, environment.web
    more = {
        "provider": environment.provider,
        "server": rented.server if rented else None,
        "region": rented.region if rented else None,
        "domain": web.domain,
    }
    return {**said, **{key: value for key, value in more.items() if value is not None}}
