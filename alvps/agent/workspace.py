"""What does the command find? Credential files, the signal folder, and its environment."""

# ruff: noqa: PTH101, PTH103 - pathlib is not imported here, for start-up time
from __future__ import annotations

import os

from alvps.agent.inbox import Inbox
from alvps.agent.places import Places

# git asks the helper at the moment of use; the token stays in the environment and gets into no file and no argv.
_GIT_HELPER = '!f() { test "$1" = get && printf "username=x-access-token\\npassword=%s\\n" "$GITHUB_TOKEN"; }; f'


def prepare(inbox: Inbox, places: Places) -> None:
    """Write the credential files (0400 in 0500 folders) and make the signal folder. Raises OSError."""
    os.makedirs(places.signals, mode=0o700, exist_ok=True)
    for type_, instance, fields in inbox.credentials:
        folder = f"{places.credentials}/{type_}/{instance}"
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for name, value in fields.items():
            _write(f"{folder}/{name}", file_form(value), 0o400)
        os.chmod(folder, 0o500)
    for type_ in {type_ for type_, _, _ in inbox.credentials}:
        os.chmod(f"{places.credentials}/{type_}", 0o500)
    os.chmod(places.credentials, 0o500)
    key = _git_ssh(inbox).get("id_rsa")
    if key:
        os.makedirs(places.ssh, mode=0o700, exist_ok=True)
        _write(places.ssh + "/id_rsa", file_form(key), 0o600)


def file_form(value: str) -> str:
    """How a value stands in its file: as it is, but text of several lines (a key) ends with a newline.

    OpenSSH refuses a key without its last newline; an HTTP client refuses a token with one.
    """
    return value + "\n" if "\n" in value and not value.endswith("\n") else value


def environment(inbox: Inbox, places: Places, inherited: dict[str, str]) -> dict[str, str]:
    """The command's environment: the image's, the order's (credentials), then what the entry itself promises."""
    env = {**inherited, **inbox.env}
    path = inherited.get("PATH") or "/usr/local/bin:/usr/bin:/bin"
    env |= {
        "HOME": places.home,
        "PATH": path if places.programs in path.split(":") else f"{places.programs}:{path}",
        "PWD": places.app,
        "AL_AGENT": inbox.agent,
        "AL_RUN": inbox.run,
        "AL_ATTEMPT": str(inbox.attempt),
        "AL_TRIGGER": inbox.trigger,
        "AL_SIGNAL_DIR": places.signals,
        "AL_CREDENTIALS_PATH": places.credentials,
        "GIT_TERMINAL_PROMPT": "0",
    }
    if inbox.gateway:
        env |= {
            "AL_GATEWAY_SOCKET": places.gateway,
            "GATEWAY_URL": "http://gateway",
            "SHUTDOWN_SECRET": inbox.gateway,
        }
    env |= _git_identity(_git_ssh(inbox), places)
    if env.get("GITHUB_TOKEN"):
        env |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "credential.https://github.com.helper",
            "GIT_CONFIG_VALUE_0": _GIT_HELPER,
        }
    return env


def _git_ssh(inbox: Inbox) -> dict[str, str]:
    """The fields of the git_ssh credential to use: the default instance, else the first one that is declared."""
    found = [(instance, fields) for type_, instance, fields in inbox.credentials if type_ == "git_ssh"]
    found.sort(key=lambda pair: pair[0] != "default")  # stable: the rest stay in declared order
    return found[0][1] if found else {}


def _git_identity(fields: dict[str, str], places: Places) -> dict[str, str]:
    env: dict[str, str] = {}
    if fields.get("id_rsa"):
        # IdentitiesOnly: no other key is offered. accept-new: hosts unknown to the image are pinned for the run.
        env["GIT_SSH_COMMAND"] = (
            f"ssh -i {places.ssh}/id_rsa -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=15"
            f" -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={places.ssh}/known_hosts"
        )
    for field, variable in (("username", "NAME"), ("email", "EMAIL")):
        if fields.get(field):
            env[f"GIT_AUTHOR_{variable}"] = env[f"GIT_COMMITTER_{variable}"] = fields[field]
    return env


def _write(path: str, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        left = memoryview(text.encode())
        while left:
            left = left[os.write(descriptor, left) :]
        os.fchmod(descriptor, mode)  # whatever the umask is
    finally:
        os.close(descriptor)
