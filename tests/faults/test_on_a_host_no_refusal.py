"""Signed webhooks at a steady rate while pushes and restarts go on: none is refused, each is answered with 200."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.faults import Figures, often
from tests.support.host_webhooks import steady
from tests.support.product import Product
from tests.support.projects import write_agent, write_project
from tests.support.vps import Vps

ROUNDS = often(4, 100)  # each with a push and a restart
NOT_LIVE = 5  # the exit code of a push whose release did not come up
RATE = 200  # a second
SECRET = "canary-steady-secret"
STORED = """import json, sqlite3
database = sqlite3.connect("file:/var/lib/action-llama/state.db?mode=ro", uri=True)
queued = "SELECT delivery_id FROM runs JOIN deliveries USING (delivery) WHERE runs.agent = 'waiter'"
queries = ("SELECT delivery_id FROM deliveries JOIN delivery_bodies USING (delivery)", queued)
print(json.dumps([[row[0] for row in database.execute(query)] for query in queries]))
"""


def test_no_webhook_is_refused_by_pushes_and_restarts(
    product: Product, vps: Vps, project_folder: Path, figures: Figures
) -> None:
    source = {"demo": {"type": "generic", "header": "x-signature-256"}}
    waiter: dict[str, object] = {"webhooks": [{"source": "demo", "actions": ["wanted"]}]}
    write_project(project_folder, {"waiter": waiter, "other": {}}, webhooks=source, workQueueSize=1_000_000)
    product.ok("creds", "add", "generic_webhook_secret", stdin=json.dumps({"secret": SECRET}))
    product.ok("push", "-E", vps.name, cwd=project_folder)
    product.ok("pause", "waiter", "-E", vps.name)
    found: dict[str, Any] = {}
    ends: Counter[int] = Counter()
    with steady(vps, found, rate=RATE, secret=SECRET):
        for number in range(ROUNDS):
            write_agent(project_folder, "other", script=f"echo {number}")
            pushed = product.run("push", "-E", vps.name, cwd=project_folder)
            # On a machine that is too busy a release may not come up in time and be rolled back: that is a push, too.
            assert pushed.code in (0, NOT_LIVE), str(pushed)
            ends[pushed.code] += 1
            vps.sh("systemctl restart action-llama.service", timeout=120)
    product.ok("push", "-E", vps.name, cwd=project_folder)
    stored, queued = json.loads(vps.inside("python3", "-c", STORED, timeout=300).stdout)
    acknowledged = set(found["ids"])
    seconds = found["seconds"]
    figures(
        f"{len(seconds):,} deliveries at {found['rate']:.0f}/s through {ROUNDS} pushes"
        f" ({ends[NOT_LIVE]} of them rolled back) and {ROUNDS} restarts:"
        f" {len(seconds) - len(acknowledged)} refused or not answered with 200{found['bad'] or ''},"
        f" {len(acknowledged - set(stored))} of the acknowledged not in the database; answered after"
        f" {seconds[len(seconds) // 2] * 1000:.0f} ms (median), {seconds[len(seconds) * 999 // 1000]:.2f} s (p99.9),"
        f" {seconds[-1]:.2f} s at most"
    )
    assert found["status"] == {"200": len(seconds)}, found["bad"]
    assert ends[0] > ends[NOT_LIVE]
    assert acknowledged <= set(stored)
    wanted = {name for name in acknowledged if int(name.rpartition("-")[2]) % 10 == 0}
    assert wanted <= set(queued)
    assert len(queued) == len(set(queued)), "one delivery, two runs"
