"""A real sshd on 127.0.0.1 with its own keys, a real ssh-agent, and a proxy that does what networks do."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alvps.ssh import Target
from tests.support.ports import free_port

SSHD = Path("/usr/sbin/sshd")


def keygen(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["ssh-keygen", "-q", *map(str, arguments)], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return done.stdout


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "", *options: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    keygen("-t", kind, "-N", passphrase, "-C", path.name, "-f", path, *options)
    return path


class Sshd:
    """One sshd process. `log` grows with what it says; with log_level DEBUG2 that is every step (some of it
    goes to the commands' standard error as well)."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        host_keys: tuple[str, ...] = ("ed25519",),
        extra: str = "",
        log_level: str = "VERBOSE",
        path: str | None = None,
    ) -> None:
        if not SSHD.exists():
            raise RuntimeError(f"{SSHD} is missing: these tests need the Debian package openssh-server")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or free_port()
        self.host_keys = tuple(make_key(folder / f"host_{kind}", kind) for kind in host_keys)
        self.client_key = make_key(folder / "client")
        self.authorized_keys = folder / "authorized_keys"
        self.authorize(self.client_key)
        self.known_hosts = folder / "known_hosts"
        self.pin(*self.host_keys)
        self.known_anywhere = folder / "known_anywhere"  # the same pin for any name and port, for proxies
        self.known_anywhere.write_text(self.known_hosts.read_text().replace(f"[127.0.0.1]:{self.port}", "*"))
        # Only this file is read as ssh configuration, whatever the person running the tests has.
        self.ssh_config = folder / "ssh_config"
        self.ssh_config.write_text("")
        self._config = folder / "sshd_config"
        keys = "".join(f"HostKey {key}\n" for key in self.host_keys)
        self._config.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\n{keys}AuthorizedKeysFile {self.authorized_keys}\n"
            f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nLogLevel {log_level}\n"
            f"MaxStartups 100\nMaxSessions 50\nPrintMotd no\n"
            # A home without start-up files: what the login shell does there is the tester's own affair.
            f"SetEnv HOME={folder} PATH={path or os.environ['PATH']}\n{extra}"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.log: list[str] = []
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            [str(SSHD), "-D", "-e", "-f", str(self._config)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_for("Server listening")

    def authorize(self, *keys: Path) -> None:
        lines = [key.with_name(key.name + ".pub").read_text() for key in keys]
        self.authorized_keys.write_text("".join(lines))

    def pin(self, *keys: Path, name: str | None = None) -> None:
        name = name or f"[127.0.0.1]:{self.port}"
        lines = [f"{name} {key.with_name(key.name + '.pub').read_text()}" for key in keys]
        self.known_hosts.write_text("".join(lines))

    def target(self, host: str = "127.0.0.1", **changes: Any) -> Target:
        values: dict[str, Any] = {
            "user": getpass.getuser(),
            "port": self.port,
            "key_path": self.client_key,
            "known_hosts": self.known_hosts,
            "ssh_config": self.ssh_config,
        }
        return Target(host, **{**values, **changes})

    def wait_for(self, pattern: str, *, after: int = 0, timeout: float = 20.0) -> None:
        """Until the log has a line that matches, from line `after` on."""
        with self._news:
            found = self._news.wait_for(lambda: any(re.search(pattern, line) for line in self.log[after:]), timeout)
        assert found, f"sshd did not say {pattern!r}:\n" + "".join(self.log[-30:])

    def said(self, pattern: str, *, after: int = 0) -> bool:
        with self._news:
            return any(re.search(pattern, line) for line in self.log[after:])

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._reader.join(10)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self.log.append(line)
                self._news.notify_all()


class Proxy:
    """A TCP proxy to a port. It can cut connections after a number of bytes, or freeze: stay open and pass nothing."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.cut_after: Callable[[], int | None] = lambda: None  # bytes towards the client; asked per connection
        self.freeze_after: int | None = None  # bytes towards the client, over all connections
        self.connections = 0
        self.to_server = 0
        self._open: list[socket.socket] = []
        self._flowing = threading.Event()
        self._flowing.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def lead_to(self, port: int) -> None:
        """New connections go to another port from now on."""
        self._port = port

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        """End all connections, as a lost network or a crash of the far side does."""
        for sock in self._open:
            _shut(sock)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.thaw()
        self.cut()
        for sock in self._open:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self._port))
            except ConnectionRefusedError:  # which the client sees as its connection's end
                client.close()
                continue
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open += [client, server]
            for pair, budget, inward in (((client, server), None, True), ((server, client), self.cut_after(), False)):
                threading.Thread(
                    target=self._pump, args=(*pair, budget), kwargs={"inward": inward}, daemon=True
                ).start()

    def _pump(self, source: socket.socket, sink: socket.socket, budget: int | None, *, inward: bool) -> None:
        try:
            while data := source.recv(65536):
                self._flowing.wait()
                if inward:
                    self.to_server += len(data)
                elif self.freeze_after is not None:
                    data, rest = data[: self.freeze_after], data[self.freeze_after :]
                    self.freeze_after -= len(data)
                    sink.sendall(data)
                    if rest or not self.freeze_after:
                        self.freeze()
                    continue
                sink.sendall(data if budget is None else data[:budget])
                if budget is not None:
                    budget -= len(data)
                    if budget <= 0:
                        break
        except OSError:
            pass
        _shut(source)
        _shut(sink)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has ended already
        sock.shutdown(socket.SHUT_RDWR)


class Agent:
    """A real ssh-agent of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "agent.sock"
        self._process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(self.path)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()  # said once the socket listens

    def add(self, *keys: Path) -> None:
        for key in keys:
            subprocess.run(
                ["ssh-add", "-q", str(key)], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(self.path)},
                stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
