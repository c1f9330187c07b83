"""The import of the providers' packages, without what a session never uses of them.

The packages of anthropic, openai and groq are generated: a module for each of thousands of types, and packages whose
`__init__` does nothing but import every one of them by name. Here such a package imports a name when it is first asked
for it. Anthropic's client also loads all its services to offer one of them; the others are placeholders here. Together
this halves the modules of a start with Anthropic and saves a third of its time.

Only `install` changes anything, and only imports after it. tests/unit/session/test_session_slim.py fails when a newer
version of a package no longer fits.
"""

from __future__ import annotations

import dis
import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import CodeType, ModuleType
from typing import Any

# Packages, with all below them, in which an `__init__` that only re-exports is lazy.
LAZY = ("anthropic.types", "anthropic.resources", "openai.types", "openai.resources", "groq.types", "groq.resources")
# The services of Anthropic's beta client; pydantic-ai uses the messages.
SERVICES = "anthropic.resources.beta."
USED = ("beta", "messages")

# What the code of a module may consist of that does nothing but import names, and list them in __all__.
_IMPORTING = frozenset(
    (
        "RESUME",
        "NOP",
        "EXTENDED_ARG",
        "LOAD_CONST",
        "LOAD_SMALL_INT",
        "IMPORT_NAME",
        "IMPORT_FROM",
        "STORE_NAME",
        "POP_TOP",
    )
)
_LISTING = frozenset(("BUILD_LIST", "LIST_EXTEND", "LIST_APPEND", "RETURN_VALUE", "RETURN_CONST"))


def install() -> None:
    """From now on, imports of the packages above are slim."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def exports(code: CodeType) -> dict[str, tuple[str, int, str]] | None:
    """Name -> (module, level, name there) of a module that does nothing but import names; None if it does more."""
    found: dict[str, tuple[str, int, str]] = {}
    module, level, name, constants = "", 0, "", []
    for step in dis.get_instructions(code):
        if step.opname not in _IMPORTING and step.opname not in _LISTING:
            return None
        if step.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
            constants.append(step.argval)
        elif step.opname == "IMPORT_NAME":
            module, level = step.argval, constants[-2]
            if not constants[-1] or "*" in constants[-1]:
                return None  # `import a.b`, or names that only the import itself shows
        elif step.opname == "IMPORT_FROM":
            name = step.argval
        elif step.opname == "STORE_NAME" and step.argval != "__all__":
            found[step.argval] = (module, level, name)
    return found


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(LAZY):
            return None
        if fullname.startswith(SERVICES) and fullname[len(SERVICES) :].partition(".")[0] not in USED:
            return ModuleSpec(fullname, _Placeholders(), is_package=True)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.submodule_search_locations is None or spec.loader is None:
            return spec
        code = spec.loader.get_code(fullname)  # type: ignore[attr-defined]  # file loaders have it, with sources or not
        names = exports(code)
        if names is not None:
            spec.loader = _Lazy(names)
        return spec


class _Lazy(Loader):
    """A package whose names are imported when they are asked for."""

    def __init__(self, names: dict[str, tuple[str, int, str]]) -> None:
        self._names = names

    def exec_module(self, module: ModuleType) -> None:
        names = self._names

        def get(name: str) -> Any:
            if name in names:
                source, level, there = names[name]
                value = _imported(module.__name__, source, level, there)
            elif name.startswith("__"):
                raise AttributeError(name)
            else:
                value = _submodule(module.__name__, name)
            setattr(module, name, value)
            return value

        module.__getattr__ = get  # type: ignore[method-assign]  # a module's own, PEP 562
        module.__all__ = [name for name in names if not name.startswith("_")]  # type: ignore[attr-defined]


class _Placeholders(Loader):
    """A module that has any name, each a class that can do nothing."""

    def exec_module(self, module: ModuleType) -> None:
        def get(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            value = type(name, (), {"__module__": module.__name__})
            setattr(module, name, value)
            return value

        module.__getattr__ = get  # type: ignore[method-assign]  # a module's own, PEP 562


def _imported(package: str, source: str, level: int, name: str) -> Any:
    if level and not source:
        return _submodule(package, name)
    module = importlib.import_module("." * level + source, package)
    return getattr(module, name)


def _submodule(package: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{package}.{name}":
            raise
        raise AttributeError(f"module {package!r} has no attribute {name!r}") from None
