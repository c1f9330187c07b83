"""A port of this machine that leads to one of the host's, over a connection that is made anew when it is cut."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

from alvps.errors import AlError, HostUnreachable
from alvps.ssh.connection import Connection
from alvps.ssh.sending import Sending

if TYPE_CHECKING:
    import paramiko

Address = tuple[str, int]
Waiting = SimpleQueue[socket.socket]
DELAYS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds before each attempt to connect again; the last one repeats
GIVE_UP = 900.0  # seconds without a connection
_LOOK = 0.5  # seconds between two looks whether the connection is still there
_PART = 32768  # bytes


def listen(port: int) -> socket.socket:
    """A listener on this machine's loopback; 0: a port that is free. Raises AlError."""
    try:
        return socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as error:
        raise AlError(f"cannot listen on 127.0.0.1:{port}: {error.strerror}", hint="choose another --port") from error


def forward(
    connection: Connection,
    listener: socket.socket,
    address: Address,
    connect: Callable[[], Connection],
    *,
    on_lost: Callable[[str], None] = lambda _: None,
    on_back: Callable[[], None] = lambda: None,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Forward until interrupted: what comes to the listener goes to `address` as the host sees it.

    A cut connection is told to `on_lost` and made anew by `connect`, and what comes meanwhile waits. Raises
    HostUnreachable when there was none for 15 minutes, and what else `connect` raises.
    """
    waiting: Waiting = SimpleQueue()
    while True:
        with connection:
            reason = _serve(connection, listener, address, waiting)
        on_lost(reason)
        connection = _again(connect, sleep, now)
        on_back()


def _again(connect: Callable[[], Connection], sleep: Callable[[float], None], now: Callable[[], float]) -> Connection:
    lost, attempt = now(), 0
    while True:
        sleep(DELAYS[min(attempt, len(DELAYS) - 1)])
        attempt += 1
        try:
            return connect()
        except HostUnreachable:
            if now() - lost > GIVE_UP:
                raise


def _serve(connection: Connection, listener: socket.socket, address: Address, waiting: Waiting) -> str:
    """Take what comes until the connection ends; why it did. `waiting`: who came when it already had."""
    listener.settimeout(_LOOK)
    while (reason := connection.lost) is None:
        try:
            client = waiting.get_nowait() if not waiting.empty() else listener.accept()[0]
        except TimeoutError:
            continue
        client.settimeout(None)
        carry = threading.Thread(
            target=_carry, args=(client, connection, address, waiting), daemon=True, name="al-forward"
        )
        carry.start()
    return reason


def _carry(client: socket.socket, connection: Connection, address: Address, waiting: Waiting) -> None:
    try:
        channel = connection.dial(address)
    except HostUnreachable:
        waiting.put(client)
        return
    except AlError:
        client.close()  # nobody is there, and so it is here
        return
    with client:
        try:
            _exchange(client, channel)
        except (OSError, EOFError):
            return  # one of the two is gone
        finally:
            with suppress(OSError, EOFError):
                channel.al_sending.close()  # type: ignore[attr-defined]  # as above


def _exchange(client: socket.socket, channel: paramiko.Channel) -> None:
    """Carry both ways until the host has no more to say. Only this thread sends on the channel, and closes it."""
    sending: Sending = channel.al_sending  # type: ignore[attr-defined]  # Hop.dial sets it
    poll = select.poll()
    poll.register(client, select.POLLIN)
    poll.register(channel, select.POLLIN)
    while True:
        ready = {number for number, _ in poll.poll()}
        if channel.fileno() in ready:
            data = channel.recv(_PART)
            if not data:
                return
            client.sendall(data)
        if client.fileno() in ready:
            data = client.recv(_PART)
            with sending.turn():  # the host may close the channel meanwhile
                if data:
                    channel.sendall(data)
                else:
                    poll.unregister(client)
                    channel.shutdown_write()
