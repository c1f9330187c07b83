"""Where does everything live on the host, and which programs act there? Tests say otherwise in the opening frame."""

from __future__ import annotations

from typing import Any, NamedTuple


class Layout(NamedTuple):
    """Paths, accounts, programs and limits of one installation; the defaults are the real host's."""

    root: str = "/opt/action-llama"
    units: str = "/etc/systemd/system"
    bootstrap: str = "/etc/action-llama/bootstrap.json"
    credentials: str = "/var/lib/action-llama-launcher/credentials"
    credentials_owner: str = "action-llama-launcher"
    state: str = "/var/lib/action-llama"
    gateway_credentials: str = "/var/lib/action-llama-gateway/credentials"
    gateway_owner: str = "root"
    gateway_group: str = "action-llama"  # the account whose group may read them
    control: str = "/run/action-llama/control.sock"
    company_cas: str = "/usr/local/share/ca-certificates"
    system_cas: str = "/etc/ssl/certs/ca-certificates.crt"
    docker_data: str = "/var/lib/docker"
    systemctl: str = "systemctl"
    systemd_creds: str = "systemd-creds"
    systemd_run: str = "systemd-run"
    docker: str = "docker"
    journalctl: str = "journalctl"
    debootstrap: str = "debootstrap"
    apt_get: str = "apt-get"
    pip_arguments: tuple[str, ...] = ()  # tests: an index that needs no network
    verdict_seconds: float = 10.0  # from the switch until a release must be ready
    return_seconds: float = 8.0  # for the old release to be ready again
    silence_seconds: float = 30.0  # a laptop says something at least every 5 s; this long without is a cut
    lock_seconds: float = 20.0  # how long to wait for another push that is only tidying up
    reserve: int = 64 << 20  # bytes that must stay free on the disk
    keep: int = 5  # releases, beside the live one
    crash_at: str = ""  # tests: the step before which the receiver kills itself

    def at(self, *parts: str) -> str:
        """A path under the root."""
        return "/".join((self.root, *parts))


def from_message(message: dict[str, Any]) -> Layout:
    """The layout with a message's values over the defaults. Raises ValueError on a name or type that does not fit."""
    values: dict[str, Any] = {}
    for name, value in message.items():
        default = Layout._field_defaults.get(name)
        if default is None:
            raise ValueError(f"a layout has no {name!r}")
        fitting = value
        if isinstance(default, tuple):
            fitting = tuple(map(str, value))
        elif isinstance(default, float) and type(value) is int:
            fitting = float(value)
        if type(fitting) is not type(default):
            raise ValueError(f"a layout's {name!r} cannot be {value!r}")
        values[name] = fitting
    return Layout(**values)
