"""One request to one model through pydantic-ai, its answer checked for wholeness, its usage counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from alvps.agent.session.discreet import Discreet
from alvps.agent.session.ended import Ended
from alvps.agent.session.faults import Fault, fault
from alvps.agent.session.order import ModelSpec
from alvps.agent.session.providers import Opened, open_model
from alvps.agent.session.tools import TOOLS
from alvps.agent.session.usage import Tokens

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.tools import ToolDefinition
    from pydantic_ai.usage import RequestUsage


class Backend:
    """The models of the session; each is opened when it is first needed. `used` is told what every answer used."""

    def __init__(self, used: Callable[[ModelSpec, Tokens], None], discreet: Discreet) -> None:
        self._used = used
        self._discreet = discreet
        self._opened: dict[str, Opened] = {}
        self._definitions: list[ToolDefinition] | None = None

    def open(self, spec: ModelSpec) -> Opened:
        """The model, ready to be asked. Raises Ended."""
        if spec.name not in self._opened:
            self._opened[spec.name] = open_model(spec)
        return self._opened[spec.name]

    async def close(self) -> None:
        """Close the connections."""
        for opened in self._opened.values():
            await opened.http.aclose()

    def window(self, spec: ModelSpec) -> int:
        """How many tokens the model's context holds."""
        return self.open(spec).window

    async def request(
        self, spec: ModelSpec, messages: Sequence[ModelMessage], *, tools: bool, system: str
    ) -> ModelResponse | Fault:
        """The whole answer, or what went wrong. Raises Ended when there can be no such model."""
        opened = self.open(spec)
        try:
            response = await self._streamed(opened, messages, tools=tools, system=system)
        except (asyncio.CancelledError, Ended):
            raise
        except Exception as error:  # noqa: BLE001 - client libraries raise anything for an answer that they do not expect
            return fault(error, self._discreet)
        return _flaw(response, self._discreet, after_tools=_ends_with_results(messages)) or response

    async def _streamed(
        self, opened: Opened, messages: Sequence[ModelMessage], *, tools: bool, system: str
    ) -> ModelResponse:
        from pydantic_ai.direct import model_request_stream
        from pydantic_ai.messages import InstructionPart
        from pydantic_ai.models import ModelRequestParameters

        parameters = ModelRequestParameters(
            function_tools=self._tools() if tools else [],
            instruction_parts=[InstructionPart(content=system)] if system else [],
        )
        opening = model_request_stream(
            opened.model,
            messages,
            model_settings=opened.settings,
            model_request_parameters=parameters,
            instrument=False,
        )
        async with opening as stream:
            try:
                async for _ in stream:
                    pass
            finally:
                # What a cut answer has used is paid for as well.
                tokens = _tokens(stream.usage)
                if tokens.total:
                    self._used(opened.spec, tokens)
            return stream.get()

    def _tools(self) -> list[ToolDefinition]:
        if self._definitions is None:
            from pydantic_ai.tools import ToolDefinition

            self._definitions = [
                ToolDefinition(
                    name=tool.name, description=tool.description, parameters_json_schema=tool.schema(), strict=False
                )
                for tool in TOOLS.values()
            ]
        return self._definitions


def _tokens(usage: RequestUsage) -> Tokens:
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    return Tokens(
        input=max(0, usage.input_tokens - cached),
        output=usage.output_tokens,
        cache_read=usage.cache_read_tokens,
        cache_write=usage.cache_write_tokens,
    )


def _flaw(response: ModelResponse, discreet: Discreet, *, after_tools: bool) -> Fault | None:
    """Why this answer is none: it was cut, or there is nothing in it.

    An empty answer to tool results is one: models that think everything is said end that way. The loop asks once more.
    """
    from pydantic_ai.messages import TextPart, ToolCallPart

    details: dict[str, Any] = response.provider_details or {}
    if response.state == "incomplete" or not (response.finish_reason or details.get("finish_reason")):
        return Fault("down", "the answer broke off in the middle")
    if response.finish_reason == "content_filter":
        return Fault("refused", discreet.hide(response.text or "its content filter stepped in")[:300])
    says = any(
        isinstance(part, ToolCallPart) or (isinstance(part, TextPart) and part.content.strip())
        for part in response.parts
    )
    if says or (after_tools and response.finish_reason == "stop"):
        return None
    if response.finish_reason == "length":
        return Fault(
            "config", "the answer was over the output limit before it said anything; choose a lower thinkingLevel"
        )
    return Fault("down", "the answer was empty")


def _ends_with_results(messages: Sequence[ModelMessage]) -> bool:
    from pydantic_ai.messages import ToolReturnPart

    return bool(messages) and any(isinstance(part, ToolReturnPart) for part in messages[-1].parts)
