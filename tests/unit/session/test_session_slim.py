"""The slim import of the providers' packages: it still fits the versions that are installed, and is worth its while."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alvps.agent.session import slim

REPOSITORY = Path(__file__).parents[3]
COUNT = """
import json, sys
sys.path.insert(0, sys.argv[1])
if sys.argv[3]:
    from alvps.agent.session import slim
    slim.install()
__import__(sys.argv[2])
if sys.argv[2].endswith("anthropic"):
    import anthropic
    anthropic.AsyncAnthropic(api_key="x").beta.messages
print(json.dumps(sorted(sys.modules)))
"""


def modules(name: str, *, slimmed: bool) -> list[str]:
    """The modules that are loaded after an import in a process of its own."""
    arguments = [str(REPOSITORY), name, "slim" if slimmed else ""]
    out = subprocess.check_output([sys.executable, "-I", "-c", COUNT, *arguments])
    loaded: list[str] = json.loads(out)
    return loaded


@pytest.mark.parametrize(("provider", "part"), [("anthropic", 0.6), ("openai", 0.8)])
def test_it_loads_much_less(provider: str, part: float) -> None:
    name = f"pydantic_ai.models.{provider}"
    slimmed, usual = modules(name, slimmed=True), modules(name, slimmed=False)
    assert len(slimmed) < part * len(usual)
    assert set(slimmed) - set(usual) <= {"alvps", *(one for one in slimmed if one.startswith("alvps."))}


def exported(source: str) -> Any:
    """What `exports` says of a module's source."""
    return slim.exports(compile(source, "x", "exec"))


def test_what_only_exports() -> None:
    source = "from __future__ import annotations\nfrom .a import B as B, C\n"
    source += "from ..d.e import (\n  F as G,\n)\nfrom . import h\n"
    assert exported(source + '__all__ = ["B", "G", "C", "h"]\n') == {
        "annotations": ("__future__", 0, "annotations"),
        "B": ("a", 1, "B"),
        "C": ("a", 1, "C"),
        "G": ("d.e", 2, "F"),
        "h": ("", 1, "h"),
    }


def test_many_exports() -> None:
    names = [f"name{number}" for number in range(700)]
    assert exported("".join(f"from .m{name} import {name}\n" for name in names)) == {
        name: (f"m{name}", 1, name) for name in names
    }


@pytest.mark.parametrize(
    "source",
    [
        "x = f()",
        "import a",
        "from .a import *",
        "class A: pass",
        "if x:\n  from .a import b",
        "try:\n  from .a import b\nexcept ImportError:\n  b = None",
        "from .a import b\nb.c()",
    ],
)
def test_what_does_more_is_left_alone(source: str) -> None:
    assert exported(source) is None


def test_a_lazy_package(tmp_path: Path) -> None:
    package = tmp_path / "anthropic" / "types"
    package.mkdir(parents=True)
    (tmp_path / "anthropic" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("from .a import A as A\nfrom .b import B as B\nfrom . import c\n")
    (package / "a.py").write_text("class A: pass\n")
    (package / "b.py").write_text("raise ImportError('b is broken')\n")
    (package / "c.py").write_text("from .a import A\n")
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(REPOSITORY)!r}]\n"
        "from alvps.agent.session import slim; slim.install(); slim.install()\n"
        "import anthropic.types as t\n"
        "assert 'anthropic.types.a' not in sys.modules\n"
        "assert t.A is t.c.A and t.__all__ == ['A', 'B', 'c']\n"
        "from anthropic.types import A; assert A is t.A\n"
        "assert t.a.A is A and not hasattr(t, 'nothing') and not hasattr(t, '__nothing__')\n"
        "try: t.B\nexcept ImportError as error: print(error)\n"
    )
    assert subprocess.check_output([sys.executable, "-I", "-c", code]) == b"b is broken\n"
