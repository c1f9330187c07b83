"""Ask the models in their order until one answers: who is rate limited or down is left alone for a while.

A model that failed is not asked again before its time: 30 s after the first failure, doubled with each further one up
to 5 minutes, or as long as its provider said, if that is longer. When none may be asked, the session waits for the
first that may. After five rounds without an answer it ends with code 12.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from alvps.agent.messages import say
from alvps.agent.session.ended import AUTH, CONFIG, FAILED, RATE_LIMITED, Ended
from alvps.agent.session.faults import Fault
from alvps.agent.session.order import ModelSpec

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse

ROUNDS = 5
FIRST_WAIT = 30.0  # seconds
LONGEST_WAIT = 300.0


class TooLong(Exception):
    """The conversation does not fit the model that would have to answer."""


class Clock:
    """Time and waiting; tests have their own."""

    def now(self) -> float:
        """Seconds that never go backwards."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Backend(Protocol):
    """Sends one request to one model."""

    async def request(
        self, spec: ModelSpec, messages: Sequence[ModelMessage], *, tools: bool, system: str
    ) -> ModelResponse | Fault:
        """The whole answer, or what went wrong. Raises Ended when there can be no such model."""


@dataclass(slots=True)
class _Standing:
    """How a model has done lately."""

    spec: ModelSpec
    failures: int = 0
    not_before: float = 0.0
    last: Fault | None = None


class Asker:
    """Knows which model to ask next. `deadline` is on the clock's scale; None: somebody else ends the session."""

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        backend: Backend,
        *,
        clock: Clock,
        deadline: float | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._standing = [_Standing(spec) for spec in specs]
        self._backend = backend
        self._clock = clock
        self._deadline = deadline
        self._before = before

    async def ask(
        self, messages: Sequence[ModelMessage], *, system: str, tools: bool = True
    ) -> tuple[ModelSpec, ModelResponse]:
        """Who answered, and the answer. Raises Ended or TooLong, and whatever `before` raises before a request."""
        for number in range(1, ROUNDS + 1):
            for one in self._standing:
                if one.not_before > self._clock.now():
                    continue
                self._before()
                answer = await self._backend.request(one.spec, messages, tools=tools, system=system)
                if not isinstance(answer, Fault):
                    one.failures, one.not_before, one.last = 0, 0.0, None
                    return one.spec, answer
                self._failed(one, answer)
            if number < ROUNDS:
                await self._wait(number)
        raise Ended(RATE_LIMITED, f"no model answered in {ROUNDS} rounds: {self._lasts()}")

    def _failed(self, one: _Standing, fault: Fault) -> None:
        title = one.spec.title
        if fault.kind == "too_long":
            raise TooLong(f"model {title}: {fault.reason}")
        if fault.kind == "auth":
            raise Ended(AUTH, f"model {title} refused the key {one.spec.provider}_key: {fault.reason}")
        if fault.kind == "config":
            raise Ended(CONFIG, f"model {title} refused the request: {fault.reason}")
        if fault.kind == "refused":
            raise Ended(FAILED, f"model {title} refused to answer: {fault.reason}")
        one.failures += 1
        one.last = fault
        wait = min(FIRST_WAIT * 2 ** (one.failures - 1), LONGEST_WAIT)
        if fault.kind == "quota":
            wait = float("inf")  # waiting does not help; the other models may
        one.not_before = self._clock.now() + max(wait, fault.retry_after or 0.0)
        say("warn", f"model {title} did not answer: {fault.reason}", kind=fault.kind, failures=one.failures)

    async def _wait(self, number: int) -> None:
        now = self._clock.now()
        until = min(one.not_before for one in self._standing)
        if until == float("inf"):
            raise Ended(RATE_LIMITED, f"no model can answer: {self._lasts()}")
        seconds = max(0.0, until - now)
        if self._deadline is not None and until >= self._deadline:
            left = max(0.0, self._deadline - now)
            raise Ended(
                RATE_LIMITED,
                f"no model may be asked for {seconds:.0f} s, and the run has {left:.0f} s left: {self._lasts()}",
            )
        if seconds:
            say("info", f"waiting {seconds:.0f} s for a model", round=number, of=ROUNDS)
            await self._clock.sleep(seconds)

    def _lasts(self) -> str:
        return "; ".join(f"{one.spec.title}: {one.last.reason}" for one in self._standing if one.last is not None)
