"""The session's loop: ask, do what the answer calls for, ask again, until an answer calls for nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from alvps.agent.messages import say
from alvps.agent.session import usage
from alvps.agent.session.ask import Asker, TooLong
from alvps.agent.session.denied import Denials
from alvps.agent.session.discreet import Discreet
from alvps.agent.session.ended import CONFIG, FAILED, Ended
from alvps.agent.session.order import ModelSpec, Order
from alvps.agent.session.shown import shorten
from alvps.agent.session.shrink import Shrinker
from alvps.agent.session.tools import Called, Toolbox

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart, ToolReturnPart

CUT_ANSWERS = 3  # answers in a row that end at the output limit
_GO_ON = "Your answer was cut off because it reached the output limit. Go on exactly where it ended."
_SILENT = "Your answer was empty. Go on with the work, or say in one sentence that it is done."


class Loop:
    """One session. `window` says how many tokens a model's context holds."""

    def __init__(
        self,
        order: Order,
        *,
        asker: Asker,
        toolbox: Toolbox,
        totals: usage.Totals,
        window: Callable[[ModelSpec], int],
        signals: str | None,
        discreet: Discreet,
    ) -> None:
        self._order = order
        self._asker = asker
        self._toolbox = toolbox
        self._totals = totals
        self._window = window
        self._signals = signals
        self._shrinker = Shrinker(asker)
        self._discreet = discreet
        self._denials = Denials(discreet)
        self._last: ModelSpec = order.models[0]

    async def run(self, system: str) -> str:
        """Work until it is done; the text of the last answer. Raises Ended."""
        from pydantic_ai.messages import ModelRequest, UserPromptPart

        messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(content=self._order.prompt)])]
        cut = silent = 0
        while True:
            messages, answer = await self._answer(messages, system)
            text = answer.text or ""
            if text.strip():
                say("info", "assistant", text=text)
            calls = _calls(answer)
            if calls:
                results = [await self._call(call) for call in calls]
                messages += [answer, ModelRequest(parts=results)]
                if self._wants_to_exit():
                    return text
            elif answer.finish_reason == "length":
                cut += 1
                if cut >= CUT_ANSWERS:
                    raise Ended(FAILED, f"{cut} answers in a row were cut at the model's output limit")
                messages += [answer, ModelRequest(parts=[UserPromptPart(content=_GO_ON)])]
                continue
            elif not text.strip() and not silent:
                silent = 1
                messages[-1] = ModelRequest(parts=[*messages[-1].parts, UserPromptPart(content=_SILENT)])
                continue
            elif answer.state != "suspended":
                return text
            else:
                messages.append(answer)
            cut = silent = 0
            messages = await self._fitted(messages, answer)

    async def _answer(self, messages: list[ModelMessage], system: str) -> tuple[list[ModelMessage], ModelResponse]:
        """The next answer, and the conversation that it answers: made smaller as often as a provider says too long."""
        while True:
            try:
                self._last, answer = await self._asker.ask(messages, system=system)
            except TooLong as error:
                say("warn", str(error))
                messages = await self._shrinker.shrink(messages, self._window(self._last), refused=True)
                continue
            return messages, answer

    async def _fitted(self, messages: list[ModelMessage], answer: ModelResponse) -> list[ModelMessage]:
        context = answer.usage.input_tokens + answer.usage.output_tokens
        self._shrinker.learn(messages[:-1], context)
        window = self._window(self._last)
        if not self._shrinker.is_full(context, window):
            return messages
        return await self._shrinker.shrink(messages, window, refused=False)

    async def _call(self, call: ToolCallPart) -> ToolReturnPart:
        from pydantic_ai.messages import ToolReturnPart

        budget = self._order.budget
        reason = usage.before_request(self._totals, budget) or usage.before_tool(self._totals, budget)
        if reason is not None:
            raise Ended(FAILED, reason)
        self._totals.tool_calls += 1
        arguments = _arguments(call)
        command = str((arguments or {}).get("command", ""))
        shown = self._discreet.cut(command, 200)
        if call.tool_name == "bash":
            say("info", "bash", cmd=shown)
        say("info", "tool start", tool=call.tool_name)
        if arguments is None:
            done = Called(
                "the arguments are not a JSON object; long ones may have been cut: give them in pieces", refused=True
            )
        else:
            done = await self._toolbox.call(call.tool_name, arguments)
        if done.failed:
            result = shorten(self._discreet.hide(done.text), 1000)
            say("warn", "tool error", tool=call.tool_name, cmd=shown, result=result)
        else:
            say("info", "tool done", tool=call.tool_name, resultLength=len(done.text))
        if done.code and (denied := self._denials.failed(command, done.text)):
            raise Ended(FAILED, denied)
        return ToolReturnPart(
            tool_name=call.tool_name,
            content=done.text,
            tool_call_id=call.tool_call_id,
            outcome="failed" if done.refused else "success",
        )

    def _wants_to_exit(self) -> bool:
        """Whether al-exit was called: the entry takes the code from the file."""
        return self._signals is not None and os.path.lexists(f"{self._signals}/exit")


def check_budget(order: Order, known: Callable[[ModelSpec], bool]) -> None:
    """Raises Ended when a cost budget could not be kept, because some model's price is unknown."""
    if order.budget.cost is None:
        return
    unknown = [spec for spec in order.models if not known(spec)]
    if unknown:
        names = ", ".join(spec.title for spec in unknown)
        raise Ended(
            CONFIG,
            f"limits.cost cannot be kept: no price is known for {names}; set"
            f" prices = {{ input = …, output = … }} (USD per million tokens) in [models.{unknown[0].name}],"
            " or remove limits.cost",
        )


def _calls(answer: ModelResponse) -> list[ToolCallPart]:
    from pydantic_ai.messages import ToolCallPart

    return [part for part in answer.parts if isinstance(part, ToolCallPart)]


def _arguments(call: ToolCallPart) -> dict[str, Any] | None:
    try:
        arguments: dict[str, Any] = call.args_as_dict(raise_if_invalid=True)
    except (ValueError, AssertionError):
        return None
    return arguments
