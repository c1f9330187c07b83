"""The bootstrap, run on a host over SSH."""

from __future__ import annotations

from alvps.project.environment import Web
from alvps.provision import bootstrap
from alvps.provision.provider import Event, Progress, ProvisionFailed
from alvps.provision.remote import run_script
from alvps.provision.timing import timed
from alvps.ssh import Connection


def run_bootstrap(connection: Connection, web: Web, progress: Progress) -> None:
    """Raises ProvisionFailed with the end of what the script said, HostUnreachable."""
    with timed(progress, "bootstrap", "the bootstrap is through"):
        outcome = run_script(
            connection,
            bootstrap.argv("--digest", bootstrap.digest(), *bootstrap.web_arguments(web), user=connection.user),
            bootstrap.script(),
            on_line=lambda line: progress(Event(step="bootstrap", text=line.removeprefix("bootstrap: "), detail=True)),
        )
        if outcome.exit_code != 0:
            raise ProvisionFailed(
                f"{connection.host_label}: the bootstrap failed (exit code {outcome.exit_code})",
                hint="mend what it says and run the same command again: it goes on where it stopped",
                detail=outcome.tail,
            )
