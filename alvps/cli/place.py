"""Which place a command means: a host, or this machine while `al start` runs the project here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from alvps.errors import AlError, UsageError

if TYPE_CHECKING:
    from alvps.local.here import Here
    from alvps.local.session import LocalSession
    from alvps.logs import Entry, Query
    from alvps.project.environment import Environment
    from alvps.push.session import HostSession

    Place: TypeAlias = Environment | Here
    Session: TypeAlias = HostSession | LocalSession


def meant(project: Path, env_name: str | None, *, past: bool = False) -> Place:
    """The environment that is named or bound; else this machine, if it runs the project; else the only environment.

    past: what ran here and has ended counts as well, where there is no environment. Raises as `resolve`.
    """
    from alvps.local.here import here
    from alvps.project.environments import NoneMeant, bound, resolve

    if env_name is not None:
        return resolve(project, env_name)
    if (environment := bound(project, None)) is not None:
        return environment
    place = here(project)
    if place.is_running():
        return place
    try:
        return resolve(project, None)
    except NoneMeant as nothing:
        if past and place.log.exists():
            return place
        raise NoneMeant(
            nothing.message, hint=f"al start runs this project on this machine; {nothing.hint or ''}"
        ) from None


@contextmanager
def open_session(place: Place) -> Iterator[Session]:
    """Somebody to ask: the daemon here, or one on a host through the receiver."""
    from alvps.local.here import Here

    if isinstance(place, Here):
        from alvps.local.session import LocalSession

        yield LocalSession(place)
        return
    from alvps.cli import host

    with host.open_session(place) as session:
        yield session


def entries(place: Place, query: Query, *, on_lost: Callable[[str], None] = lambda _: None) -> Iterator[Entry]:
    """The log's entries."""
    from alvps.local.here import Here

    if isinstance(place, Here):
        from alvps.logs import file

        return file.stream(place.log, query, ended=lambda: not place.is_running())
    from alvps.cli.host import connect_to
    from alvps.logs import stream

    return stream(lambda: connect_to(place), query, on_lost=on_lost)


def control(session: Session, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One request to the daemon's control API; its JSON. Raises UsageError for what cannot be meant, or AlError."""
    status, answer = session.control(method, path, body)
    if status < 400:
        return answer
    message = (
        answer.get("error", f"the daemon answered {status}")
        if isinstance(answer, dict)
        else f"the daemon answered {status}"
    )
    hint = answer.get("hint") if isinstance(answer, dict) else None
    raise (UsageError if status in (400, 404, 413) else AlError)(message, hint=hint)
