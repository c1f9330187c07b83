"""Files that ship with the package: cloud-init/, docker/."""

from __future__ import annotations

from pathlib import Path


def resource(*parts: str) -> Path:
    """The path of a shipped file. A path and not a stream: scripts are also run from where they are."""
    import alvps

    return Path(alvps.__file__).parent.joinpath("data", *parts)
