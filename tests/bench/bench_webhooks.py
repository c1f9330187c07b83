"""Signed webhooks against a daemon in its own process: requests a second, latencies, and whether each one is stored.

    script/bench webhooks [--seconds N] [--connections 16 64]

wrk sends deliveries of 7.5 KB, no two alike in id or body, each with its own signature, all made before the clock
starts. Every 200 names its delivery in a header; afterwards each of those is looked up in the database, with its run.
`GET /health` of the same daemon in the same run says what the HTTP server by itself costs on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import tempfile
from pathlib import Path

from tests.bench.measure import machine
from tests.support.daemon_rig import Process, behave, release, rows
from tests.support.fake_launcher import FakeLauncher
from tests.support.webhooks import config, process, secret_of, signed, store_secret, trigger

SIZE = 7500  # bytes of a body, as of a middling GitHub event
AGENTS = 8  # each has its own repository, and so an eighth of the deliveries
LINKS = "archive assignees blobs branches collaborators comments commits compare contents contributors deployments"
LINKS += " downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels"
LINKS += " languages merges milestones notifications pulls releases stargazers statuses subscribers subscription tags"
FLAGS = "private fork has_issues has_projects has_downloads has_wiki has_pages archived disabled is_template"

MOST = 5000  # deliveries a second that are made beforehand; a machine that takes more needs a larger number here

SCRIPT = r"""
function init() records = io.open("{records}", "rb"); answers = io.open("{answers}", "w") end
function request() return records:read({length}) or os.exit(9) end
function response(status, headers) answers:write(status, " ", headers["al-delivery"] or "-", "\n"); answers:flush() end
"""


def body(number: int, chance: random.Random) -> bytes:
    """An issue as GitHub sends it: mostly addresses, much of it the same in every delivery, and somebody's text."""
    api = f"https://api.github.com/repos/octo-org/repo-{number % AGENTS}"
    repository = {"id": 1296269, "full_name": f"octo-org/repo-{number % AGENTS}"}
    repository |= {name: chance.random() < 0.5 for name in FLAGS.split()}
    repository |= {f"{name}_url": f"{api}/{name}{{/number}}" for name in LINKS.split()}
    user = {"login": f"mona{number % 97}", "id": chance.randrange(10**8), "type": "User", "site_admin": False}
    user |= {f"{name}_url": f"https://api.github.com/users/mona/{name}" for name in LINKS.split()[:10]}
    text = " ".join(chance.choices(WORDS, k=200))
    issue = {"url": f"{api}/issues/{number}", "id": number, "number": number, "title": f"Broken {number}"}
    issue |= {"user": user, "labels": [{"id": 208045946, "name": "bug", "color": "f29513"}], "body": text}
    payload = {"action": "opened", "issue": issue, "repository": repository, "sender": user}
    raw = json.dumps(payload, separators=(",", ":")).encode()
    missing = SIZE - len(raw) - len(b',"node_id":""')
    assert missing >= 0, len(raw)
    return raw[:-1] + b',"node_id":"' + chance.randbytes(missing).hex()[:missing].encode() + b'"}'


WORDS = [
    f"{a}{b}" for a in ("fin", "mar", "sol", "ter", "ven", "lum") for b in ("", "ished", "ket", "id", "ace", "able")
]


def write_records(path: Path, first: int, count: int) -> int:
    """That many whole requests, one behind the other; gives the length, which all have."""
    chance = random.Random(first)
    lengths = set()
    with path.open("wb") as file:
        for number in range(first, first + count):
            data = body(number, chance)
            headers = signed("github", data, secret_of("github"), delivery=f"{number:08d}-cc78-11e3-81ab-4c9367dc0958")
            lines = ["POST /webhooks/github HTTP/1.1", "Host: al", "User-Agent: GitHub-Hookshot/044aadd"]
            lines += [f"{name}: {value}" for name, value in headers]
            lines += [f"Content-Length: {len(data)}", "", ""]
            record = "\r\n".join(lines).encode() + data
            lengths.add(len(record))
            file.write(record)
    (length,) = lengths
    return length


async def wrk(*arguments: str) -> str:
    child = await asyncio.create_subprocess_exec(
        "wrk", "-t1", "--latency", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await child.communicate()
    assert child.returncode == 0, output
    return output.decode()


def figures(output: str) -> tuple[float, str, str]:
    """Requests a second, p50, p99."""
    found = re.findall(r"^ +(50|99)% +(\S+)$", output, re.MULTILINE)
    rate = re.search(r"Requests/sec: +(\S+)", output)
    assert rate, output
    return float(rate.group(1)), *(value for _, value in found[:2])


def cpu(process: Process) -> float:
    """Seconds of processor time that it has used: unlike a rate, they do not depend on what else the machine does."""
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(host: Path, daemon: Process, connections: int, first: int, seconds: int) -> None:
    records, answers, script = (host / f"{name}-{connections}" for name in ("records", "answers", "script.lua"))
    length = write_records(records, first, seconds * MOST)
    script.write_text(SCRIPT.format(records=records, answers=answers, length=length))
    await asyncio.sleep(1)
    address = f"http://127.0.0.1:{daemon.port}/"
    health = figures(await wrk("-c", str(connections), "-d", "3s", f"{address}health"))
    before = cpu(daemon)
    output = await wrk("-c", str(connections), "-d", f"{seconds}s", "-s", str(script), address)
    used = cpu(daemon) - before
    rate, p50, p99 = figures(output)
    lines = [line.split() for line in answers.read_text().splitlines()]
    acknowledged = [delivery for status, delivery in lines if status == "200"]
    stored = {row["delivery"] for row in rows(host, "SELECT delivery FROM runs WHERE trigger = 'webhook'")}
    kept = {
        row["delivery"] for row in rows(host, "SELECT delivery FROM deliveries JOIN delivery_bodies USING (delivery)")
    }
    lost = [delivery for delivery in acknowledged if delivery not in stored or delivery not in kept]
    print(
        f"{connections} connections: {rate:.0f} requests/s, p50 {p50}, p99 {p99};"
        f" /health alone {health[0]:.0f}/s, so {rate / health[0]:.2f} of it\n"
        f"  {len(acknowledged)} of {len(lines)} acknowledged, {len(lost)} of them not in the database;"
        f" {used / len(lines) * 1000:.2f} ms of the daemon's processor time each",
        flush=True,
    )
    assert not lost
    assert len(set(acknowledged)) == len(acknowledged)
    records.unlink()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--profile", type=Path, help="where cProfile's figures of the daemon's loop go; slows it down")
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="al-bench-") as folder:
        host = Path(folder)
        agents = {f"a{n}": trigger("github", events=["issues"], repos=[f"octo-org/repo-{n}"]) for n in range(AGENTS)}
        release(host, 1, agents, config("github", more="workQueueSize = 1000000\nscale = 1\n"))
        store_secret(host, "github", secret_of("github"))
        behave(host, _all={"seconds": 3600})
        environ = {"AL_TEST_PROFILE": str(chosen.profile)} if chosen.profile else {}
        async with FakeLauncher(host):
            daemon = process(host, **environ)
            try:
                await daemon.up()
                first = 0
                for connections in chosen.connections:
                    await measure(host, daemon, connections, first, chosen.seconds)
                    first += chosen.seconds * MOST
            finally:
                daemon.terminate()


if __name__ == "__main__":
    asyncio.run(main())
