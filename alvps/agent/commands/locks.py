"""rlock, runlock, rlock-heartbeat: a resource for one run at a time."""

from __future__ import annotations

from alvps.agent.commands import gateway, replies, tiny_json, words


def acquire(usage: str, arguments: list[str]) -> tuple[int, bytes]:
    """Take the lock, or keep it when this run has it already."""
    return _ask("/locks/acquire", words.one(usage, arguments), "the lock could not be taken")


def release(usage: str, arguments: list[str]) -> tuple[int, bytes]:
    """Give the lock back."""
    return _ask("/locks/release", words.one(usage, arguments), "the lock could not be given back")


def heartbeat(usage: str, arguments: list[str]) -> tuple[int, bytes]:
    """Keep the lock for another full term."""
    return _ask("/locks/heartbeat", words.one(usage, arguments), "the lock could not be extended")


def _ask(path: str, key: str, otherwise: str) -> tuple[int, bytes]:
    there = gateway.required(otherwise)
    return replies.settle(there.ask("POST", path, tiny_json.encode({"resourceKey": key})), replies.is_ok)
