"""paramiko's Transport with what al needs besides: the user's algorithms, signs of life, and exit signals."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import paramiko
from paramiko.common import MSG_CHANNEL_CLOSE, MSG_CHANNEL_REQUEST, cMSG_GLOBAL_REQUEST
from paramiko.message import Message

from alvps.ssh.sending import Sending
from alvps.ssh.settings import Settings
from alvps.ssh.target import Timeouts

# paramiko logs connection errors with tracebacks, and Python prints what no handler takes. al raises them instead.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

WINDOW = 8 << 20  # bytes the host may send ahead: 80 MB/s at 100 ms
# paramiko computes a MAC in Python for every packet of the CTR ciphers; GCM needs none and is several times as fast.
_CIPHER_ORDER = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_KEX_NAMES = {"curve25519-sha256": "curve25519-sha256@libssh.org"}  # RFC 8731's name and the older one of the same


def choose(offered: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    """The user's algorithms that paramiko knows, in the user's order; all of paramiko's when none is left or named."""
    chosen = tuple(dict.fromkeys(name for name in offered if name in known))
    return chosen or tuple(known)


class WatchedSocket:
    """A socket, or a channel that serves as one, that remembers when something last came in."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._gone = False
        self.last_received = time.monotonic()
        self.settimeout = sock.settimeout
        self.send = sock.send

    def recv(self, size: int) -> bytes:
        data: bytes = self._sock.recv(size)
        self.last_received = time.monotonic()
        return data

    def hang_up(self) -> None:
        """End it for readers and writers in other threads as well, which closing a socket's number does not."""
        if self._gone:
            return
        self._gone = True
        if isinstance(self._sock, socket.socket):
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return
        else:
            self._sock.close()

    def close(self) -> None:
        self._sock.close()

    @property
    def _closed(self) -> bool:  # read by paramiko
        return bool(self._sock._closed)  # noqa: SLF001  # the same attribute, passed on

    def getpeername(self) -> Any:
        return self._sock.getpeername()


class WatchedTransport(paramiko.Transport):
    """One SSH connection. `died_of` says why it ended when it was given up for dead."""

    _channel_handler_table: ClassVar[dict[int, Any]]

    def __init__(
        self, sock: Any, *, settings: Settings, timeouts: Timeouts, host_key_types: Sequence[str], only: bool = False
    ) -> None:
        self.watched = WatchedSocket(sock)
        super().__init__(self.watched, default_window_size=WINDOW)  # type: ignore[arg-type]  # looks like a socket
        self._limits = timeouts
        self.died_of: str | None = None
        self._watcher: threading.Thread | None = None
        self._ended = threading.Event()
        self.banner_timeout = timeouts.banner
        self.handshake_timeout = timeouts.key_exchange
        self.auth_timeout = timeouts.auth
        self.channel_timeout = timeouts.channel
        self._prefer(settings, host_key_types, only=only)

    def watch(self) -> None:
        """Start to look for signs of life."""
        self._watcher = threading.Thread(target=self._watch, daemon=True, name="al-ssh-watch")
        self._watcher.start()

    def hang_up(self) -> None:
        """End the connection and wait until paramiko's thread has ended. May be called at any stage, more than once."""
        self._ended.set()
        self.watched.hang_up()
        self.packetizer.complete_handshake()  # stops a timer that would hold up the end of the process
        if self.is_alive() and self is not threading.current_thread():
            self.join(2.0)
        self.close()
        self.watched.close()
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join(2.0)

    def _prefer(self, settings: Settings, host_key_types: Sequence[str], *, only: bool) -> None:
        options = self.get_security_options()
        options.kex = choose((_KEX_NAMES.get(name, name) for name in settings.kex), options.kex)
        ciphers = choose(settings.ciphers, options.ciphers)
        options.ciphers = tuple(sorted(ciphers, key=lambda name: name not in _CIPHER_ORDER))
        options.digests = choose(settings.macs, options.digests)
        algorithms = choose(settings.host_key_algorithms, options.key_types)
        wanted = [name for kind in host_key_types for name in _signatures(kind)]
        known = [name for name in wanted if name in algorithms]
        options.key_types = tuple(wanted) if only else tuple(dict.fromkeys((*known, *algorithms)))
        if settings.compression:
            self.use_compression()

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._ended.wait(self._limits.keepalive / 2):
            if not self.is_active():
                return
            now = time.monotonic()
            if now - looked > self._limits.keepalive:  # this process was stopped (Ctrl-Z): nobody could hear the host
                self.watched.last_received = now
            looked = now
            silence = now - self.watched.last_received
            if silence >= self._limits.dead:
                self.died_of = f"no sign of life for {silence:.0f} s"
                self.watched.hang_up()
                return
            if silence >= self._limits.keepalive:
                # In a thread of its own: it waits for the lock that a blocked writer holds.
                threading.Thread(target=self._ask_for_life, daemon=True, name="al-ssh-alive").start()

    def _ask_for_life(self) -> None:
        """A request that nobody knows must be answered with a refusal (RFC 4254 4): what OpenSSH's keepalive does."""
        message = Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        try:
            self._send_user_message(message)  # type: ignore[attr-defined]  # not in the stubs
        except (OSError, EOFError, paramiko.SSHException):
            return  # it has ended meanwhile


def _signatures(key_type: str) -> tuple[str, ...]:
    return ("rsa-sha2-512", "rsa-sha2-256") if key_type == "ssh-rsa" else (key_type,)


def _handle_request(channel: Any, message: Message) -> None:
    """Note an exit signal; everything else is paramiko's."""
    ahead = Message(message.get_remainder())
    if ahead.get_text() == "exit-signal":
        ahead.get_boolean()
        channel.al_exit_signal = ahead.get_text()
        channel.status_event.set()
        return
    channel._handle_request(message)  # noqa: SLF001  # the entry of paramiko's table that this one stands for


def _handle_close(channel: Any, message: Message) -> None:
    """The host's CLOSE, after what is being sent on the channel. Only one that runs a command sends anything."""
    sending: Sending | None = getattr(channel, "al_sending", None)
    if sending is None:
        channel._handle_close(message)  # noqa: SLF001  # the entry of paramiko's table that this one stands for
    else:
        sending.close(by_host=True)


# A command that a signal ended has no exit status (RFC 4254 6.10); paramiko drops the message that says so.
WatchedTransport._channel_handler_table = {  # noqa: SLF001  # of this file's own class
    **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]  # noqa: SLF001  # paramiko's only hook
    MSG_CHANNEL_REQUEST: _handle_request,
    MSG_CHANNEL_CLOSE: _handle_close,
}
