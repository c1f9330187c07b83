"""The front matter of a SKILL.md: YAML between two lines of three hyphens, before the Markdown.

The keys are those of the Agent Skills format; an agent's settings are not among them, they stand in config.toml.
"""

from __future__ import annotations

from typing import Any

from alvps.project.report import At, plain, shown
from alvps.project.schema import Check, Values, one_or_more, prose, table, text

SKILL = "SKILL.md"
MAX_FRONT_MATTER = 64 << 10  # characters
_MAX_DEPTH = 32
_MAX_NODES = 10_000
_SHORT = prose(longest=4096)
_TEXT_KEYS = "name, description, license, compatibility, metadata, allowed-tools"


def read_front_matter(content: str, at: At, *, folder: str) -> Values:
    """What is usable of the front matter; empty when there is none. `folder`: the name of the agent's folder."""
    yaml_text = _front(content, at)
    if yaml_text is None:
        return {}
    raw = _parse(yaml_text, at)
    if raw is None:
        return {}
    values: Values = _FRONT_MATTER(raw, at) or {}
    if values.get("name", folder) != folder:
        at.key("name").say(f"{shown(values['name'])} is not the name of the agent's folder; allowed: {shown(folder)}")
    if "description" in values:
        values["description"] = values["description"].strip()
    return values


def _front(content: str, at: At) -> str | None:
    first, _, rest = content.partition("\n")
    if first.rstrip() != "---":
        return None
    taken: list[str] = []
    length = 0
    for line in rest.split("\n"):
        if line.rstrip() == "---":
            return "\n".join(taken)
        length += len(line) + 1
        if length > MAX_FRONT_MATTER:
            at.say(f"its front matter is longer than {MAX_FRONT_MATTER >> 10} KiB, or has no line --- at its end")
            return None
        taken.append(line)
    at.say("its front matter has no end; allowed: a line --- before the Markdown")
    return None


def _parse(source: str, at: At) -> dict[str, Any] | None:
    import yaml  # only for projects that have a SKILL.md

    loader_class = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast
    try:
        if (wrong := _hostile(yaml.parse(source, Loader=loader_class))) is not None:
            line, what = wrong
            _line(at, line).say(what)
            return None
        loader = loader_class(source)
        try:
            node = loader.get_single_node()
            _refuse_twice(node, at)
            found = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        _line(at, 0 if mark is None else mark.line).say(f"not YAML: {plain(str(what))[:200]}")
        return None
    except (ValueError, OverflowError) as error:
        # A value that looks like a date or a number and is none, 2026-99-99.
        at.say(f"not usable YAML: {plain(str(error))[:200]}; allowed: such a value in quotes")
        return None
    if found is None:
        return {}
    if not isinstance(found, dict):
        at.say(f"its front matter is no table; allowed: lines such as `description: …`, with {_TEXT_KEYS}")
        return None
    return {str(key): value for key, value in found.items()}  # 1 and true are keys, too


def _hostile(events: Any) -> tuple[int, str] | None:
    """What is wrong with a document that may be large when it is unfolded, or deeper than Python can go."""
    depth = 0
    for count, event in enumerate(events):
        kind = type(event).__name__
        line = event.start_mark.line
        if getattr(event, "anchor", None) is not None:  # an alias has its anchor's name, too
            return line, "anchors and aliases (& and *) are not allowed; allowed: the value itself"
        if getattr(event, "tag", None) is not None:
            return line, f"the tag {plain(str(event.tag))[:60]} is not allowed; allowed: plain values"
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        if depth > _MAX_DEPTH or count > _MAX_NODES:
            return line, f"too much; allowed: {_MAX_DEPTH} levels and {_MAX_NODES} values"
    return None


def _refuse_twice(node: Any, at: At) -> None:
    """YAML's reader takes the last of two values for one key; nobody could tell which one was meant."""
    pairs = node.value if getattr(node, "id", "") == "mapping" else ()
    seen = set()
    for name in [key.value for key, _ in pairs if key.id == "scalar"]:
        if name in seen:
            at.key(name).say("is there twice; allowed: once")
        seen.add(name)


def _line(at: At, line: int) -> At:
    # The front matter's first line is the file's second.
    return At(f"{at.file}:{line + 2}", at.problems)


def _metadata(value: object, at: At) -> dict[Any, Any] | None:
    if isinstance(value, dict):
        return value  # whoever reads the skill may find anything there; nothing here depends on it
    at.say(f"{shown(value)} is not allowed; allowed: a table")
    return None


_TOOLS: Check = one_or_more(text(longest=1000), example="[Bash, Read]", most=100)
_FRONT_MATTER = table(
    {
        "name": text(longest=200),
        "description": _SHORT,
        "license": _SHORT,
        "compatibility": _SHORT,
        "metadata": _metadata,
        "allowed-tools": _TOOLS,
    }
)
