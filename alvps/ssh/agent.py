"""The keys of a running ssh-agent, from the socket that the ssh configuration names (IdentityAgent)."""

from __future__ import annotations

import socket

from paramiko.agent import AgentKey, AgentSSH
from paramiko.ssh_exception import SSHException


class Agent(AgentSSH):
    """A connection to one agent. paramiko's own class only knows the variable SSH_AUTH_SOCK."""

    def __init__(self, path: str, *, timeout: float) -> None:
        """An agent that is not there or does not answer has no keys, as for OpenSSH. timeout: seconds per answer."""
        super().__init__()
        conn = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            conn.settimeout(timeout)
            conn.connect(path)
            self._connect(conn)  # type: ignore[attr-defined]  # not in the stubs
        except (OSError, SSHException):
            conn.close()
            self.close()

    def keys(self) -> tuple[AgentKey, ...]:
        return self.get_keys()

    def close(self) -> None:
        self._close()  # type: ignore[attr-defined]  # not in the stubs
