"""Stands in for the daemon and the launcher, so that the units are judged by themselves. Runs inside the VPS.

Says READY, feeds the watchdog unless the file `stuck` is in its state folder, answers every connection on the public
listener with its process id.
"""

import os
import pathlib
import select
import signal
import socket
import threading
import time

state = pathlib.Path(os.environ["STATE_DIRECTORY"])


def notify(text: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])


def feed() -> None:
    while not (state / "stuck").exists():
        notify("WATCHDOG=1")
        time.sleep(0.2)


told, tell = os.pipe()
signal.signal(signal.SIGTERM, lambda *_: os.write(tell, b"x"))
(state / "starts").open("a").write(f"{os.getpid()}\n")
time.sleep(float(os.environ.get("SLOW_START", "0")))
print("a plain line on standard output", flush=True)
threading.Thread(target=feed, daemon=True).start()
notify("READY=1")
if "LISTEN_FDS" in os.environ:
    names = os.environ["LISTEN_FDNAMES"].split(":")
    assert sorted(names) == ["dashboard", "public", "runs"]
    listener = socket.socket(fileno=3 + names.index("public"))
    # What was accepted is answered, whenever the signal comes; the rest stays in the queue.
    while told not in select.select([listener, told], [], [])[0]:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(f"{os.getpid()}\n".encode())
os.read(told, 1)
