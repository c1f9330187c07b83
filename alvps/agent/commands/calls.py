"""al-call and al-check: have another agent do something, and ask how far it is."""

from __future__ import annotations

from alvps.agent.commands import gateway, replies, tiny_json, words
from alvps.agent.commands.answer import Answer
from alvps.agent.commands.failure import DONE, Lost, of_status

STATES = ("running", "completed", "error")
_LONGEST_ID = 256


def call(usage: str, arguments: list[str]) -> tuple[int, bytes]:
    """Call the agent with a context: the further arguments, or standard input when there are none."""
    if not arguments or not arguments[0]:
        raise words.misused(usage)
    agent = words.joined(arguments[:1])
    there = gateway.required("no agent could be called")
    context = words.joined(arguments[1:]) if len(arguments) > 1 else words.standard_input()
    body = tiny_json.encode({"targetAgent": agent, "context": context})
    try:
        return replies.settle(there.ask("POST", "/calls", body), _is_called)
    except Lost as failure:
        failure.note += "; the call may have been made, and a second one would be another call"
        raise


def check(usage: str, arguments: list[str]) -> tuple[int, bytes]:
    """How far is a call?"""
    number = identifier(usage, words.one(usage, arguments))
    there = gateway.required("the call could not be looked up")
    answer = there.ask("GET", path(number))
    if of_status(answer.status) == DONE:
        return DONE, tiny_json.to_bytes(tiny_json.encode(state(answer)))
    return replies.settle(answer, _is_state)


def identifier(usage: str, text: str) -> str:
    """The id as it is. Raises Failure for what is too long to be in an address."""
    if len(text.encode("utf-8")) > _LONGEST_ID:
        raise words.misused(usage, f"an id of a call has at most {_LONGEST_ID} bytes")
    return text


def path(number: str) -> str:
    """Where the gateway has a call."""
    return f"/calls/{gateway.segment(number)}"


def state(answer: Answer) -> dict[str, object]:
    """What al-check prints, and al-wait for each call: a value that is null is left out. Raises NotUnderstood."""
    found = replies.document(answer, _is_state)
    names = ("status", "returnValue", "errorMessage", "deadlock")
    return {name: found[name] for name in names if isinstance(found.get(name), str | bool)}


def _is_state(found: dict[str, object]) -> bool:
    """The document is a state of a call."""
    texts = [found.get(name) for name in ("returnValue", "errorMessage")]
    return found.get("status") in STATES and all(text is None or isinstance(text, str) for text in texts)


def _is_called(found: dict[str, object]) -> bool:
    number = found.get("callId")
    return replies.is_ok(found) and isinstance(number, str) and number != ""
