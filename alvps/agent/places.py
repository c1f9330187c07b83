"""Where things are in a container. `prefix` is empty there; tests put a temporary folder before everything."""

from __future__ import annotations


class Places:
    """The folders and files that the entry touches."""

    __slots__ = ("app", "credentials", "gateway", "home", "llm", "programs", "signals", "ssh")

    def __init__(self, prefix: str = "") -> None:
        self.credentials = prefix + "/credentials"
        self.home = prefix + "/tmp"  # noqa: S108 - the run's own tmpfs, the only place it may write
        self.signals = self.home + "/signals"
        self.ssh = self.home + "/.ssh"
        self.app = prefix + "/app/static"
        self.programs = prefix + "/app/bin"
        self.llm = prefix + "/app/llm/bin/python"  # the Python of the LLM harness, with its libraries
        self.gateway = prefix + "/run/al/gateway.sock"
