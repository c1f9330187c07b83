"""What does a user's Dockerfile say, line by line? Instructions with their here-documents, and the commands in them.

Pure. As much of Docker's syntax and the shell's as it takes to name the line that cannot work; never to run anything.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from alvps.host.dockerfile import HEREDOC

_INSTRUCTION = re.compile(r"\s*(?:ONBUILD\s+)?([A-Za-z]+)(?:\s+|\Z)", re.IGNORECASE)
_FLAG = re.compile(r"\s*--[a-z]+(?:=\S*)?(?=\s|\Z)")
_SHELLS = frozenset(("sh", "bash", "ash", "dash", "/bin/sh", "/bin/bash", "/bin/ash"))
# Words before a command's own name.
_BEFORE = frozenset(
    ("if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "exec", "command", "sudo", "env")
)
_TOKEN = re.compile(
    r"""(?P<end>[;&|()\n`])|(?P<redirect>[<>]+)|(?P<comment>\#[^\n]*)|"""
    r"""(?P<word>(?:\\.|'[^']*'?|"(?:\\.|[^"])*"?|[^\s;&|()<>`'"\\])+)""",
    re.DOTALL,
)
_QUOTED = re.compile(r"""\\(.)|'([^']*)'?|"((?:\\.|[^"])*)"?""", re.DOTALL)


class Instruction(NamedTuple):
    """One instruction: its keyword in capitals, its text without it, and for offsets in the text the lines, from 1."""

    keyword: str
    text: str
    starts: tuple[tuple[int, int], ...]  # (offset in the text, line), rising
    documents: tuple[tuple[int, str], ...]  # (first line, content) of each here-document

    @property
    def line(self) -> int:
        """The line that it begins on."""
        return self.starts[0][1]

    def line_of(self, offset: int) -> int:
        """The line of something in its text."""
        return _line(self.starts, offset)


class Command(NamedTuple):
    """A command of a RUN: its words without quotes, and the line it begins on."""

    words: tuple[str, ...]
    line: int


def instructions(text: str) -> Iterator[Instruction]:
    """Every instruction. Comments are none, and a comment or an empty line does not end a continued one."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        match = None if lines[number].lstrip().startswith("#") else _INSTRUCTION.match(lines[number])
        if not match:
            number += 1
            continue
        joined, starts = "", []
        piece = lines[number][match.end() :].rstrip()
        while True:
            starts.append((len(joined), number + 1))
            joined += piece.removesuffix("\\")
            if not piece.endswith("\\"):
                break
            number += 1
            while number < len(lines) and (not lines[number].strip() or lines[number].lstrip().startswith("#")):
                number += 1
            if number >= len(lines):
                break
            piece = lines[number].rstrip()
        number += 1
        keyword = match[1].upper()
        documents = []
        for _, word in HEREDOC.findall(joined) if keyword in ("RUN", "COPY", "ADD") else ():
            end = next((at for at in range(number, len(lines)) if lines[at].strip() == word), len(lines))
            documents.append((number + 1, "\n".join(lines[number:end])))
            number = end + 1
        yield Instruction(keyword, joined, tuple(starts), tuple(documents))


def commands(run: Instruction) -> Iterator[Command]:
    """The commands of a RUN in either of its forms, those of a here-document that a shell reads included."""
    flags = 0
    while flag := _FLAG.match(run.text, flags):
        flags = flag.end()
    listed = _exec_form(run.text[flags:])
    if listed is not None:
        if len(listed) > 2 and listed[0] in _SHELLS and listed[1].startswith("-") and "c" in listed[1]:
            yield from (Command(words, run.line) for words, _ in _shell(listed[2]))
        else:
            yield Command(tuple(listed), run.line)
        return
    program = ""
    for words, offset in _shell(run.text[flags:]):
        yield Command(words, run.line_of(flags + offset))
        program = program or words[0]
    # `RUN <<EOF` and `RUN bash <<EOF` are scripts; what `cat <<EOF` reads is data.
    if not program or program in _SHELLS:
        for first, content in run.documents:
            starts = [(0, first)]
            starts += [(end.end(), first + number) for number, end in enumerate(re.finditer("\n", content), start=1)]
            for words, offset in _shell(content):
                yield Command(words, _line(starts, offset))


def _line(starts: Sequence[tuple[int, int]], offset: int) -> int:
    return starts[bisect_right(starts, offset, key=lambda start: start[0]) - 1][1]


def _exec_form(text: str) -> list[str] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None  # `[ -f x ] && …`, which is shell
    return words if isinstance(words, list) and words and all(isinstance(word, str) for word in words) else None


def _shell(script: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Words and offset of every simple command, as far as they can be told without running anything."""
    words: list[str] = []
    begin = 0
    for word, offset in [*_words(script), (None, len(script))]:
        if word is None:
            if words:
                yield tuple(words), begin
            words = []
        elif words or not (word in _BEFORE or re.fullmatch(r"[A-Za-z_]\w*\+?=.*", word, re.DOTALL)):
            if not words:
                begin = offset
            words.append(word)


def _words(script: str) -> Iterator[tuple[str | None, int]]:
    """The words with their offsets; None where a command ends. Quotes are taken off, redirections left out."""
    redirected = False
    for match in _TOKEN.finditer(script):
        if match.lastgroup == "end":
            redirected = False
            yield None, match.start()
        elif match.lastgroup == "word":
            if not redirected:
                yield _QUOTED.sub(lambda part: part[1] or part[2] or part[3] or "", match[0]), match.start()
            redirected = False
        elif match.lastgroup == "redirect":
            redirected = True
