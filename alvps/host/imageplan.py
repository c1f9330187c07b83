"""Which images does a release need, in which order, and under which tags? Pure: follows from the manifests alone.

An image's key is a hash of everything that goes into it, its parent's key included, and is part of its tag. So an image
that is there under its tag needs no build, and one whose inputs changed cannot be mistaken for the old one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from alvps.host.manifest import Entry

BASE = "al-agent"
_RECIPE = 1  # raise when images must be built anew although no input changed
_DATA = "alvps/data/docker/agent/"
_LLM_DATA = "alvps/data/docker/agent-llm/"
_SESSION = "alvps/agent/session/"
_AGENT = "alvps/agent/"
_NOT_IN_THE_IMAGE = frozenset({"context.py", "session"})


class Image(NamedTuple):
    """One image: what for, its tag, its parent's tag (None: a Debian image), and path in the context -> entry."""

    what: str  # "base", "models", "project", or an agent's name prefixed "agent "
    tag: str
    parent: str | None
    context: dict[str, Entry]


class ImagePlan(NamedTuple):
    """All images in the order of building, and the tag that each agent runs."""

    images: tuple[Image, ...]
    of_agent: dict[str, str]

    @property
    def tags(self) -> list[str]:
        return [image.tag for image in self.images]


def plan(
    project: str,
    agents: Iterable[Mapping[str, object]],
    entries: Sequence[Entry],
    code: Sequence[Entry],
    surroundings: str,
) -> ImagePlan:
    """The images for these agents ({"name", "folder", "llm"}). `surroundings`: see alvps.host.images.

    The libraries for models are in the image, and installed on the host, only when an agent of the project thinks.
    """
    agents = list(agents)
    base = _image("base", BASE, None, base_context(code), surroundings)
    images = [base]
    parent = base
    if any(agent.get("llm") for agent in agents):
        parent = _image("models", f"{BASE}-llm", base.tag, llm_context(code), surroundings)
        images.append(parent)
    files = {entry.path: entry for entry in entries}
    if "Dockerfile" in files:
        shared = {path: entry for path, entry in files.items() if path.startswith("shared/")}
        context = {"Dockerfile": files["Dockerfile"], **shared}
        parent = _image("project", f"al-project-{project}", parent.tag, context)
        images.append(parent)
    of_agent = {}
    for agent in sorted(agents, key=lambda agent: str(agent["name"])):
        name, folder = str(agent["name"]), f"{agent['folder']}/"
        of_agent[name] = parent.tag
        if f"{folder}Dockerfile" in files:
            context = {path[len(folder) :]: entry for path, entry in files.items() if path.startswith(folder)}
            # The prompt and the settings reach a run through the release: changing them must not cost a build.
            for left_out in ("ACTIONS.md", "agent-config.toml", "SKILL.md", "config.toml"):
                context.pop(left_out, None)
            image = _image(f"agent {name}", f"al-{project}-{name}", parent.tag, context)
            images.append(image)
            of_agent[name] = image.tag
    return ImagePlan(tuple(images), of_agent)


def base_context(code: Iterable[Entry]) -> dict[str, Entry]:
    """What of the alvps package goes into the base image: the same files as alvps.agent.context.base_context."""
    context = {}
    for entry in code:
        if entry.path.startswith(_DATA):
            context[entry.path[len(_DATA) :]] = entry
        elif entry.path.startswith(_AGENT):
            name = entry.path[len(_AGENT) :]
            if name.endswith(".py") and name.split("/")[0] not in _NOT_IN_THE_IMAGE:
                context[f"agent/{name}"] = entry
    return context


def llm_context(code: Iterable[Entry]) -> dict[str, Entry]:
    """What of the alvps package goes into the image of agents that think."""
    context = {}
    for entry in code:
        if entry.path.startswith(_LLM_DATA):
            context[entry.path[len(_LLM_DATA) :]] = entry
        elif entry.path.startswith(_SESSION) and entry.path.endswith(".py"):
            context[f"session/{entry.path[len(_SESSION) :]}"] = entry
    return context


def _image(what: str, repository: str, parent: str | None, context: dict[str, Entry], extra: str = "") -> Image:
    import hashlib

    inputs = [_RECIPE, parent, extra, [(path, entry.mode, entry.sha256) for path, entry in sorted(context.items())]]
    key = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]
    return Image(what, f"{repository}:{key}", parent, context)
