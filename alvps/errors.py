"""One root class for everything `al` refuses or fails at.

An error knows what to tell the person who meets it (message), what to do next (hint), what the machine said
(detail: the last log lines, a traceback of the far side) and which exit code the command ends with. Rooms raise;
`alvps.cli` is the only place that prints one and exits. The codes are documented in docs/exit-codes.md.
"""

from __future__ import annotations

from dataclasses import dataclass


class AlError(Exception):
    """The root. Raised as it is for a failed operation that fits no narrower class."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail


class UsageError(AlError):
    """What was asked for cannot be meant: an unknown name, options that exclude each other."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One finding about a file that the user wrote."""

    where: str  # "agents/dev/agent-config.toml: schedule", "config.toml:12", "credentials/github_token"
    what: str  # what is wrong, and what is allowed instead
    suggestion: str | None = None  # the closest valid name

    def __str__(self) -> str:
        tail = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        return f"{self.where}: {self.what}{tail}"


class ProjectInvalid(AlError):
    """Everything that is wrong with a project or an environment file, found together."""

    exit_code = 2

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{count} in the project; nothing was contacted", detail="\n".join(map(str, problems)))
        self.problems = problems


class CredentialsMissing(AlError):
    """Credentials that the project declares and this machine does not have; all of them."""

    exit_code = 2


class HostUnreachable(AlError):
    """No working connection to the host; the message names the step that failed."""

    exit_code = 3


class HostKeyRefused(AlError):
    """The host, or a hop on the way, showed a key that is unknown or not the pinned one. Nothing was sent."""

    exit_code = 4


class PushFailed(AlError):
    """The push did not make the new release live; the message says which release serves now."""

    exit_code = 5


class HostBusy(AlError):
    """Another push or rollback holds the host's lock."""

    exit_code = 6
