"""Google's Gemini API, generateContent: https://ai.google.dev/api/generate-content"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.support.model_apis import shape
from tests.support.model_apis.steps import Cut, Refuse, Say, StreamError, Used

NAME = "google"
_PATH = re.compile(r"/v1beta/models/([^/:]+):(generateContent|streamGenerateContent\?alt=sse)")
_STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_STATUSES |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}

# The API is protocol buffers written as JSON: a field may have its name there or in camel case.
_THINKING = {
    "include_thoughts": shape.flag,
    "includeThoughts": shape.flag,
    "thinking_budget": shape.whole(0),
    "thinkingBudget": shape.whole(0),
    "thinking_level": shape.one_of("MINIMAL", "LOW", "MEDIUM", "HIGH"),
    "thinkingLevel": shape.one_of("MINIMAL", "LOW", "MEDIUM", "HIGH"),
}
_PART = shape.any_of(
    shape.table({"text": shape.text}, {"thought": shape.flag, "thoughtSignature": shape.filled}),
    shape.table(
        {"functionResponse": shape.table({"name": shape.filled, "response": shape.is_a(dict)}, {"id": shape.filled})}
    ),
    shape.table(
        {"functionCall": shape.table({"name": shape.filled, "args": shape.is_a(dict)}, {"id": shape.filled})},
        {"thoughtSignature": shape.filled},
    ),
)
_CONTENT = shape.table({"role": shape.one_of("user", "model"), "parts": shape.list_of(_PART, 1)})
_DECLARATION = shape.any_of(
    shape.table({"name": shape.filled, "description": shape.filled, "parametersJsonSchema": shape.json_schema}),
    shape.table({"name": shape.filled, "description": shape.filled, "parameters_json_schema": shape.json_schema}),
)
_BODY = shape.table(
    {"contents": shape.list_of(_CONTENT, 1)},
    {
        "systemInstruction": _CONTENT,
        "tools": shape.list_of(shape.table({"functionDeclarations": shape.list_of(_DECLARATION, 1)}), 1),
        "toolConfig": shape.table({"functionCallingConfig": shape.table({"mode": shape.one_of("AUTO")})}),
        "generationConfig": shape.table(
            {},
            {"responseModalities": shape.list_of(shape.one_of("TEXT")), "thinkingConfig": shape.table({}, _THINKING)},
        ),
    },
)


def accepts(path: str) -> bool:
    """Whether the path, without the provider's prefix, is this API's."""
    return _PATH.fullmatch(path) is not None


def model(path: str) -> str:
    """The model is in the path."""
    found = _PATH.fullmatch(path)
    return found.group(1) if found else ""


def streams(path: str) -> bool:
    """Whether the answer is to be streamed: in the path as well."""
    return ":stream" in path


def problems(headers: dict[str, str], body: dict[str, Any], key: str) -> Iterator[str]:
    """What the API would refuse."""
    yield from shape.header(headers, "x-goog-api-key", lambda value: value == key, "the key")
    yield from shape.header(headers, "content-type", lambda value: value == "application/json", "application/json")
    yield from _BODY(body, "body")
    contents = body.get("contents")
    if not isinstance(contents, list):
        return
    turns = []
    for content in contents:
        parts = content.get("parts", []) if isinstance(content, dict) else []
        called = {
            part["functionCall"].get("id") or part["functionCall"]["name"] for part in parts if "functionCall" in part
        }
        answered = {
            part["functionResponse"].get("id") or part["functionResponse"]["name"]
            for part in parts
            if "functionResponse" in part
        }
        turns.append((called, answered))
    yield from shape.paired(turns, "body.contents")


def answer(step: Say, name: str, ids: Iterator[str]) -> dict[str, Any]:
    """The whole response."""
    endings = {"natural": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}
    parts: list[dict[str, Any]] = [{"text": step.thinking, "thought": True}] if step.thinking else []
    if step.text:
        parts.append({"text": step.text})
    parts += [
        {"functionCall": {"name": one.name, "args": one.arguments}, "thoughtSignature": "c2ln"} for one in step.calls
    ]
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "finishReason": endings[step.ending]}
    return {**_frame(name, ids), "candidates": [{**candidate, "index": 0}], "usageMetadata": _usage(step.used)}


def events(step: Say | Cut | StreamError, name: str, ids: Iterator[str]) -> Iterator[bytes]:
    """The response as server-sent events; those of a cut one end in the middle of its text."""
    frame = _frame(name, ids)  # one id for the whole stream
    if isinstance(step, Say):
        whole = {**answer(step, name, ids), **frame}
        candidate = whole["candidates"][0]
        for part in candidate["content"]["parts"]:
            content = {"role": "model", "parts": [part]}
            yield _data({**frame, "candidates": [{"content": content, "index": 0}]})
        last = {"content": {"role": "model", "parts": []}, "finishReason": candidate["finishReason"], "index": 0}
        yield _data({**whole, "candidates": [last]})
        return
    content = {"role": "model", "parts": [{"text": getattr(step, "text", "begun")}]}
    yield _data({**frame, "candidates": [{"content": content, "index": 0}]})
    if isinstance(step, StreamError):
        yield _data({"error": {"code": 503, "message": step.message, "status": "UNAVAILABLE"}})


def _frame(name: str, ids: Iterator[str]) -> dict[str, Any]:
    return {"responseId": f"resp{next(ids)}", "modelVersion": name}


def _usage(used: Used) -> dict[str, Any]:
    return {
        "promptTokenCount": used.prompt,
        "candidatesTokenCount": used.output,
        "totalTokenCount": used.prompt + used.output,
        "cachedContentTokenCount": used.cache_read,
    }


def _data(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value)}\r\n\r\n".encode()


def refusal(step: Refuse) -> dict[str, Any]:
    """The body of an error."""
    status = step.code or _STATUSES.get(step.status, "UNKNOWN")
    return {"error": {"code": step.status, "message": step.message, "status": status}}
