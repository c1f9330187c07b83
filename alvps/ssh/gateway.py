"""Hops through other hops: fabric's gateways, with al's own client at both ends.

Only ways with a ProxyJump load fabric. On its own, fabric would accept every host key here (its client's policy is
AutoAdd) and read configuration files of its own; the client and the empty Config leave it neither.
"""

from __future__ import annotations

from typing import Any

import paramiko
from fabric import Config, Connection
from paramiko.config import SSHConfig

from alvps.ssh.settings import Settings


def open_through(gateway: Any, settings: Settings, client: paramiko.SSHClient, options: dict[str, Any]) -> Any:
    """Connect `client` to a host through an open fabric Connection; `options` are those of SSHClient.connect.

    Returns the fabric Connection. Raises what paramiko raises.
    """
    connection = _connection(settings, client, gateway=gateway, connect_kwargs=options)
    connection.open()
    return connection


def wrap(settings: Settings, client: paramiko.SSHClient) -> Any:
    """A fabric Connection around a client that is connected already."""
    connection = _connection(settings, client, gateway=False, connect_kwargs={})
    connection.transport = client.get_transport()
    return connection


def _connection(settings: Settings, client: paramiko.SSHClient, **options: Any) -> Any:
    connection = Connection(
        host=settings.hostname,
        user=settings.user,
        port=settings.port,
        config=Config(ssh_config=SSHConfig(), lazy=True),
        **options,
    )
    connection.client = client
    return connection
