"""OpenAI's Chat Completions, and what Groq, Mistral, OpenRouter and xAI make of it.

https://platform.openai.com/docs/api-reference/chat · https://console.groq.com/docs/api-reference ·
https://docs.mistral.ai/api · https://openrouter.ai/docs/api-reference · https://docs.x.ai/docs/api-reference
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.support.model_apis import shape
from tests.support.model_apis.steps import Cut, Refuse, Say, StreamError, Used

NAME = "chat"
PATHS = {
    "groq": "/openai/v1/chat/completions",
    "mistral": "/v1/chat/completions",
    "openrouter": "/api/v1/chat/completions",
    "xai": "/v1/chat/completions",
    "custom": "/v1/chat/completions",
}
_CACHE = shape.table({"type": shape.one_of("ephemeral")}, {"ttl": shape.one_of("5m", "1h")})
_PIECE = shape.table({"type": shape.one_of("text"), "text": shape.filled}, {"cache_control": _CACHE})
_CONTENT = shape.any_of(shape.filled, shape.list_of(_PIECE, 1))
_FUNCTION = shape.table({"name": shape.filled, "arguments": shape.text})
_TOOL_CALL = shape.table({"id": shape.filled, "type": shape.one_of("function"), "function": _FUNCTION})
_ROLES = {
    "system": shape.table({"role": shape.text, "content": _CONTENT}),
    "user": shape.table({"role": shape.text, "content": _CONTENT}),
    "tool": shape.table({"role": shape.text, "content": _CONTENT, "tool_call_id": shape.filled}),
}
_EFFORT = shape.one_of("none", "minimal", "low", "medium", "high", "xhigh")
_TOOL = {
    "type": shape.one_of("function"),
    "function": shape.table(
        {"name": shape.filled, "description": shape.filled, "parameters": shape.json_schema},
        {"strict": shape.one_of(False)},
    ),
}
_FIELDS = {
    "stream": shape.flag,
    "tools": shape.list_of(shape.table(_TOOL), 1),
    "tool_choice": shape.one_of("auto"),
}
_USAGE_WANTED = {"stream_options": shape.table({"include_usage": shape.one_of(True)})}
# What each provider takes beyond _FIELDS; Mistral's client writes out defaults.
_OWN: dict[str, dict[str, shape.Shape]] = {
    "custom": {**_USAGE_WANTED, "reasoning_effort": _EFFORT},
    "xai": {**_USAGE_WANTED, "reasoning_effort": shape.one_of("none", "low", "medium", "high")},
    "openrouter": {
        **_USAGE_WANTED,
        "tools": shape.list_of(shape.table(_TOOL, {"cache_control": _CACHE}), 1),
        "reasoning": shape.table({"effort": _EFFORT}, {"enabled": shape.flag}),
        "usage": shape.table({"include": shape.flag}),
    },
    "groq": {
        "n": shape.one_of(1),
        "reasoning_format": shape.one_of("parsed", "hidden", "raw"),
        "reasoning_effort": shape.one_of("none", "default", "low", "medium", "high"),
    },
    "mistral": {
        "n": shape.one_of(1),
        "top_p": shape.one_of(None, 1.0),
        "stop": shape.absent,
        "presence_penalty": shape.absent,
        "frequency_penalty": shape.absent,
        "reasoning_effort": shape.one_of("none", "high"),
    },
}
_ASSISTANT_OWN: dict[str, dict[str, shape.Shape]] = {
    "custom": {"reasoning_content": shape.text, "reasoning": shape.text},
    "xai": {"reasoning_content": shape.text},
    "openrouter": {"reasoning": shape.text, "reasoning_details": shape.list_of(shape.anything)},
    "groq": {"reasoning": shape.text},
    "mistral": {"prefix": shape.one_of(False)},
}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded", 500: "server_error"}


def accepts(provider: str, path: str) -> bool:
    """Whether the path, without the provider's prefix, is this API's."""
    return PATHS.get(provider) == path


def problems(provider: str, headers: dict[str, str], body: dict[str, Any], key: str) -> Iterator[str]:
    """What the API would refuse."""
    yield from shape.header(headers, "authorization", lambda value: value == f"Bearer {key}", "Bearer and the key")
    yield from shape.header(headers, "content-type", lambda value: value == "application/json", "application/json")
    known = {**_FIELDS, **_OWN[provider]}
    yield from shape.table({"model": shape.filled, "messages": shape.anything}, known)(body, "body")
    if "stream_options" in body and not body.get("stream"):
        yield "body.stream_options is only allowed with stream"
    if "tool_choice" in body and "tools" not in body:
        yield "body.tool_choice is only allowed with tools"
    yield from _messages(provider, body.get("messages"))


def _messages(provider: str, messages: Any) -> Iterator[str]:
    if not isinstance(messages, list) or not messages:
        yield "body.messages is no list of messages"
        return
    call = _TOOL_CALL
    if provider == "mistral":
        fields = {"id": shape.filled, "type": shape.one_of("function"), "function": _FUNCTION}
        call = shape.table(fields, {"index": shape.whole(0)})
    assistant = shape.table(
        {"role": shape.text},
        {
            "content": shape.any_of(shape.absent, shape.one_of([]), _CONTENT),
            "tool_calls": shape.list_of(call, 1),
            **_ASSISTANT_OWN[provider],
        },
    )
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        where = f"body.messages[{index}]"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("assistant", *_ROLES):
            yield f"{where} has the role {role!r}"
            continue
        yield from (assistant if role == "assistant" else _ROLES[role])(message, where)
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                yield f"{where} answers a call that is not open"
            else:
                open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            yield f"{where} comes before the calls {open_calls} are answered"
        open_calls = [one["id"] for one in message.get("tool_calls") or ()] if role == "assistant" else []
        if provider == "mistral" and any(len(one) != 9 or not one.isalnum() for one in open_calls):
            yield f"{where} has a call whose id is not nine letters and digits"
        if role == "assistant" and not message.get("content") and not open_calls:
            yield f"{where} says nothing and calls nothing"
    if open_calls:
        yield f"body.messages: the calls {open_calls} are not answered"


def answer(provider: str, step: Say, body: dict[str, Any], ids: Iterator[str]) -> dict[str, Any]:
    """The whole completion."""
    message: dict[str, Any] = {"role": "assistant", "content": step.text or None}
    if step.thinking and provider != "mistral":
        message["reasoning" if provider in ("groq", "openrouter") else "reasoning_content"] = step.thinking
    if step.calls:
        message["tool_calls"] = _calls(provider, step, ids)
    choice = {"index": 0, "message": message, "finish_reason": _ending(step), "logprobs": None}
    return {**_envelope(body, ids, "chat.completion"), "choices": [choice], "usage": _usage(step.used)}


def events(provider: str, step: Say | Cut | StreamError, body: dict[str, Any], ids: Iterator[str]) -> Iterator[bytes]:
    """The completion as server-sent events; those of a cut one end in the middle of its text."""
    whole = step if isinstance(step, Say) else Say(text=getattr(step, "text", "begun"))
    frame = _envelope(body, ids, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], ending: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": ending, "logprobs": None}
        return _data({**frame, "choices": [choice], **more})

    yield chunk({"role": "assistant", "content": ""})
    if isinstance(step, StreamError):
        yield _data({"error": {"message": step.message, "type": step.kind, "code": step.kind, "param": None}})
        return
    if whole.thinking and provider != "mistral":
        yield chunk({"reasoning" if provider in ("groq", "openrouter") else "reasoning_content": whole.thinking})
    half = len(whole.text) // 2
    for part in (whole.text[:half], whole.text[half:]):
        if part:
            yield chunk({"content": part})
    if isinstance(step, Cut):
        return
    for index, one in enumerate(_calls(provider, whole, ids)):
        arguments = one["function"]["arguments"]
        middle = len(arguments) // 2
        if provider == "mistral":  # sends each call in one piece
            yield chunk({"tool_calls": [{**one, "index": index}]})
            continue
        yield chunk({"tool_calls": [{**one, "index": index, "function": {**one["function"], "arguments": ""}}]})
        for part in (arguments[:middle], arguments[middle:]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
    if provider == "mistral":
        yield chunk({"content": ""}, _ending(whole), usage=_usage(whole.used))
    elif provider == "groq":
        yield chunk({}, _ending(whole), x_groq={"id": "req_scripted", "usage": _usage(whole.used)})
    else:
        yield chunk({}, _ending(whole))
        if body.get("stream_options"):
            yield _data({**frame, "choices": [], "usage": _usage(whole.used)})
    yield b"data: [DONE]\n\n"


def _calls(provider: str, step: Say, ids: Iterator[str]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{next(ids):0>9}" if provider == "mistral" else f"call_{next(ids)}",
            "type": "function",
            "function": {
                "name": one.name,
                "arguments": one.raw if one.raw is not None else json.dumps(one.arguments),
            },
        }
        for one in step.calls
    ]


def _ending(step: Say) -> str:
    if step.ending == "natural":
        return "tool_calls" if step.calls else "stop"
    return {"length": "length", "refusal": "content_filter"}[step.ending]


def _envelope(body: dict[str, Any], ids: Iterator[str], kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{next(ids)}", "object": kind, "created": 1_790_000_000, "model": body["model"]}


def _usage(used: Used) -> dict[str, Any]:
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.output,
        "total_tokens": used.prompt + used.output,
        "prompt_tokens_details": {"cached_tokens": used.cache_read},
    }


def _data(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def refusal(provider: str, step: Refuse) -> dict[str, Any]:
    """The body of an error."""
    code = step.code or _CODES.get(step.status)
    if provider == "mistral":
        return {
            "object": "error",
            "message": step.message,
            "type": code or "invalid_request",
            "param": None,
            "code": code,
        }
    if provider == "openrouter":
        return {"error": {"message": step.message, "code": step.status}}
    return {"error": {"message": step.message, "type": "invalid_request_error", "param": None, "code": code}}
