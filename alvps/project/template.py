"""Makes a new project out of the example that ships with the package."""

from __future__ import annotations

import shutil
from pathlib import Path

from alvps.errors import UsageError
from alvps.project.names import check_name

EXAMPLE = Path(__file__).parent.parent / "data" / "example"
RENAMED = {"gitignore": ".gitignore"}  # a dot file in the package would be taken for one of this repository's own


def create(name: str, *, into: Path) -> Path:
    """Copy the example project to `into/name`, named `name`, and return that folder.

    Raises UsageError when the name is not legal or the folder exists.
    """
    check_name(name, kind="project")
    folder = into / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(f"{folder} exists already", hint="choose another name, or remove it first") from None
    for source in sorted(EXAMPLE.rglob("*")):
        if "__pycache__" in source.parts or source.is_dir():
            continue
        relative = source.relative_to(EXAMPLE)
        target = folder / relative.with_name(RENAMED.get(relative.name, relative.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        if relative.name == "config.toml" and relative.parent == Path():
            target.write_text(source.read_text().replace('name = "example"', f'name = "{name}"'))
        else:
            shutil.copyfile(source, target)
    return folder
