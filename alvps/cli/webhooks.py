"""`al webhooks`: deliveries on the host, and what one would do, without a host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from alvps.cli.options import environment_option, json_option, project_option


@click.group()
def command() -> None:
    """List, show and replay webhook deliveries, or find out what one would start."""


@command.command("ls")
@click.option("--source", help="Only those of this source.")
@click.option("--agent", help="Only those about which something was decided for this agent.")
@click.option("--decision", help="Only those with this decision: matched, no-match, ignored, refused, queue-full.")
@click.option("-n", "--lines", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@project_option
@environment_option
@json_option
def ls(
    *,
    source: str | None,
    agent: str | None,
    decision: str | None,
    lines: int,
    project: Path,
    env_name: str | None,
    as_json: bool,
) -> None:
    """List the deliveries that the host took, the newest first. What failed authentication was not taken."""
    from urllib.parse import urlencode

    from alvps.cli.terminal import table

    asked = {"source": source, "agent": agent, "decision": decision, "limit": lines}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    found, name = _ask(project, env_name, "GET", f"/deliveries?{query}")
    if as_json:
        click.echo(json.dumps(found))
    elif found["deliveries"]:
        rows = [
            (
                one["delivery"],
                one["received"],
                one["source"],
                " ".join(filter(None, (one["event"], one["action"]))) or "–",
                one["decision"],
                str(one["matched"]),
                f"{one['times']} ×" if one["times"] > 1 else "",
            )
            for one in found["deliveries"]
        ]
        click.echo(table(("DELIVERY", "RECEIVED", "SOURCE", "EVENT", "DECISION", "AGENTS", "CAME"), rows))
    else:
        click.echo(f"no such delivery on {name}")


@command.command("show")
@click.argument("delivery")
@project_option
@environment_option
@json_option
def show(delivery: str, project: Path, env_name: str | None, as_json: bool) -> None:
    """Show one delivery: what came, what agents are told, what was decided for each and what became of it.

    The output with --json is a fixture for `al webhooks simulate`.
    """
    found, _ = _ask(project, env_name, "GET", f"/deliveries/{_part(delivery)}")
    click.echo(json.dumps(found) if as_json else render(found))


@command.command("replay")
@click.argument("delivery")
@click.option("--agent", help="For this agent alone.")
@project_option
@environment_option
@json_option
def replay(delivery: str, agent: str | None, project: Path, env_name: str | None, as_json: bool) -> None:
    """Match a delivery against the live release again, and queue a run for each agent that it matches.

    Work that was done for it before is done once more.
    """
    body = {"agent": agent} if agent else {}
    found, name = _ask(project, env_name, "POST", f"/deliveries/{_part(delivery)}/replay", body)
    if as_json:
        click.echo(json.dumps(found))
        return
    for one in found["agents"]:
        click.echo(f"{one['agent']}: {one['run'] or one['reason'] or one['decision']}")
    if not found["agents"]:
        click.echo(f"no agent on {name} wants it")


@command.command("simulate")
@click.argument("fixture", type=click.File("rb"))
@click.option("--source", help="The source in config.toml (default: the fixture's, or the only one).")
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header, such as x-github-event."
)
@project_option
@json_option
def simulate(fixture: Any, source: str | None, headers: tuple[str, ...], project: Path, as_json: bool) -> None:
    """Say which agents of this project a delivery would start, and of the others why not. No host is contacted.

    FIXTURE is a file (- for standard input) with the delivery's body, or a JSON object with its `headers` and `body` as
    `al webhooks show ID --json` prints it. Signatures are not looked at.
    """
    from dataclasses import asdict

    from alvps.cli.fixtures import read_fixture
    from alvps.errors import UsageError
    from alvps.project import load
    from alvps.webhooks.explain import explain
    from alvps.webhooks.payload import BadPayload

    loaded = load(project)
    found = read_fixture(fixture.read(), source=source, headers=headers, sources=loaded.webhooks)
    triggers = [
        (agent.name, trigger.filters)
        for agent in loaded.agents
        for trigger in agent.webhooks
        if trigger.source == found.source.name and agent.scale > 0
    ]
    try:
        explanation = explain(found.source.type, found.headers, found.body, triggers)
    except BadPayload as error:
        raise UsageError(f"the fixture is no delivery of {found.source.type}: {error}") from error
    if as_json:
        click.echo(json.dumps({"source": found.source.name, **asdict(explanation)}))
        return
    if explanation.ignored:
        click.echo(f"it starts nothing: {explanation.ignored}")
    if not triggers:
        click.echo(f"no agent that is not switched off has a trigger on the source {found.source.name}")
    for verdict in explanation.verdicts:
        click.echo(f"{verdict.agent}: {'starts' if verdict.matched else 'does not start'}")
        for reason in () if explanation.ignored else verdict.reasons:
            click.echo(f"  {reason}")


def render(found: dict[str, Any]) -> str:
    """A delivery as a person reads it."""
    from alvps.cli.terminal import table

    about = {
        "source": f"{found['source']} ({found['type']})",
        "event": " ".join(filter(None, (found["event"], found["action"]))) or "–",
        "received": f"{found['received']}, {found['times']} ×",
        "sender's id": found["delivery_id"] or "–",
        "decision": f"{found['decision']}{': ' + found['reason'] if found['reason'] else ''}",
    }
    lines = [f"delivery {found['delivery']}", *(f"  {name:<12}{value}" for name, value in about.items())]
    rows = [
        (one["agent"], one["decision"], one["run"] or "–", one["state"] or "–", one["reason"] or "")
        for one in found["agents"]
    ]
    if rows:
        lines += ["", table(("AGENT", "DECISION", "RUN", "STATE", "REASON"), rows)]
    if found["context"] is not None:
        lines += ["", "what agents are told:", json.dumps(found["context"], indent=2, ensure_ascii=False)]
    return "\n".join(lines)


def _ask(
    project: Path, env_name: str | None, method: str, path: str, body: dict[str, Any] | None = None
) -> tuple[Any, str]:
    """One request to the daemon; its answer and the environment's name."""
    from alvps.cli.place import control, meant, open_session

    place = meant(project, env_name)
    with open_session(place) as session:
        return control(session, method, path, body), place.name


def _part(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
