"""What does a user's Dockerfile build on? Pure; the laptop checks with it, the host rewrites with it."""

from __future__ import annotations

import re

BASE = "al-agent"
MAX_SIZE = 1 << 20
_FROM = re.compile(
    r"(?P<head>\s*FROM\s+(?:--\S+\s+)*)(?P<image>\S+)(?P<tail>(?:\s+AS\s+(?P<stage>\S+))?\s*)\Z", re.IGNORECASE
)
HEREDOC = re.compile(r"<<-?\s*([\"']?)(\w+)\1")


class BadDockerfile(ValueError):
    """The Dockerfile does not build on the image that makes an agent run; the message says what is wanted."""


def check(text: str) -> None:
    """Raise BadDockerfile unless the last stage stands, directly or through named stages, on `FROM al-agent`."""
    stages: dict[str, str] = {}
    last = ""
    for _, match in froms(text):
        image = match["image"]
        last = stages.get(image.lower(), image)
        if match["stage"]:
            stages[match["stage"].lower()] = last
    if not last:
        raise BadDockerfile(f"has no FROM line; it must build on `FROM {BASE}`")
    if not is_base(last):
        raise BadDockerfile(
            f"its image stands on {last!r}; it must be `FROM {BASE}`, or the agent's entry is missing in it"
        )


def rewrite(text: str, parent: str) -> str:
    """The Dockerfile with its `FROM al-agent` lines naming the parent's tag instead."""
    lines = text.splitlines(keepends=True)
    for number, match in froms(text):
        if is_base(match["image"]):
            end = lines[number][len(lines[number].rstrip("\r\n")) :]
            lines[number] = f"{match['head']}{parent}{match['tail'].rstrip()}{end}"
    return "".join(lines)


def froms(text: str) -> list[tuple[int, re.Match[str]]]:
    """Line number and match of each FROM instruction; comments, continued lines and here-documents are none."""
    found = []
    closing: list[str] = []
    continued = False
    for number, raw in enumerate(text.splitlines()):
        line = raw.rstrip()
        if closing:
            if line.strip() == closing[0]:
                closing.pop(0)
            continue
        if line.lstrip().startswith("#"):
            continue
        match = None if continued else _FROM.match(line)
        if match:
            found.append((number, match))
        elif re.match(r"\s*(RUN|COPY|ADD)\s", line, re.IGNORECASE) or continued:
            closing = [word for _, word in HEREDOC.findall(line)]
        continued = line.endswith("\\")
    return found


def is_base(image: str) -> bool:
    """True for the image that makes an agent run, under any tag."""
    return image == BASE or image.startswith(BASE + ":")
