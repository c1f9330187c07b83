"""docs/control-api.md lists the routes that there are, in the words of the OpenAPI documents.

PYTHONPATH=. python tests/unit/gateway/test_openapi_docs.py    # writes them there
"""

from __future__ import annotations

import re
from pathlib import Path

from alvps.gateway.documents import ROUTES, document
from alvps.gateway.openapi import DoorName

FILE = Path(__file__).parents[3] / "docs" / "control-api.md"
PLACE = re.compile(r"(<!-- routes: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def table(door: DoorName) -> str:
    """The routes of a door as a table."""
    lines = ["| route | query, body | what it does |", "| --- | --- | --- |"]
    for path, operations in document(door)["paths"].items():
        for method, operation in operations.items():
            query = [f"?{item['name']}" for item in operation["parameters"] if item["in"] == "query"]
            contents = operation.get("requestBody", {}).get("content", {})
            body = contents.get("application/json", {"schema": {}})["schema"].get("properties", {})
            sent = ", ".join(f"`{name}`" for name in (*query, *body))
            lines.append(f"| `{method.upper()} {path}` | {sent} | {' '.join(operation['summary'].split())} |")
    return "\n".join(lines) + "\n"


def renewed(text: str) -> str:
    """The file's text with the tables as they are to be."""
    return PLACE.sub(lambda match: match[1] + table(match[2]) + match[3], text)  # type: ignore[arg-type]  # a door


def test_the_docs_list_what_there_is() -> None:
    text = FILE.read_text()
    assert {match[2] for match in PLACE.finditer(text)} == set(ROUTES)
    assert renewed(text) == text, "PYTHONPATH=. python tests/unit/gateway/test_openapi_docs.py renews it"


if __name__ == "__main__":
    FILE.write_text(renewed(FILE.read_text()))
