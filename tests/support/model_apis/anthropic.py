"""Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.support.model_apis import shape
from tests.support.model_apis.steps import Cut, Refuse, Say, StreamError, Used

NAME = "anthropic"
PATH = "/v1/messages"
VERSIONS = ("2023-06-01", "2026-10-21")

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
_CACHE = shape.table({"type": shape.one_of("ephemeral")}, {"ttl": shape.one_of("5m", "1h")})
_TEXT = shape.table({"type": shape.one_of("text"), "text": shape.filled}, {"cache_control": _CACHE})
_BLOCKS = {
    "text": _TEXT,
    "tool_use": shape.table(
        {"type": shape.text, "id": shape.filled, "name": shape.filled, "input": shape.is_a(dict)},
        {"cache_control": _CACHE},
    ),
    "thinking": shape.table({"type": shape.text, "thinking": shape.text, "signature": shape.filled}),
    "redacted_thinking": shape.table({"type": shape.text, "data": shape.filled}),
}
_RESULT = shape.table(
    {"type": shape.text, "tool_use_id": shape.filled},
    {"content": shape.list_of(_TEXT), "is_error": shape.flag, "cache_control": _CACHE},
)
_USER = shape.table(
    {"role": shape.one_of("user"), "content": shape.list_of(shape.either(text=_TEXT, tool_result=_RESULT), 1)}
)
_ASSISTANT = shape.table({"role": shape.one_of("assistant"), "content": shape.list_of(shape.either(**_BLOCKS), 1)})
_BODY = shape.table(
    {"model": shape.filled, "max_tokens": shape.whole(1, 128_000), "messages": shape.anything},
    {
        "stream": shape.flag,
        "system": shape.list_of(_TEXT, 1),
        "tools": shape.list_of(
            shape.table(
                {"name": shape.filled, "description": shape.filled, "input_schema": shape.json_schema},
                {"cache_control": _CACHE, "strict": shape.flag},
            ),
            1,
        ),
        "tool_choice": shape.table({"type": shape.one_of("auto")}),
        "cache_control": _CACHE,
        "thinking": shape.either(
            enabled=shape.table({"type": shape.text, "budget_tokens": shape.whole(1024)}),
            adaptive=shape.table({"type": shape.text}),
            disabled=shape.table({"type": shape.text}),
            between_tools=shape.table({"type": shape.text}),
        ),
        "output_config": shape.table({"effort": shape.one_of("low", "medium", "high", "xhigh", "max")}),
    },
)


def accepts(path: str) -> bool:
    """Whether the path, without the provider's prefix, is this API's."""
    return path in (PATH, PATH + "?beta=true")


def problems(path: str, headers: dict[str, str], body: dict[str, Any], key: str) -> Iterator[str]:
    """What the API would refuse."""
    yield from shape.header(headers, "anthropic-version", lambda value: value in VERSIONS, f"one of {VERSIONS}")
    yield from shape.header(headers, "content-type", lambda value: value == "application/json", "application/json")
    if "authorization" in headers and "x-api-key" in headers:
        yield "both x-api-key and authorization are given"
    if "x-api-key" in headers:
        yield from shape.header(headers, "x-api-key", lambda value: value == key, "the key")
    else:
        yield from shape.header(headers, "authorization", lambda value: value == f"Bearer {key}", "Bearer and the key")
    yield from _BODY(body, "body")
    budget = body.get("thinking", {}).get("budget_tokens", 0)
    if isinstance(budget, int) and budget >= body.get("max_tokens", 0):
        yield "body.thinking.budget_tokens is not below max_tokens"
    yield from _messages(body.get("messages"))


def _messages(messages: Any) -> Iterator[str]:
    if not isinstance(messages, list) or not messages:
        yield "body.messages is no list of messages"
        return
    turns = []
    for index, message in enumerate(messages):
        where = f"body.messages[{index}]"
        role = message.get("role") if isinstance(message, dict) else None
        yield from (_ASSISTANT if role == "assistant" else _USER)(message, where)
        if role == (messages[index - 1].get("role") if index else "assistant"):
            yield f"{where} has the role {role} again"
        blocks = message.get("content", []) if isinstance(message, dict) else []
        called = [block["id"] for block in blocks if block.get("type") == "tool_use"]
        answered = [block["tool_use_id"] for block in blocks if block.get("type") == "tool_result"]
        kinds = [block.get("type") for block in blocks]
        if answered and "tool_result" in kinds[len(answered) :]:
            yield f"{where} has a tool_result after another block"
        if len(set(called)) < len(called) or len(set(answered)) < len(answered):
            yield f"{where} names a call twice"
        turns.append((set(called), set(answered)))
    yield from shape.paired(turns, "body.messages")


def answer(step: Say, body: dict[str, Any], ids: Iterator[str]) -> dict[str, Any]:
    """The whole message."""
    endings = {"natural": "tool_use" if step.calls else "end_turn", "length": "max_tokens", "refusal": "refusal"}
    content: list[dict[str, Any]] = []
    if step.thinking:
        content.append({"type": "thinking", "thinking": step.thinking, "signature": "c2lnbmVk"})
    if step.text:
        content.append({"type": "text", "text": step.text})
    content += [
        {"type": "tool_use", "id": f"toolu_{next(ids)}", "name": one.name, "input": one.arguments} for one in step.calls
    ]
    return {
        "id": f"msg_{next(ids)}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": endings[step.ending],
        "stop_sequence": None,
        "usage": _usage(step.used),
    }


def events(step: Say | Cut | StreamError, body: dict[str, Any], ids: Iterator[str]) -> Iterator[bytes]:
    """The message as server-sent events; those of a cut one end in the middle of its text."""
    whole = (
        step if isinstance(step, Say) else Say(text=getattr(step, "text", "begun"), used=getattr(step, "used", Used()))
    )
    message = answer(whole, body, ids)
    content, reason = message["content"], message["stop_reason"]
    first = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
    yield _event("message_start", message=first)
    yield _event("ping")
    if isinstance(step, StreamError):
        yield _event("error", error={"type": step.kind, "message": step.message})
        return
    raws = {one.raw for one in whole.calls if one.raw is not None}
    for index, block in enumerate(content):
        opened, deltas = _pieces(block, next(iter(raws), None))
        yield _event("content_block_start", index=index, content_block=opened)
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        if isinstance(step, Cut):
            return
        yield _event("content_block_stop", index=index)
    delta = {"stop_reason": reason, "stop_sequence": None}
    yield _event("message_delta", delta=delta, usage={"output_tokens": whole.used.output})
    yield _event("message_stop")


def _pieces(block: dict[str, Any], raw: str | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        half = len(block["text"]) // 2
        parts = [block["text"][:half], block["text"][half:]]
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": part} for part in parts if part]
    if block["type"] == "thinking":
        return {"type": "thinking", "thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    given = raw if raw is not None else json.dumps(block["input"])
    parts = [given[: len(given) // 2], given[len(given) // 2 :]]
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]


def _usage(used: Used) -> dict[str, int]:
    return {
        "input_tokens": used.input,
        "output_tokens": used.output,
        "cache_read_input_tokens": used.cache_read,
        "cache_creation_input_tokens": used.cache_write,
    }


def _event(name: str, /, **fields: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def refusal(step: Refuse) -> dict[str, Any]:
    """The body of an error."""
    kind = step.code or _TYPES.get(step.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": step.message}, "request_id": "req_scripted"}
