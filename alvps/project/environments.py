"""Named environments: which host a push goes to. One file each, ~/.action-llama/environments/<name>.toml.

Beside the file, the folder of the same name may hold what belongs to that host alone: a key pair, a known_hosts file.
Paths in the file are taken relative to that folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from alvps.errors import AlError, ProjectInvalid, UsageError
from alvps.private_file import write_private
from alvps.project import cloud
from alvps.project.environment import Environment, parse, render
from alvps.project.layers import LOCAL, read_layers
from alvps.project.reading import read_toml
from alvps.project.report import At, Report, closest, plain
from alvps.project.schema import Values
from alvps.project.settings import ENVIRONMENT

FOLDER = Path(".action-llama", "environments")  # in the home folder
ON_A_HOST = "@host"  # in the place of a name: whichever is meant, but not this machine


def companion_folder(name: str) -> Path:
    """The folder for the files that belong to this environment alone; it need not exist."""
    return _file(name).with_suffix("")


def file_of(environment: Environment) -> Path | None:
    """Its file; None for one that is `[cloud]` of a project."""
    file = _file(environment.name)
    return file if file.exists() else None


def list_environments() -> tuple[str, ...]:
    """The names there are, sorted."""
    folder = Path.home() / FOLDER
    with suppress(FileNotFoundError, NotADirectoryError):
        return tuple(sorted(path.stem for path in folder.iterdir() if path.suffix == ".toml" and _is_name(path.stem)))
    return ()


def load_environment(name: str) -> Environment:
    """The environment. Raises UsageError when there is none of that name, ProjectInvalid for a file that is wrong."""
    file = _file(name)
    if not file.exists():
        raise _unknown(name, "")
    report = Report()
    at = report.at(str(file.relative_to(Path.home())))
    raw = read_toml(Path.home(), at)
    raw = None if raw is None else cloud.translated(raw, at)
    environment = None if raw is None or report.problems else parse(name, raw, at, beside=companion_folder(name))
    if environment is None or report.problems:
        raise ProjectInvalid(tuple(report.problems))
    return environment


def save_environment(environment: Environment) -> None:
    """Write its file, 0600, as a whole or not at all. Raises ProjectInvalid for values that no file may have."""
    file = _file(environment.name)
    _refuse_unreadable(environment, file)
    try:
        write_private(file, render(environment))
    except OSError as error:
        raise AlError(f"cannot write {file}: {error.strerror}") from error
    file.parent.chmod(0o700)


def delete_environment(name: str) -> None:
    """Remove its file and its folder. Raises UsageError when there is none of that name."""
    file = _file(name)
    if not file.exists():
        raise _unknown(name, "")
    shutil.rmtree(companion_folder(name), ignore_errors=True)
    file.unlink()


class NoneMeant(UsageError):
    """Nothing says which environment is meant, and there is not exactly one."""


def resolve(project_folder: Path, flag: str | None, *, environ: Mapping[str, str] = os.environ) -> Environment:
    """The environment that a command means: the bound one (see `bound`), else the only one there is.

    Raises NoneMeant, UsageError when it does not exist, ProjectInvalid when a file on the way is wrong.
    """
    if (environment := bound(project_folder, flag, environ=environ)) is not None:
        return environment
    there = list_environments()
    if len(there) == 1:
        return load_environment(there[0])
    if not there:
        raise NoneMeant(
            "there is no environment yet", hint="al provision makes one: hetzner, vultr, existing HOST or local"
        )
    raise NoneMeant(
        "which environment?",
        hint=f"say -E NAME, or bind this project to one: al env set NAME; there are: {', '.join(there)}",
    )


def bound(project_folder: Path, flag: str | None, *, environ: Mapping[str, str] = os.environ) -> Environment | None:
    """What is said: the flag, else AL_ENV, else the project's .env.toml, else its `[cloud]`. None: nothing of these.

    The flag may also be ON_A_HOST, which names none. Raises UsageError when there is none of that name, ProjectInvalid.
    """
    for name, source in (
        (None if flag == ON_A_HOST else flag, ""),
        (environ.get("AL_ENV"), " (from AL_ENV)"),
        (binding(project_folder), f" (from {LOCAL})"),
    ):
        if name:
            if not _is_name(name) or not _file(name).exists():
                raise _unknown(name, source)
            return load_environment(name)
    return cloud_of(project_folder)


def binding(project_folder: Path) -> str | None:
    """The environment in the project's .env.toml; the rest of that file does not matter here. Raises ProjectInvalid."""
    if not (project_folder / LOCAL).exists():
        return None
    report = Report()
    at = report.at(LOCAL)
    raw = read_toml(project_folder, at) or {}
    name: str | None = ENVIRONMENT(raw["environment"], at.key("environment")) if "environment" in raw else None
    if report.problems:
        raise ProjectInvalid(tuple(report.problems))
    return name


def cloud_of(project_folder: Path) -> Environment | None:
    """The server in the project's `[cloud]`; the rest of its files does not matter here. Raises ProjectInvalid."""
    report = Report()
    found = cloud.environment(project_folder, read_layers(project_folder, report, config=_cloud, local=_cloud))
    if report.problems:
        raise ProjectInvalid(tuple(report.problems))
    return found


def _cloud(raw: object, at: At) -> Values | None:
    if not isinstance(raw, dict) or cloud.CLOUD not in raw:
        return None
    return {cloud.CLOUD: cloud.check(raw[cloud.CLOUD], at.key(cloud.CLOUD))}


def _refuse_unreadable(environment: Environment, file: Path) -> None:
    """What is written must be read back as it was: run the reader's own checks over it first."""
    import tomli

    report = Report()
    back = parse(environment.name, tomli.loads(render(environment)), report.at(str(file)), beside=file.with_suffix(""))
    if report.problems:
        raise ProjectInvalid(tuple(report.problems))
    assert back is not None


def _file(name: str) -> Path:
    if not _is_name(name):
        raise UsageError(f"{plain(name[:80])!r} cannot be an environment's name", hint="allowed: a-z, 0-9, -; up to 50")
    return Path.home() / FOLDER / f"{name}.toml"


def _is_name(name: str) -> bool:
    return ENVIRONMENT(name, Report().at("")) is not None


def _unknown(name: str, source: str) -> UsageError:
    there = list_environments()
    close = closest(name, there)
    hint = f"did you mean {close!r}?" if close else f"there are: {', '.join(there) or 'none yet'}"
    return UsageError(f"there is no environment {plain(name[:80])!r}{source}", hint=hint)
