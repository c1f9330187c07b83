"""Put a session together, run it, and say how it ended: in the log, to the gateway, by an exit code."""

from __future__ import annotations

import asyncio
import gc
import signal
import time
import warnings
from collections.abc import Mapping

from alvps.agent.messages import say
from alvps.agent.session import instructions, prices, providers, shell, usage
from alvps.agent.session.ask import Asker, Clock
from alvps.agent.session.backend import Backend
from alvps.agent.session.discreet import Discreet
from alvps.agent.session.ended import CONFIG, FAILED, STOPPED, Ended
from alvps.agent.session.gateway import Reporter
from alvps.agent.session.loop import Loop, check_budget
from alvps.agent.session.order import ModelSpec, Order
from alvps.agent.session.tools import Toolbox


def run(order: Order, *, folder: str, environ: Mapping[str, str], clock: Clock | None = None) -> int:
    """The exit code of the session. `folder` holds the instructions and is where commands start."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = _warned  # type: ignore[assignment]  # it is called with more than it looks at
        return asyncio.run(_session(order, folder, environ, clock or Clock()))


def _warned(message: Warning | str, *_: object) -> None:
    """What a library warns of (a model that will be retired, a setting that is ignored), as a line of the log."""
    say("debug", " ".join(str(message).split())[:500])


async def _session(order: Order, folder: str, environ: Mapping[str, str], clock: Clock) -> int:
    loop = asyncio.get_running_loop()
    # What a client library has not tidied up after a lost connection is of no interest to who reads the run.
    loop.set_exception_handler(lambda _, context: say("debug", str(context.get("message"))))
    first = order.models[0]
    gateway = environ.get("GATEWAY_URL")
    say("info", "session starting", agentName=order.agent, modelId=first.model, gatewayUrl=gateway)
    totals = usage.Totals()
    reporter = Reporter(environ)
    model = first.name

    def used(spec: ModelSpec, tokens: usage.Tokens) -> None:
        nonlocal model
        model = spec.name
        totals.add(tokens, prices.cost(spec, tokens))
        reporter.send({"usage": totals.as_report(model)})

    discreet = Discreet(order.secrets)
    backend = Backend(used, discreet)
    code, reason, output = 0, None, ""
    work = asyncio.ensure_future(
        _work(order, folder, environ, clock=clock, totals=totals, backend=backend, discreet=discreet)
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)  # once it is over, nothing: the last words are said anyway
    try:
        output = await work
    except Ended as ended:
        code, reason = ended.code, ended.reason
    except asyncio.CancelledError:
        code, reason = STOPPED, "asked to end"
    except Exception as error:  # noqa: BLE001 - the run's result must say what happened, whatever it was
        import traceback

        code, reason = FAILED, f"the session failed: {type(error).__name__}: {error}"
        say("error", "container entry error", error=str(error), stack=traceback.format_exc()[-4000:])
    finally:
        shell.kill_all()
    say("info", "token-usage", **totals.as_log())
    if reason is None:
        say("info", "run completed", outputLength=len(output))
    else:
        say("warn" if code == STOPPED else "error", reason, code=code)
    last: dict[str, object] = {"usage": totals.as_report(model)}
    if reason is not None and code != STOPPED:  # who asked it to end knows why
        last["reason"] = discreet.hide(reason)  # the gateway keeps it
    reporter.send(last)
    await reporter.close()
    await backend.close()
    return code


async def _work(
    order: Order,
    folder: str,
    environ: Mapping[str, str],
    *,
    clock: Clock,
    totals: usage.Totals,
    backend: Backend,
    discreet: Discreet,
) -> str:
    started = clock.now()
    deadline = None if order.timeout is None else started + order.timeout
    for spec in order.models:
        providers.check(spec)
    # The commands in a SKILL.md run while the libraries are imported.
    loading = asyncio.ensure_future(instructions.load(folder, order.actions, dict(environ)))
    try:
        begun = time.monotonic()
        await asyncio.to_thread(backend.open, order.models[0])
        say("debug", "model ready", seconds=round(time.monotonic() - begun, 3))
        gc.freeze()  # what is loaded now stays: later collections need not look at it
        gc.enable()
        check_budget(order, prices.is_known)
        try:
            system = await loading
        except OSError as error:
            raise Ended(CONFIG, f"{order.actions} cannot be read: {error.strerror}") from None
    finally:
        loading.cancel()

    def before_request() -> None:
        reason = usage.before_request(totals, order.budget)
        if reason is not None:
            raise Ended(FAILED, reason)

    asker = Asker(order.models, backend, clock=clock, deadline=deadline, before=before_request)
    toolbox = Toolbox(folder, dict(environ), lambda: None if deadline is None else deadline - clock.now())
    loop = Loop(
        order,
        asker=asker,
        toolbox=toolbox,
        totals=totals,
        window=backend.window,
        signals=environ.get("AL_SIGNAL_DIR"),
        discreet=discreet,
    )
    return await loop.run(system)
