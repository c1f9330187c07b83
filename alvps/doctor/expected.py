"""What the laptop knows of a host, which its facts are compared with."""

from __future__ import annotations

from dataclasses import dataclass

from alvps.project.environment import Web


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """`now`: this machine's clock, seconds since 1970. `web`: what the environment shows the world.

    `version`: of this al; `code` and `bootstrap` are the digests of its code and script. `project`: the name of the
    project in the folder, if there is one.
    """

    now: float
    bootstrap: str
    code: str
    version: str
    web: Web
    project: str | None = None
