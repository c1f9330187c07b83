"""How is a run started so that it is started once, or not at all?

    create -> attach standard input -> start -> write the frame -> close standard input

Until the last byte of the frame is written, nothing has happened that cannot be thrown away: a launcher that dies
leaves a container that was never started, or one whose entry finds the end of its input and exits with 120. Both are
recognised here as "never started" and replaced. From the last byte on the run is on its own, and found by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from alvps.launcher import runs, spec
from alvps.launcher.engine import Engine, NameTaken, NoSuchImage
from alvps.launcher.refusal import Refused, docker_down
from alvps.launcher.runs import Run
from alvps.launcher.spec import Order

HAND_OVER = 30.0  # seconds for the frame; the entry reads it as soon as Python runs


@dataclass(frozen=True, slots=True)
class Started:
    """`container` is the id, `state` what the run is doing now: "running", or "exited" if it has already been made."""

    container: str
    state: str


def start(engine: Engine, order: Order, frame: bytes, discard: Callable[[str], None]) -> Started:
    """Start the run; the same (run, attempt) again finds what there is. Raises Refused.

    `discard` is told the container's id before one whose start has failed is removed.
    """
    made = _create(engine, order)
    if isinstance(made, Run):
        return Started(made.container, made.state)
    try:
        _start(engine, order, made, frame)
    except BaseException:
        discard(made)
        with suppress(Refused):  # if it cannot be removed now, the next attempt recognises it
            engine.remove(made, force=True)
        raise
    return Started(made, "running")


def _create(engine: Engine, order: Order) -> str | Run:
    """The id of the new container, or the run that exists already."""
    body = spec.container(order)
    for _ in range(3):
        try:
            return engine.create(order.name, body)
        except NoSuchImage:  # noqa: PERF203 - three rounds at most
            raise Refused("image-missing", f"the image {order.image} of {order.agent.name} is not there") from None
        except NameTaken:
            found = engine.inspect(order.name)
            if found is None:
                continue  # removed between the two questions
            run = runs.of_inspect(found, order.installation)
            if run is None or run.key != order.key:
                raise Refused(
                    "busy-name", f"a container that is not ours has the name {order.name}; remove or rename it"
                ) from None
            if not run.never_started:
                return run
            with suppress(Refused):  # not by force: if somebody has just started it after all, it is found running next
                engine.remove(run.container)
    raise Refused("conflict", f"the container {order.name} keeps coming back", retry=True)


def _start(engine: Engine, order: Order, container: str, frame: bytes) -> None:
    with engine.attach(container) as stdin:
        engine.start(container)
        try:
            stdin.hand_over(frame, HAND_OVER)
        except OSError as error:
            raise docker_down(f"the run {order.key.run} did not take its order: {error}") from None
