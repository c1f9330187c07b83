"""Which files make up the build context of the agents' base image? Pure; no Docker needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

NOT_IN_THE_IMAGE = ("context.py", "session")  # the laptop's; the LLM harness, which has an image of its own


def base_context(data_dir: Path, agent_dir: Path, ca_files: Sequence[Path] = ()) -> dict[str, Path]:
    """Path in the context -> file, sorted.

    `data_dir` is the folder that has `docker/agent/` (alvps/data), `agent_dir` is this package's folder, `ca_files`
    are a company's CA certificates in PEM form: the image trusts them beside Debian's.
    """
    here = data_dir / "docker" / "agent"
    files = {str(path.relative_to(here)): path for path in here.rglob("*") if path.is_file()}
    for path in agent_dir.rglob("*.py"):
        inside = path.relative_to(agent_dir)
        if inside.parts[0] not in NOT_IN_THE_IMAGE:
            files[f"agent/{inside.as_posix()}"] = path
    files |= {f"ca/extra-{number}.crt": path for number, path in enumerate(ca_files)}
    return dict(sorted(files.items()))
