"""What a Dockerfile that was written for Alpine is told, by line; and what nobody has to be told."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.host import dockerfile
from alvps.host.dockerhints import Remark, explain
from alvps.host.dockerlines import commands, instructions

APT = "apt-get install -y --no-install-recommends"
APK = (
    f"apk is Alpine's; al-agent is Debian: use apt-get update && {APT} %s, as USER root "
    "(some packages have other names there)"
)
USER = "there is no user node; the image's user is `agent`"
HOME = "there is no /home/node; a run starts in /app/static, and its HOME is /tmp"
NODE = f"%s is not in al-agent; unless the project's own Dockerfile installs it: {APT} nodejs npm"
FOREIGN = (
    "an agent's image cannot stand on %r: write FROM al-agent, which is Debian, and install with "
    f"{APT} what is needed, nodejs and npm too"
)
OTHER = "its image stands on %r; it must be `FROM al-agent`, or the agent's entry is missing in it"
BUSYBOX = "%s is an option of Alpine's %s; al-agent is Debian: use %s"


def said(text: str) -> list[tuple[int, str, bool]]:
    return [tuple(remark) for remark in explain(text)]  # type: ignore[misc]  # three fields each


def test_a_dockerfile_of_the_node_system() -> None:
    text = """\
# RUN apk add --no-cache python3

FROM al-agent:latest

USER root
RUN apk add --no-cache github-cli jq
USER node
"""
    assert explain(text) == [
        Remark(6, APK % "github-cli jq", fatal=True),
        Remark(7, f"{USER}: write USER agent", fatal=True),
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("RUN apk add git", [(2, APK % "git", True)]),
        ("run apk add git", [(2, APK % "git", True)]),
        (
            "RUN apk update && apk add -t .deps g++ 'lib>1' x@edge",
            [(2, APK % "PACKAGE", True), (2, APK % "g++ lib x", True)],
        ),
        ("RUN set -eux; \\\n    apk add \\\n      git \\\n      jq; \\\n    rm -rf /x", [(3, APK % "git jq", True)]),
        ("RUN true \\\n# a remark\n\n && apk add git", [(5, APK % "git", True)]),
        ("RUN if ! apk add git; then exit 1; fi", [(2, APK % "git", True)]),
        ("RUN (A=1 /sbin/apk add git)", [(2, APK % "git", True)]),
        ('RUN ["apk", "add", "git"]', [(2, APK % "git", True)]),
        ('RUN ["sh", "-ec", "true && apk add git"]', [(2, APK % "git", True)]),
        ("RUN --mount=type=cache,target=/x --network=none apk add git", [(2, APK % "git", True)]),
        (
            "RUN <<EOF\nset -e\napk add git\nEOF\nUSER node",
            [(4, APK % "git", True), (6, f"{USER}: write USER agent", True)],
        ),
        ("RUN bash -e <<'EOF'\napk add git\nEOF", [(3, APK % "git", True)]),
        ("USER node:node", [(2, f"{USER}: write USER agent", True)]),
        ('USER "node"', [(2, f"{USER}: write USER agent", True)]),
        ("COPY --chown=node:node x /x", [(2, f"{USER}: write --chown=agent:agent", True)]),
        ("ADD \\\n  --chown=node x /x", [(3, f"{USER}: write --chown=agent:agent", True)]),
        ("RUN chown -R node:node /x", [(2, f"{USER}: write chown agent", True)]),
        ("RUN mkdir /x && chgrp node /x", [(2, f"{USER}: write chgrp agent", True)]),
        ("RUN su node -c 'npm ci'", [(2, USER, True)]),
        ("WORKDIR /home/node/app", [(2, HOME, False)]),
        ("ENV X=1 \\\n  HOME=/home/node", [(3, HOME, False)]),
        ("RUN adduser -D bot", [(2, BUSYBOX % ("-D", "adduser", "useradd"), True)]),
        (
            "RUN addgroup -S bot && adduser -SD -G bot bot",
            [(2, BUSYBOX % ("-S", "addgroup", "groupadd"), True), (2, BUSYBOX % ("-SD", "adduser", "useradd"), True)],
        ),
        ("RUN npm ci", [(2, NODE % "npm", False)]),
        ("RUN node -e 1 && npx x", [(2, NODE % "node", False), (2, NODE % "npx", False)]),
    ],
)
def test_what_cannot_work_or_may_not(lines: str, expected: list[tuple[int, str, bool]]) -> None:
    assert said(f"FROM al-agent\n{lines}\n") == expected


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "USER root\nRUN apt-get update && apt-get install -y --no-install-recommends gh\nUSER agent",
        "RUN echo apk add git > /x",
        "RUN echo 'a; apk add git' \"&& apk\"",
        "RUN echo \\\n apk add",
        "RUN echo x # && apk add git",
        "RUN cat <<EOF > /x\napk add git\nUSER node\nEOF",
        "COPY <<EOF /x\napk add git\nRUN npm ci\nEOF",
        "RUN echo x > apk",
        ("RUN useradd --create-home node && chown node:node /home/node\nUSER node\nCOPY --chown=node x /home/node/x"),
        "RUN adduser --system --group bot\nUSER bot",
        "RUN adduser -q bot",
        "RUN apt-get install -y nodejs npm && npm ci",
        "RUN apt-get install -y npm\nRUN npm ci",
        "RUN curl -fsSL https://deb.nodesource.com/setup_22.x | bash -\nRUN npm ci",
        "COPY --from=node:22-bookworm-slim /usr/local /usr/local\nRUN npm ci",
        "RUN [ -f x ] || echo apk",
        'LABEL x=\'apk add\' y=/home/nodes\nCMD ["node", "x.js"]',
        "ARG USER=node\nRUN echo node",
        "RUN chown agent:agent /x /node",
    ],
)
def test_what_is_fine(lines: str) -> None:
    assert said(f"FROM al-agent\n{lines}\n") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM node:20-alpine\nRUN apk add git\n", [(1, FOREIGN % "node:20-alpine", True)]),
        (
            "# x\nFROM --platform=linux/amd64 docker.io/library/node AS x\n",
            [(2, FOREIGN % "docker.io/library/node", True)],
        ),
        ("FROM alpine:3\nRUN apk add git\n", [(1, FOREIGN % "alpine:3", True)]),
        ("FROM python:3-alpine\n", [(1, FOREIGN % "python:3-alpine", True)]),
        ("FROM alpine AS base\nFROM al-agent\nFROM base\n", [(1, FOREIGN % "alpine", True)]),
        ("FROM al-agent\nFROM debian\n", [(2, OTHER % "debian", True)]),
        ("FROM nodejs-like\n", [(1, OTHER % "nodejs-like", True)]),
        ("RUN apk add git\n", [(1, "has no FROM line; it must build on `FROM al-agent`", True)]),
        ("", [(1, "has no FROM line; it must build on `FROM al-agent`", True)]),
    ],
)
def test_bases(text: str, expected: list[tuple[int, str, bool]]) -> None:
    assert said(text) == expected


def test_stages_on_other_images_may_do_as_they_like() -> None:
    text = """\
FROM node:22-alpine AS build
USER node
WORKDIR /home/node
RUN apk add git && npm ci
FROM al-agent AS mine
RUN apk add git
FROM mine
USER node
COPY --from=build --chown=node /x /x
"""
    assert said(text) == [
        (6, APK % "git", True),
        (8, f"{USER}: write USER agent", True),
        (9, f"{USER}: write --chown=agent:agent", True),
    ]


def test_instructions_know_their_lines() -> None:
    text = "\n# c\nFROM a\nRUN one \\\n  two \\\n# c\n  three\nCOPY <<A <<B /\n1\nA\n2\nB\nUSER x\n"
    found = list(instructions(text))
    assert [(one.keyword, one.line, one.text.split()) for one in found] == [
        ("FROM", 3, ["a"]),
        ("RUN", 4, ["one", "two", "three"]),
        ("COPY", 8, ["<<A", "<<B", "/"]),
        ("USER", 13, ["x"]),
    ]
    assert [found[1].line_of(found[1].text.index(word)) for word in ("one", "two", "three")] == [4, 5, 7]
    assert found[2].documents == ((9, "1"), (11, "2"))


def test_words_of_commands() -> None:
    (run,) = instructions("RUN A=1 sudo x 'a b'\"c\"\\ d >out 2>&1 | (y; if z <in; then w; fi) && `v`\n")
    assert [command.words for command in commands(run)] == [
        ("x", "a bc d", "2"),
        ("1",),
        ("y",),
        ("z",),
        ("w",),
        ("fi",),
        ("v",),
    ]


_piece = st.sampled_from(
    [
        "FROM al-agent",
        "FROM alpine AS b",
        "RUN ",
        "apk add x",
        "USER node",
        "<<EOF",
        "EOF",
        "\\",
        "\n",
        " ",
        "'",
        '"',
        "[",
        "]",
        "&&",
        ";",
        "#",
        "COPY ",
        "--chown=node",
        "/home/node",
        "npm",
        "\r\n",
        "ONBUILD ",
        "$(",
        ")",
        "`",
        "é",
        "\0",
    ]
)


@given(st.lists(_piece, max_size=25).map("".join))
def test_any_text_gets_remarks_about_its_lines(text: str) -> None:
    remarks = explain(text)
    assert all(1 <= remark.line <= max(1, len(text.splitlines())) for remark in remarks)
    assert remarks == sorted(remarks)
    try:
        dockerfile.check(text)
    except dockerfile.BadDockerfile:
        assert any(remark.fatal for remark in remarks), "explain says what check refuses"


@pytest.mark.parametrize(
    "text",
    [
        "RUN " + "a" * 900_000,
        "RUN " + "'" * 900_000,
        "RUN [" + "[" * 900_000,
        "RUN " + "\\\"'" * 300_000,
        "RUN " + "a=b " * 200_000,
        "RUN x\\\n" * 100_000,
        "RUN true" + ";\\\n apk" * 100_000,
        "RUN <<E\n" + "apk;x\n" * 100_000,
        "RUN <<A\n" * 2000,
        "FROM a AS b\nFROM b AS a\n" * 20_000,
        "COPY " + "--chown=" * 100_000,
    ],
    ids=lambda text: text[:10],
)
def test_a_hostile_file_takes_no_time(text: str) -> None:
    started = time.process_time()
    explain("FROM al-agent\n" + text)
    assert time.process_time() - started < 5
