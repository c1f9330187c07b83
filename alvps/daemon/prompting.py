"""The prompt of a run: the live release says who the agent is, the store says why it runs."""

from __future__ import annotations

from alvps.daemon.release import Release
from alvps.errors import AlError
from alvps.prompt import Trigger, assemble
from alvps.store import calls, deliveries
from alvps.store.runs import Run
from alvps.store.store import Store


async def prompt(release: Release, run: Run, store: Store) -> str:
    """What the run's command gets on its standard input.

    Raises StoreUnavailable when the store cannot be read at present; any other AlError is for good: the release has no
    such agent, or what started the run is not known any more.
    """
    project = release.project
    agent = project.agent(run.agent)
    trigger = await _trigger(run, store)
    try:
        return assemble(
            agent_name=agent.name,
            params=agent.params,
            credentials=agent.credentials,
            trigger=trigger,
            others=[(each.name, each.description) for each in project.agents if each is not agent and each.scale > 0],
            depth=run.depth,
            max_depth=project.max_call_depth,
            lock_timeout=project.lock_timeout,
        )
    except ValueError as error:
        raise AlError(f"no prompt can be made for the run {run.run} of {run.agent!r}: {error}") from error


async def _trigger(run: Run, store: Store) -> Trigger:
    if run.trigger == "webhook":
        context = await store.read(deliveries.context_of, run.delivery) if run.delivery else None
        if not context:
            raise _forgotten(run, f"the webhook delivery {run.delivery}", "`al webhooks ls` lists those that are kept")
        return Trigger(kind="webhook", webhook=context)
    if run.trigger == "agent":
        call = await store.read(calls.get, run.call) if run.call else None
        if call is None:
            raise _forgotten(run, f"the call {run.call}", "the calling agent may call again")
        return Trigger(kind="agent", caller=call.caller_agent, context=call.context)
    return Trigger(kind=run.trigger, prompt=run.prompt)


def _forgotten(run: Run, what: str, hint: str) -> AlError:
    return AlError(f"{what}, which started the run {run.run} of {run.agent!r}, is not in the store any more", hint=hint)
