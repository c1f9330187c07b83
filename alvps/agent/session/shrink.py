"""When the conversation has become too long for the model: first old results are cut, then old turns are summarised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alvps.agent.messages import say
from alvps.agent.session import compact
from alvps.agent.session.ask import Asker, TooLong
from alvps.agent.session.ended import FAILED, Ended

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

FULL = 0.75  # of the window: beyond it the conversation is made smaller before the next request
AIM = 0.4  # of the window: how large it is then
BYTES_PER_TOKEN = 3.0  # before an answer has told; code and JSON have fewer than prose
_REFUSED = 0.6  # of what the provider has refused; what it would take is not known
_PROGRESS = 0.9  # a conversation that is not smaller than this part of itself has not become smaller
_SUMMARY = 12_000  # bytes that a summary may have
# How many of the last turns stay, and how long their results may be. The model has not seen the very last results yet.
_LAST_TURNS = ((4, None), (2, None), (1, None), (2, 4000), (1, 2000), (1, compact.STUB), (0, None))


class Shrinker:
    """Keeps the conversation within a window of tokens."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._ratio = BYTES_PER_TOKEN

    def learn(self, messages: Sequence[ModelMessage], context: int) -> None:
        """Take from an answer how many tokens the conversation has."""
        if context > 0:
            self._ratio = max(1.0, compact.size(messages) / context)

    def is_full(self, context: int, window: int) -> bool:
        """Whether a conversation of `context` tokens is to be made smaller before the next request."""
        return context > window * FULL

    async def shrink(self, messages: Sequence[ModelMessage], window: int, *, refused: bool) -> list[ModelMessage]:
        """A smaller conversation. `refused`: the provider said that it is too long. Raises Ended when it cannot be."""
        before = compact.size(messages)
        aim = int(window * AIM * self._ratio)
        if refused:
            aim = min(aim, int(before * _REFUSED))
        smaller = self._cut(messages, aim) or await self._summarised(messages, aim)
        after = compact.size(smaller)
        say("info", "conversation compacted", before=before, after=after, messages=len(smaller))
        if refused and after > before * _PROGRESS:
            raise Ended(
                FAILED, "the prompt is too long for the model's context, and there is nothing left to leave out"
            )
        return smaller

    def _cut(self, messages: Sequence[ModelMessage], aim: int) -> list[ModelMessage] | None:
        """With old results cut to stubs, if that is enough."""
        for keep in (compact.TURNS, 3, 1):
            candidate = compact.stubbed(messages, keep)
            if compact.size(candidate) <= aim:
                return candidate
        return None

    async def _summarised(self, messages: Sequence[ModelMessage], aim: int) -> list[ModelMessage]:
        """The prompt, a summary, and as many of the last turns as there is room for."""
        room = aim - compact.size(messages[:1]) - min(_SUMMARY, aim // 4)
        head: list[ModelMessage] = []
        tail: list[ModelMessage] = []
        for keep, short in _LAST_TURNS:
            head, tail = compact.split(messages, keep)
            if short is not None:
                tail = compact.with_short_results(tail, short)
            if (head or short is not None) and compact.size(tail) <= room:
                break
        if not head:  # all that there is has been cut
            return [*messages[:1], *tail]
        return compact.joined(messages[0], await self._summary(head, aim), tail)

    async def _summary(self, head: Sequence[ModelMessage], aim: int) -> str:
        from pydantic_ai.messages import ModelRequest, UserPromptPart

        limit = max(4_000, min(compact.SUMMARY_INPUT, aim))
        for part in (1, 3):
            text = compact.transcript(head, limit // part)
            request = ModelRequest(parts=[UserPromptPart(content=text)])
            try:
                _, answer = await self._asker.ask([request], system=compact.TASK, tools=False)
            except TooLong:
                continue
            summary: str | None = answer.text
            if summary:
                return summary
        return compact.without_model(head)
