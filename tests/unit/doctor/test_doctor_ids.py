"""The ids of findings are a promise: docs/doctor.md has every one, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
MAKERS = {"ok", "unknown", "warning", "error"}


def ids_in(path: Path) -> set[str]:
    """The ids that a file gives to findings."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        named = [word.value for word in node.keywords if word.arg == "id"] if node.func.id == "Finding" else []
        for value in named or (node.args[:1] if node.func.id in MAKERS else []):
            if isinstance(value, ast.Constant):
                found.add(str(value.value))
    return found


def test_the_table_is_complete() -> None:
    sources = [*(REPOSITORY / "alvps/doctor").glob("*.py"), REPOSITORY / "alvps/cli/doctor.py"]
    given = set[str]().union(*map(ids_in, sources))
    documented = re.findall(r"^\| `([a-z-]+)` \|", (REPOSITORY / "docs/doctor.md").read_text(), re.MULTILINE)
    listed = [id_ for id_ in documented if id_ not in MAKERS]
    assert len(listed) == len(set(listed))
    assert set(listed) == given
    assert len(given) > 40


def test_ids_are_written_in_kebab_case() -> None:
    for path in (REPOSITORY / "alvps/doctor").glob("*.py"):
        for id_ in ids_in(path):
            assert re.fullmatch(r"[a-z]+(-[a-z]+)*", id_), id_
