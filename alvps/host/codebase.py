"""The alvps package of a release on the host: assembled, compiled, and shared by all releases with the same code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from alvps.host import fsio, process, trees
from alvps.host.layout import Layout
from alvps.host.life import Life
from alvps.host.manifest import Entry, encode

REQUIREMENTS = "alvps/data/host-requirements.txt"
UNITS = "alvps/data/systemd"
_COMPILE_SECONDS = 300.0


def exists(layout: Layout, digest: str) -> bool:
    """Whether that code is here; it only gets its name when it is whole."""
    return os.path.exists(layout.at("code", digest, "manifest"))


def make(
    layout: Layout, digest: str, entries: Sequence[Entry], sources: trees.Sources, *, new: int, life: Life
) -> None:
    """Assemble and compile the code. `new` is how many files just arrived. Raises OSError, ProgramFailed, Gone."""
    fsio.make_folder(layout.at("code"))
    partial, final = layout.at("code", f".partial-{digest}"), layout.at("code", digest)
    fsio.remove_tree(partial)
    written = trees.build(partial, entries, sources)
    process.run(compile_argv(partial, final), life=life, timeout=_COMPILE_SECONDS)
    fsio.write_file(f"{partial}/manifest", encode(entries))
    trees.sync(partial, entries, max(written, new, trees.FEW + 1))  # the compiled files are new in any case
    os.rename(partial, final)
    fsio.sync_folder(layout.at("code"))


def compile_argv(partial: str, final: str) -> list[str]:
    """The command that compiles a tree that will be renamed: tracebacks name the final place.

    Unchecked: the files never change, so no start has to look at their times.
    """
    mode = ["--invalidation-mode", "unchecked-hash"]
    return [sys.executable, "-I", "-m", "compileall", "-q", *mode, "-s", partial, "-p", final, partial]
