"""The power goes at any moment while a daemon takes webhooks and runs; the disks that this may leave are opened again.

Whatever the daemon said to anybody is in the file: each acknowledged delivery and run, each run before the launcher is
asked to start it, each end before it is told and before the container is removed. What it had not said yet may be there
or not, and is never there by half.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alvps.store import connect
from tests.support.daemon_rig import Running, behave, release, until
from tests.support.fake_launcher import FakeLauncher
from tests.support.faults import Figures, often
from tests.support.power import Disk, Event, Recorder, recording
from tests.support.webhooks import config, payload, port_of, running, secret_of, sender, signed, store_secret, trigger

SESSIONS = often(2, 12)
IMAGES = often(150, 1000)  # of each session
ITEMS = 400  # deliveries of a session
SENDERS = 6


@dataclass(frozen=True)
class Told:
    """Something that may be relied upon: kinds are delivery, run, ended, start, remove."""

    kind: str
    id: str
    value: Any = None


class Launcher(FakeLauncher):
    """Relies on what the daemon has it do."""

    def __init__(self, folder: Path, recorder: Recorder) -> None:
        super().__init__(folder)
        self.recorder = recorder

    def note(self, what: str, **fields: Any) -> None:
        super().note(what, **fields)
        if what in ("start", "remove"):
            self.recorder.told(Told(what, fields["run"], fields["attempt"]))


async def deliver(daemon: Running, recorder: Recorder, seed: int, count: int) -> None:
    """Deliveries one after the other; each acknowledgement is noted."""
    chance = random.Random(seed)
    async with sender(port_of(daemon)) as connection:
        for number in range(count):
            name = f"{seed}-{number}"
            text = chance.randbytes(chance.randrange(4000)).hex()
            body = json.dumps(payload("github", text=text)).encode()
            reply = await connection.send("github", body, signed("github", body, delivery=name))
            assert reply.status == 200, reply
            assert reply.body["matched"] == 1
            recorder.told(Told("delivery", name, zlib.crc32(body)))


async def ask_for_runs(daemon: Running, recorder: Recorder, enough: asyncio.Event) -> None:
    """Runs by hand, one after the other, each waited for."""
    while not enough.is_set():
        run = await daemon.start("hand")
        recorder.told(Told("run", run))
        ended = await daemon.end_of(run)
        recorder.told(Told("ended", run, (ended["state"], ended["exit_code"])))


async def session(host: Path, seed: int) -> list[Event]:
    """A daemon at work for a while; everything that it wrote and said."""
    release(host, 1, {"dev": trigger("github"), "ops": trigger("github", actions=["closed"]), "hand": "manual = true"},
            config("github", more="workQueueSize = 100000\nscale = 6\n"))  # fmt: skip
    store_secret(host, "github", secret_of("github"))
    behave(host, _all={"seconds": 0.01}, hand={"seconds": 0.01, "exit": 7})
    with recording() as recorder:
        async with Launcher(host, recorder), running(host) as daemon:
            enough = asyncio.Event()
            hand = asyncio.create_task(ask_for_runs(daemon, recorder, enough))
            parts = (deliver(daemon, recorder, seed * 100 + n, ITEMS // SENDERS) for n in range(SENDERS))
            await asyncio.gather(*parts)
            await until(lambda: daemon.told.messages, "the daemon's word")
            enough.set()
            await hand
    return recorder.events


def images(events: list[Event], chance: random.Random, count: int, folder: Path) -> Iterable[tuple[list[Told], Path]]:
    """Cuts at random moments: what had been told by then, and the database that is left."""
    moments = Counter(chance.randrange(len(events)) for _ in range(count))
    disk, told = Disk(), list[Told]()
    for number, event in enumerate(events):
        disk.happens(event)
        if event.what == "told":
            told.append(event.data)
        for _ in range(moments[number]):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                disk.cut(chance, Path(place))
                if told or (Path(place) / "state.db").exists():
                    yield told, Path(place) / "state.db"


def check(told: Iterable[Told], connection: sqlite3.Connection) -> None:
    """All that was told is so."""
    runs = {row["run"]: row for row in connection.execute("SELECT * FROM runs")}
    stored = {
        row["delivery_id"]: row
        for row in connection.execute("SELECT * FROM deliveries LEFT JOIN delivery_bodies USING (delivery)")
    }
    agents = connection.execute("SELECT * FROM delivery_agents").fetchall()
    for item in told:
        if item.kind == "delivery":
            assert zlib.crc32(zlib.decompress(stored[item.id]["body"])) == item.value, f"{item.id} is torn"
            continue
        row = runs[item.id]
        if item.kind == "ended":
            assert (row["state"], row["exit_code"]) == item.value, dict(row)
        elif item.kind == "start":
            assert row["state"] != "queued", "its container was started, and it would be started again"
            assert row["attempt"] >= item.value
        elif item.kind == "remove":
            assert row["finished"] is not None, "its container is gone, and its end is not known"
    # Nothing by half, told or not.
    found = Counter(row["delivery"] for row in agents)
    for row in stored.values():
        assert row["body"] is not None
        assert zlib.decompress(row["body"])
        assert found[row["delivery"]] == row["matched"] + row["skipped"] == 2
    assert found.keys() == {row["delivery"] for row in stored.values()}
    work = {row["run"] for row in agents if row["run"]}
    assert work == {run for run, row in runs.items() if row["trigger"] == "webhook"}
    bodies = connection.execute("SELECT count(*) FROM delivery_bodies").fetchone()[0]
    assert bodies == len(stored)


def test_what_was_said_survives_a_power_cut(tmp_path: Path, figures: Figures) -> None:
    memory = Path("/dev/shm")
    folder = memory if memory.is_dir() else tmp_path
    counts: Counter[str] = Counter()
    for number in range(SESSIONS):
        host = tmp_path / str(number)
        host.mkdir()
        events = asyncio.run(session(host, number))
        counts["syncs"] += sum(event.what == "sync" for event in events)
        counts["writes"] += sum(event.what == "write" for event in events)
        counts["told"] += sum(event.what == "told" for event in events)
        for told, database in images(events, random.Random(number), IMAGES, folder):
            connection = connect.open_writer(database)
            try:
                check(told, connection)
            finally:
                connection.close()
            counts["images"] += 1
            counts["checked"] += len(told)
    figures(
        f"{counts['images']:,} power cuts among {counts['writes']:,} writes and {counts['syncs']:,} syncs;"
        f" {counts['checked']:,} things that had been said were looked up: all there, none by half"
    )
