"""`al doctor`: what is wrong, here and on the host, and what to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alvps.cli.options import environment_option, json_option, project_option
from alvps.errors import AlError, HostBusy, UsageError

if TYPE_CHECKING:
    from alvps.doctor.findings import Finding
    from alvps.project.environment import Environment
    from alvps.push.mending import Mended


@click.command()
@click.option("--fix", is_flag=True, help="Mend what can be mended safely, say what was done, and look again.")
@click.option("--strict", is_flag=True, help="End with 1 for warnings as well.")
@project_option
@environment_option
@json_option
def command(*, project: Path, env_name: str | None, fix: bool, strict: bool, as_json: bool) -> int:
    """Check the project, its credentials, this machine and the host, and say what to do for each finding.

    Changes nothing without --fix. On a terminal it asks for credentials that are missing. Exit code 1 when there is an
    error (with --strict, a warning), else 0. docs/doctor.md explains every finding.
    """
    from alvps.cli.doctor_view import Printer
    from alvps.doctor import laptop

    environment, why_none = _environment(project, env_name)
    printer = Printer(silent=as_json)
    here = _here(project, environment, why_none, ask=not as_json)
    mended: list[Mended] = []
    if fix and (fixes := _fixes(here)):
        mended += _mend_here(fixes)
        here = _here(project, environment, why_none, ask=False)
    printer.section("This machine", mended, here)
    there: list[Finding] = []
    if environment is not None:
        done, there = _there(environment, laptop.project_name(project), fix=fix)
        printer.section(f"Host {environment.name}", done, there)
        mended += done
    found = [*here, *there]
    if as_json:
        done_ = [{"fix": one.fix, "mended": one.mended, "text": one.text} for one in mended]
        click.echo(json.dumps({"findings": [one.to_json() for one in found], "mended": done_}))
    printer.summary(found, fix=fix)
    bad = {"error", "warning"} if strict else {"error"}
    return 1 if any(finding.level in bad for finding in found) else 0


def _environment(project: Path, env_name: str | None) -> tuple[Environment | None, UsageError | None]:
    """The host to look at; without one that anybody asked for, the reason why there is none."""
    from alvps.project.environments import resolve

    try:
        return resolve(project, env_name), None
    except UsageError as unknown:
        if env_name:
            raise
        return None, unknown


def _here(project: Path, environment: Environment | None, why_none: UsageError | None, *, ask: bool) -> list[Finding]:
    from alvps.cli import doctor_creds
    from alvps.doctor import laptop
    from alvps.doctor.findings import warning

    if ask and doctor_creds.on_terminal() and (missing := laptop.missing(project)):
        doctor_creds.add(missing)
    found = list(laptop.findings(project))
    if environment is not None:
        found += laptop.of_environment(environment)
    elif why_none is not None:
        found.append(warning("environment", "environment", why_none.message, why_none.hint or "al provision --help"))
    return found


def _mend_here(fixes: Sequence[str]) -> list[Mended]:
    from alvps.doctor import modes
    from alvps.push.mending import Mended

    if "modes" not in fixes:
        return []
    paths = modes.too_open(Path.home() / modes.FOLDER)
    try:
        modes.close(paths)
    except OSError as error:
        return [Mended(fix="modes", mended=False, text=f"{error.filename}: {error.strerror}")]
    return [Mended(fix="modes", mended=True, text=f"closed to other users: {len(paths)} of the files and folders")]


def _there(environment: Environment, project: str | None, *, fix: bool) -> tuple[list[Mended], list[Finding]]:
    from alvps.cli.doctor_host import findings
    from alvps.cli.host import open_session
    from alvps.doctor.findings import error, ok
    from alvps.push.mending import mend

    mended: list[Mended] = []
    try:
        with open_session(environment) as session:
            found = findings(session, environment, project)
            if fix and (fixes := _fixes(found)):
                mended += mend(session, fixes)
                found = findings(session, environment, project)
            return mended, [
                ok("host", "host", f"{session.host} answers over SSH, its host key is the right one"),
                *found,
            ]
    except HostBusy:
        raise
    except AlError as failure:
        remedy = failure.hint or "is it on, and is the address right?"
        return mended, [error("host", "host", failure.message, remedy)]


def _fixes(found: Sequence[Finding]) -> list[str]:
    return sorted({finding.fix for finding in found if finding.fix is not None})
