"""OpenAI's Responses API: https://platform.openai.com/docs/api-reference/responses"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.support.model_apis import shape
from tests.support.model_apis.steps import Cut, Refuse, Say, StreamError, Used

NAME = "responses"
PATH = "/v1/responses"

_INPUT = {
    "message": shape.table(
        {"role": shape.one_of("user", "assistant"), "content": shape.anything},
        {"type": shape.one_of("message"), "id": shape.filled, "status": shape.text},
    ),
    "function_call": shape.table(
        {"type": shape.text, "call_id": shape.filled, "name": shape.filled, "arguments": shape.text},
        {"id": shape.filled, "status": shape.text},
    ),
    "function_call_output": shape.table(
        {"type": shape.text, "call_id": shape.filled, "output": shape.filled}, {"id": shape.text, "status": shape.text}
    ),
    "reasoning": shape.table(
        {"type": shape.text, "id": shape.filled, "summary": shape.list_of(shape.anything)},
        {"encrypted_content": shape.any_of(shape.absent, shape.filled), "status": shape.text},
    ),
}
_BODY = shape.table(
    {"model": shape.filled, "input": shape.anything},
    {
        "stream": shape.flag,
        "instructions": shape.filled,
        "store": shape.one_of(False),
        "include": shape.list_of(shape.one_of("reasoning.encrypted_content")),
        "reasoning": shape.table(
            {},
            {
                "effort": shape.one_of("none", "minimal", "low", "medium", "high", "xhigh"),
                "context": shape.one_of("all_turns"),
            },
        ),
        "tool_choice": shape.one_of("auto"),
        "tools": shape.list_of(
            shape.table(
                {
                    "type": shape.one_of("function"),
                    "name": shape.filled,
                    "description": shape.filled,
                    "parameters": shape.json_schema,
                    "strict": shape.flag,
                }
            ),
            1,
        ),
        "prompt_cache_options": shape.table({}, {"mode": shape.text, "ttl": shape.text}),
    },
)
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded", 500: "server_error"}


def accepts(path: str) -> bool:
    """Whether the path, without the provider's prefix, is this API's."""
    return path == PATH


def problems(headers: dict[str, str], body: dict[str, Any], key: str) -> Iterator[str]:
    """What the API would refuse."""
    yield from shape.header(headers, "authorization", lambda value: value == f"Bearer {key}", "Bearer and the key")
    yield from shape.header(headers, "content-type", lambda value: value == "application/json", "application/json")
    yield from _BODY(body, "body")
    items = body.get("input")
    if not isinstance(items, list) or not items:
        yield "body.input is no list of items"
        return
    waiting: list[str] = []
    for index, item in enumerate(items):
        where = f"body.input[{index}]"
        kind = item.get("type", "message") if isinstance(item, dict) else None
        if kind not in _INPUT:
            yield f"{where} has the type {kind!r}"
            continue
        yield from _INPUT[kind](item, where)
        if kind == "function_call":
            waiting.append(item.get("call_id"))
        elif kind == "function_call_output":
            if item.get("call_id") not in waiting:
                yield f"{where}: no tool call was found for the output of {item.get('call_id')}"
            else:
                waiting.remove(item["call_id"])
        elif kind == "reasoning" and (index + 1 == len(items) or items[index + 1].get("role") == "user"):
            yield f"{where}: the reasoning comes without the item that follows it"
    if waiting:
        yield f"body.input: no output was found for the calls {waiting}"


def answer(step: Say, body: dict[str, Any], ids: Iterator[str]) -> dict[str, Any]:
    """The whole response."""
    output: list[dict[str, Any]] = []
    if step.thinking:
        summary = [{"type": "summary_text", "text": step.thinking}]
        output.append(
            {"type": "reasoning", "id": f"rs_{next(ids)}", "summary": summary, "encrypted_content": "ZW5jcnlwdGVk"}
        )
    if step.text:
        content = [{"type": "output_text", "text": step.text, "annotations": []}]
        output.append(
            {
                "type": "message",
                "id": f"msg_{next(ids)}",
                "role": "assistant",
                "status": "completed",
                "content": content,
            }
        )
    for one in step.calls:
        arguments = one.raw if one.raw is not None else json.dumps(one.arguments)
        output.append(
            {
                "type": "function_call",
                "id": f"fc_{next(ids)}",
                "call_id": f"call_{next(ids)}",
                "name": one.name,
                "arguments": arguments,
                "status": "completed",
            }
        )
    return _response(step, body, ids, output)


def _response(step: Say, body: dict[str, Any], ids: Iterator[str], output: list[dict[str, Any]]) -> dict[str, Any]:
    reasons = {"length": "max_output_tokens", "refusal": "content_filter"}
    reason = reasons.get(step.ending)
    return {
        "id": f"resp_{next(ids)}",
        "object": "response",
        "created_at": 1_790_000_000,
        "model": body["model"],
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "error": None,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _usage(step.used),
    }


def events(step: Say | Cut | StreamError, body: dict[str, Any], ids: Iterator[str]) -> Iterator[bytes]:
    """The response as server-sent events; those of a cut one end in the middle of its text."""
    whole = step if isinstance(step, Say) else Say(text=getattr(step, "text", "begun"))
    response = answer(whole, body, ids)
    counter = iter(range(10_000))

    def event(name: str, /, **fields: Any) -> bytes:
        data = {"type": name, "sequence_number": next(counter), **fields}
        return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()

    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    if isinstance(step, StreamError):
        yield event("error", code=step.kind, message=step.message, param=None)
        return
    for index, item in enumerate(response["output"]):
        at = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            yield event("response.output_item.added", output_index=index, item={**item, "content": []})
            part = item["content"][0]
            yield event("response.content_part.added", **at, content_index=0, part={**part, "text": ""})
            half = len(part["text"]) // 2
            for piece in (part["text"][:half], part["text"][half:]):
                yield event("response.output_text.delta", **at, content_index=0, delta=piece, logprobs=[])
            if isinstance(step, Cut):
                return
            yield event("response.output_text.done", **at, content_index=0, text=part["text"], logprobs=[])
            yield event("response.content_part.done", **at, content_index=0, part=part)
        elif item["type"] == "function_call":
            yield event("response.output_item.added", output_index=index, item={**item, "arguments": ""})
            half = len(item["arguments"]) // 2
            for piece in (item["arguments"][:half], item["arguments"][half:]):
                yield event("response.function_call_arguments.delta", **at, delta=piece)
            yield event("response.function_call_arguments.done", **at, name=item["name"], arguments=item["arguments"])
        else:
            yield event("response.output_item.added", output_index=index, item={**item, "summary": []})
            part = item["summary"][0]
            yield event("response.reasoning_summary_part.added", **at, summary_index=0, part={**part, "text": ""})
            yield event("response.reasoning_summary_text.delta", **at, summary_index=0, delta=part["text"])
            yield event("response.reasoning_summary_text.done", **at, summary_index=0, text=part["text"])
        yield event("response.output_item.done", output_index=index, item=item)
    ending = "response.incomplete" if response["status"] == "incomplete" else "response.completed"
    yield event(ending, response=response)


def _usage(used: Used) -> dict[str, Any]:
    return {
        "input_tokens": used.prompt,
        "input_tokens_details": {"cached_tokens": used.cache_read},
        "output_tokens": used.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used.prompt + used.output,
    }


def refusal(step: Refuse) -> dict[str, Any]:
    """The body of an error."""
    code = step.code or _CODES.get(step.status)
    return {"error": {"message": step.message, "type": "invalid_request_error", "param": None, "code": code}}
