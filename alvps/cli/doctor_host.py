"""The findings of one host: its facts over an open session, and what this machine knows of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from alvps import __version__

if TYPE_CHECKING:
    from alvps.doctor.findings import Finding
    from alvps.project.environment import Environment
    from alvps.push.session import HostSession


def findings(session: HostSession, environment: Environment, project: str | None = None) -> list[Finding]:
    """Ask and judge. `project`: the name of the one in the folder, if that matters. Raises AlError, HostUnreachable."""
    from alvps.doctor import domain, host
    from alvps.doctor.expected import Expected
    from alvps.provision import bootstrap
    from alvps.push.code_tree import code_tree

    web = environment.web
    asked = time.time()
    facts = session.facts(web.domain)
    expected = Expected(
        # The host reads its clock when it is asked, and then takes a while to answer.
        now=asked,
        bootstrap=bootstrap.digest(),
        code=code_tree().digest,
        version=__version__,
        web=web,
        project=project,
    )
    led = domain.findings(web.domain, environment.host) if web.domain else ()
    return [*host.findings(facts, expected), *led]
