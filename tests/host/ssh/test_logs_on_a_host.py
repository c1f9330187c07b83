"""Logs from a real journal, over a real connection: what the fake journal of the unit tests only claims."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import tomli

from alvps.logs import Entry, Query, stream
from alvps.ssh import Connection, Target, connect
from tests.support.sshd import Proxy
from tests.support.vps import Vps


@pytest.fixture
def line_to(vps: Vps) -> Iterator[Proxy]:
    """A proxy in front of the VPS's sshd, so that the connection can be cut."""
    made = Proxy(server_of(vps)["port"])
    yield made
    made.close()


@pytest.fixture
def to_host(vps: Vps, line_to: Proxy, tmp_path: Path) -> Callable[[], Connection]:
    server = server_of(vps)
    pin = tmp_path / "known_hosts"
    pin.write_text(f"[127.0.0.1]:{line_to.port} {Path(server['knownHosts']).read_text().split(None, 1)[1]}")
    target = Target("127.0.0.1", user="root", port=line_to.port, key_path=Path(server["keyPath"]), known_hosts=pin)
    return lambda: connect(target)


def server_of(vps: Vps) -> dict[str, Any]:
    file = vps.product.home / ".action-llama" / "environments" / f"{vps.name}.toml"
    server: dict[str, Any] = tomli.loads(file.read_text())["server"]
    return server


@pytest.fixture
def name() -> str:
    """An agent's name that no other test has used on the host."""
    return f"logs-{uuid.uuid4().hex[:8]}"


def write(vps: Vps, agent: str, texts: list[str], pause: float = 0.0) -> None:
    """Lines of an agent, straight into the journal."""
    words = " ".join(texts)
    vps.sh(
        f"for word in {words}; do printf 'MESSAGE=%s\\nAL_COMPONENT=agent\\nAL_AGENT={agent}\\n' $word"
        f" | logger --journald; sleep {pause}; done; journalctl --sync"
    )


def take(entries: Iterator[Entry], count: int) -> list[str]:
    return [entry.text for entry in islice(entries, count)]


def close(entries: Iterator[Entry]) -> None:
    entries.close()  # type: ignore[attr-defined]  # a generator


def test_history_and_following(vps: Vps, to_host: Callable[[], Connection], name: str) -> None:
    write(vps, name, ["one", "two", "three"])
    write(vps, "logs-other", ["other"])
    assert take(stream(to_host, Query(agent=name)), 9) == ["one", "two", "three"]
    entries = stream(to_host, Query(agent=name, lines=1, follow=True))
    assert take(entries, 1) == ["three"]
    write(vps, "logs-other", ["other"])
    write(vps, name, ["four"])
    assert take(entries, 1) == ["four"]
    close(entries)


@pytest.mark.parametrize("lines", [0, 10])
def test_following_before_anything_is_there(vps: Vps, to_host: Callable[[], Connection], name: str, lines: int) -> None:
    found: list[str] = []
    entries = stream(to_host, Query(agent=name, lines=lines, follow=True))
    reader = threading.Thread(target=lambda: found.extend(take(entries, 2)))
    reader.start()
    time.sleep(2)
    write(vps, name, ["one", "two"])
    reader.join(20)
    assert found == ["one", "two"]
    close(entries)


def test_a_rotated_journal_is_followed_on(vps: Vps, to_host: Callable[[], Connection], name: str) -> None:
    write(vps, name, ["one"])
    entries = stream(to_host, Query(agent=name, follow=True))
    assert take(entries, 1) == ["one"]
    vps.sh("journalctl --rotate")
    write(vps, name, ["two"])
    assert take(entries, 1) == ["two"]
    vps.sh("journalctl --rotate")
    write(vps, name, ["three", "four"])
    assert take(entries, 2) == ["three", "four"]
    close(entries)


def test_cuts_lose_nothing_and_repeat_nothing(
    vps: Vps, line_to: Proxy, to_host: Callable[[], Connection], name: str
) -> None:
    expected = [f"line{number:03d}" for number in range(150)]
    write(vps, name, expected[:50])
    budgets: list[int | None] = [9_000, 12_000, 7_000, 10_000, 8_000, None]
    line_to.cut_after = lambda: budgets.pop(0) if len(budgets) > 1 else budgets[0]
    lost: list[str] = []
    entries = stream(to_host, Query(agent=name, follow=True), on_lost=lost.append)
    found = take(entries, 20)
    writer = threading.Thread(target=write, args=(vps, name, expected[50:], 0.01))
    writer.start()
    found += take(entries, 40)
    line_to.cut()
    found += take(entries, len(expected) - 60)
    writer.join(30)
    close(entries)
    assert found == expected
    assert len(lost) >= 2


def test_a_long_line_and_bytes_that_are_no_text(installed: Vps, to_host: Callable[[], Connection], name: str) -> None:
    """Cut to pieces by the real Docker. The last line has no newline, so its end never comes."""
    image = installed.sh("docker images -q al-agent | head -1")
    program = (
        "import os; os.write(1, b'x' * 40000 + b'\\n'); os.write(1, b'a \\xff b\\n');"
        " os.write(1, 'é'.encode() * 20000 + b'\\n'); os.write(1, b'no newline')"
    )
    labels = f"--label al.component=agent --label al.agent={name} --log-opt labels=al.component,al.agent"
    installed.sh(
        f'docker run --rm --log-driver journald {labels} --entrypoint python3 {image} -c "{program}" >/dev/null;'
        " journalctl --sync"
    )
    expected = ["x" * 40000, "a \ufffd b", "é" * 20000, "no newline"]
    assert take(stream(to_host, Query(agent=name)), 9) == expected
    entries = stream(to_host, Query(agent=name, follow=True))
    assert take(entries, 4) == expected
    close(entries)


def test_lines_come_at_once(vps: Vps, to_host: Callable[[], Connection], name: str) -> None:
    """journald tells its readers 250 ms late; al does not wait for that."""
    entries = stream(to_host, Query(agent=name, lines=0, follow=True))
    delays: list[float] = []

    def read() -> None:
        delays.extend(time.time() - float(entry.text) for entry in islice(entries, 20))

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(2)
    vps.sh(
        f"for n in $(seq 20); do printf 'MESSAGE=%s\\nAL_AGENT={name}\\n' $(date +%s.%N) | logger --journald;"
        " sleep 0.3; done"
    )
    reader.join(30)
    close(entries)
    assert sorted(delays)[len(delays) // 2] < 0.1


def test_the_daemon_gives_the_log_in_pages_and_may_not_read_the_journal(installed: Vps, name: str) -> None:
    write(installed, name, [f"line{number:03d}" for number in range(30)])
    write(installed, "logs-other", ["other"])
    page = installed.control(f"/logs?agent={name}&limit=10")
    assert [line["text"] for line in page["lines"]] == [f"line{number:03d}" for number in range(20, 30)]
    write(installed, name, [f"line{number:03d}" for number in range(30, 47)])
    found: list[str] = []
    while True:
        page = installed.control(f"/logs?agent={name}&limit=5&cursor={page['cursor']}")
        if not page["lines"]:
            break
        found += [line["text"] for line in page["lines"]]
    assert found == [f"line{number:03d}" for number in range(30, 47)]
    assert page["more"] is False
    everything = installed.control("/logs?limit=1000")["lines"]
    assert {"daemon", "launcher"} <= {line["component"] for line in everything} <= {"agent", "daemon", "launcher"}
    assert "limit" in installed.control("/logs?limit=no")["error"]
    groups = {
        account: installed.sh(f"id -nG {account}").split() for account in ("action-llama", "action-llama-launcher")
    }
    assert not {"systemd-journal", "adm"} & set(groups["action-llama"])
    pid = installed.sh("systemctl show -P MainPID action-llama")
    gids = installed.sh(f"sed -n 's/^Groups://p' /proc/{pid}/status").split()
    assert installed.sh("getent group systemd-journal | cut -d: -f3") not in gids
