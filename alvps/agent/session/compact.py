"""Make a conversation smaller without breaking it. Pure, but for the summary itself, which is the model's work.

A conversation is: one request with the prompt, then answers and requests in turns; the request after an answer has
exactly one result for each tool call of it. Providers refuse anything else, so every function here keeps that.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from alvps.agent.session.shown import shorten

STUB = 400  # characters that are left of an old tool result
TURNS = 6  # answers, with their results, that stay as they are
SUMMARY_INPUT = 200_000  # bytes of the transcript that is summarised
_RESULT = 2_000  # bytes of one result in it
_ARGUMENTS = 1_000

TASK = (
    "You are given the transcript of the work of an agent whose conversation has become too long for you. Write down"
    " what it needs to go on with its work and nothing else: what it was asked for and by which rules, what has been"
    " done (commands, files with their paths, decisions and why), what was found out, what did not work, and what is"
    " to be done next. Keep names, paths, numbers and identifiers exactly. At most 1500 words."
)
_INTRODUCTION = (
    "What follows in this block is a summary of your own work so far, because the conversation became too long:"
)


def size(messages: Sequence[ModelMessage]) -> int:
    """About how many bytes of text the conversation has."""
    return sum(_part_size(part) for message in messages for part in message.parts)


def stubbed(messages: Sequence[ModelMessage], keep: int = TURNS) -> list[ModelMessage]:
    """The conversation with the tool results before the last `keep` answers cut to stubs."""
    start = _tail_start(messages, keep)
    return [*with_short_results(messages[:start], STUB), *messages[start:]]


def with_short_results(messages: Sequence[ModelMessage], limit: int) -> list[ModelMessage]:
    """The messages with every tool result of more than twice `limit` characters cut to its first `limit`."""
    return [_short(message, limit) for message in messages]


def split(messages: Sequence[ModelMessage], keep: int) -> tuple[list[ModelMessage], list[ModelMessage]]:
    """What would be summarised, and the last `keep` answers with their results. The first request is in neither."""
    start = _tail_start(messages, keep)
    return list(messages[1:start]), list(messages[start:])


def joined(first: ModelMessage, summary: str, tail: Sequence[ModelMessage]) -> list[ModelMessage]:
    """A conversation again: the prompt, the summary of what was left out, and the tail that `split` gave."""
    parts = list(first.parts) if isinstance(first, ModelRequest) else []
    kept = [part for part in parts if not _is_summary(part)]
    note = UserPromptPart(content=f"<summary>\n{_INTRODUCTION}\n\n{summary}\n</summary>")
    return [ModelRequest(parts=[*kept, note]), *tail]


def transcript(messages: Sequence[ModelMessage], limit: int = SUMMARY_INPUT) -> str:
    """The messages as plain text for the summary; the middle is left out when it is over `limit` bytes."""
    lines: list[str] = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, UserPromptPart) and isinstance(part.content, str):
                lines.append(f"USER: {shorten(part.content, _RESULT * 4)}")
            elif isinstance(part, TextPart):
                lines.append(f"AGENT: {shorten(part.content, _RESULT * 2)}")
            elif isinstance(part, ToolCallPart):
                lines.append(f"CALL {part.tool_name}: {shorten(_arguments(part), _ARGUMENTS)}")
            elif isinstance(part, ToolReturnPart):
                lines.append(f"RESULT {part.tool_name}: {shorten(str(part.content), _RESULT)}")
    return shorten("\n".join(lines), limit)


def without_model(messages: Sequence[ModelMessage]) -> str:
    """A summary for when no model can write one: what the agent said and called, shortened."""
    return "(No model could write this summary. The shortened record instead:)\n" + transcript(messages, 12_000)


def whole(messages: Sequence[ModelMessage]) -> bool:
    """Whether every tool call has its one result in the next request, and nothing else is answered."""
    waiting: set[str] = set()
    for message in messages:
        if isinstance(message, ModelResponse):
            if waiting:
                return False
            waiting = {part.tool_call_id for part in message.parts if isinstance(part, ToolCallPart)}
        else:
            given = [part.tool_call_id for part in message.parts if isinstance(part, ToolReturnPart)]
            if len(given) != len(set(given)) or set(given) != waiting:
                return False
            waiting = set()
    return not waiting


def _tail_start(messages: Sequence[ModelMessage], keep: int) -> int:
    """Where the last `keep` answers begin; never before the second message, so that the prompt is never in the tail."""
    answers = [number for number, message in enumerate(messages) if isinstance(message, ModelResponse) and number > 0]
    if not answers or keep <= 0:
        return len(messages)
    return answers[-keep] if keep <= len(answers) else answers[0]


def _short(message: ModelMessage, limit: int) -> ModelMessage:
    if not isinstance(message, ModelRequest):
        return message
    parts = [
        ToolReturnPart(part.tool_name, _cut(str(part.content), limit), part.tool_call_id, outcome=part.outcome)
        if isinstance(part, ToolReturnPart) and _part_size(part) > 2 * limit
        else part
        for part in message.parts
    ]
    return dataclasses.replace(message, parts=parts)


def _cut(text: str, limit: int) -> str:
    return f"[cut to save room: the first {limit} of {len(text)} characters]\n{text[:limit]}"


def _part_size(part: object) -> int:
    if isinstance(part, ToolCallPart):
        return len(part.tool_name) + len(_arguments(part))
    content = getattr(part, "content", None)
    return len(content) if isinstance(content, str) else 0


def _arguments(part: ToolCallPart) -> str:
    return part.args if isinstance(part.args, str) else json.dumps(part.args or {}, ensure_ascii=False)


def _is_summary(part: object) -> bool:
    content = getattr(part, "content", None)
    return (
        isinstance(part, UserPromptPart)
        and isinstance(content, str)
        and content.startswith("<summary>\n" + _INTRODUCTION)
    )
