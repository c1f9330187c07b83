"""Every answer that a test gets from the gateway is one that its document has: the helpers that ask look here."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import jsonschema_rs

from alvps.gateway.documents import document
from alvps.gateway.openapi import DoorName


def conforms(door: DoorName, method: str, target: str, status: int, answer: object) -> None:
    """Fail unless the document says that this may be answered. What is no route is not described: 404 or 405."""
    found = operation(door, method, target.partition("?")[0])
    if found is None:
        assert status in {404, 405}, (method, target, status, answer)
        assert isinstance(answer, dict)
        assert set(answer) <= {"error", "hint"}, answer
        return
    where, described = found
    assert str(status) in described, f"{method} {target} answered {status}, which the document does not have: {answer}"
    problems = [str(error) for error in validator(door, where, str(status)).iter_errors(answer)]
    assert not problems, f"{method} {target} answered {status}: {problems[0]}"


def operation(door: DoorName, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
    """Where in the document an operation's answers are, and the answers by status."""
    for template, operations in of(door)["paths"].items():
        pattern = re.sub(r"\{\w+\}", "[^/]+", template.replace(".", r"\."))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            place = "/".join(["paths", template.replace("/", "~1"), method.lower(), "responses"])
            return place, operations[method.lower()]["responses"]
    return None


@cache
def of(door: DoorName) -> dict[str, Any]:
    """The document of a door."""
    return document(door)


@cache
def validator(door: DoorName, where: str, status: str) -> Any:
    """What looks whether an answer fits."""
    found: Any = of(door)
    for part in where.split("/"):
        found = found[part.replace("~1", "/")]
    schema = found[status]["content"]["application/json"]["schema"]
    whole = {**schema, "components": of(door)["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
