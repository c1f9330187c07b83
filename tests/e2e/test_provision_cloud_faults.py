"""What somebody sees when a provider says no, says nothing, or is interrupted; `al` as a process, servers on paper.

Whatever happens: nothing is made twice, the same command goes on, `al teardown` leaves nothing, no secret is shown.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cloud import Cut, Hetzner, Hold, Vultr
from tests.support.cloud import hetzner as hetzner_api
from tests.support.cloud import vultr as vultr_api
from tests.support.product import Product
from tests.support.renting import KEYS, NAME, Renter, renter


@pytest.fixture
def hetzner(product: Product, tmp_path: Path) -> Iterator[Renter]:
    with Hetzner(patience=0) as cloud:
        yield renter(product, cloud, tmp_path / "home")


@pytest.fixture
def vultr(product: Product, tmp_path: Path) -> Iterator[Renter]:
    with Vultr(patience=0) as cloud:
        yield renter(product, cloud, tmp_path / "home")


@pytest.fixture(params=["hetzner", "vultr"])
def anyone(request: pytest.FixtureRequest) -> Renter:
    """The same at each provider."""
    person: Renter = request.getfixturevalue(request.param)
    return person


def test_a_wrong_key_makes_nothing(anyone: Renter) -> None:
    anyone.product.extra_env |= {"HCLOUD_TOKEN": "wrong-4711", "VULTR_API_KEY": "wrong-4711"}
    outcome = anyone.provision()
    assert outcome.code == 2, str(outcome)
    assert f"al creds add {anyone.provider}_api_key" in outcome.err
    assert "wrong-4711" not in outcome.err
    anyone.nothing_left()


def test_no_key_is_said_before_anything_is_asked(hetzner: Renter) -> None:
    hetzner.product.extra_env |= {"HCLOUD_TOKEN": "", "VULTR_API_KEY": ""}
    outcome = hetzner.provision()
    assert outcome.code == 2, str(outcome)
    assert f"al creds add {hetzner.provider}_api_key" in outcome.err
    assert hetzner.cloud.requests == []
    hetzner.nothing_left()


def test_a_key_that_may_only_read_makes_nothing(hetzner: Renter) -> None:
    assert isinstance(hetzner.cloud, Hetzner)
    hetzner.cloud.read_only = True
    outcome = hetzner.provision()
    assert outcome.code == 2, str(outcome)
    assert "Read & Write" in outcome.err
    assert hetzner.cloud.left() == []
    hetzner.torn_down()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--plan", "cx99"), "there is no plan 'cx99'"),
        (("--region", "moon1"), "there is no region 'moon1'"),
        (("--image", "debian-9"), "debian-9"),
        (("--region", "fsn1"), "cannot be had in fsn1"),
        (("--name", "no_host"), "no_host"),
    ],
)
def test_what_cannot_be_had_makes_nothing(hetzner: Renter, wrong: tuple[str, str], said: str) -> None:
    outcome = hetzner.provision(*wrong)
    assert outcome.code in {1, 2}, str(outcome)
    assert said in outcome.err
    assert [request.method for request in hetzner.cloud.requests if request.method != "GET"] == []
    hetzner.nothing_left()


def test_a_full_account_says_what_was_made_and_the_same_command_goes_on(anyone: Renter) -> None:
    if isinstance(anyone.cloud, Hetzner):
        anyone.cloud.server_limit = 0
    else:
        anyone.cloud.instance_limit = 0
    outcome = anyone.provision()
    assert outcome.code == 1, str(outcome)
    assert "made so far: ssh key" in outcome.err
    assert "firewall" in outcome.err
    assert f"al teardown {NAME}" in outcome.err

    if isinstance(anyone.cloud, Hetzner):
        anyone.cloud.server_limit = 1
    else:
        anyone.cloud.instance_limit = 1
    anyone.interrupted(anyone.pinned)
    anyone.made_once()
    anyone.torn_down()


def test_a_plan_that_is_sold_out_meanwhile_can_be_another_one(hetzner: Renter) -> None:
    sold_out = hetzner_api.failure(412, "resource_unavailable", "error during placement")
    assert isinstance(hetzner.cloud, Hetzner)
    hetzner.cloud.refuse("POST", "/servers", sold_out)
    outcome = hetzner.provision()
    assert outcome.code == 1, str(outcome)
    assert "error during placement" in outcome.err
    assert "--plan" in outcome.err
    hetzner.interrupted(hetzner.pinned, "--plan", "cx33")
    hetzner.made_once()
    assert [server["server_type"]["name"] for server in hetzner.cloud.servers.values()] == ["cx33"]
    hetzner.torn_down()


def test_another_server_of_that_name_is_left_alone(hetzner: Renter) -> None:
    assert isinstance(hetzner.cloud, Hetzner)
    taken = hetzner_api.failure(409, "uniqueness_error", "server name is already used")
    hetzner.cloud.refuse("POST", "/servers", taken)
    outcome = hetzner.provision()
    assert outcome.code == 1, str(outcome)
    assert "already used" in outcome.err
    assert "--name" in outcome.err
    hetzner.torn_down()


def test_rate_limits_and_errors_of_the_providers_own_pass(anyone: Renter) -> None:
    module = hetzner_api if anyone.provider == "hetzner" else vultr_api
    busy = (
        hetzner_api.failure(429, "rate_limit_exceeded", "limit reached", Retry_After="1")
        if module is hetzner_api
        else vultr_api.failure(429, "Rate limit exceeded.", Retry_After="1")
    )
    anyone.cloud.refuse("GET", "/firewalls", busy)
    anyone.cloud.refuse("POST", KEYS[anyone.provider], busy)
    anyone.interrupted(anyone.pinned)
    anyone.made_once()
    anyone.torn_down()


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_order_without_an_answer(anyone: Renter, when: str) -> None:
    anyone.cloud.on("POST", anyone.servers, Cut(when))  # type: ignore[arg-type]  # one of the two
    outcome = anyone.provision()
    assert outcome.code == 3, str(outcome)
    assert "made so far: ssh key" in outcome.err
    anyone.interrupted(anyone.pinned)
    anyone.made_once()
    anyone.torn_down()


def test_an_order_without_an_answer_is_torn_down(hetzner: Renter) -> None:
    hetzner.cloud.on("POST", hetzner.servers, Cut("after"))
    assert hetzner.provision().code == 3
    assert len(hetzner.cloud.left()) == 3
    hetzner.torn_down()


def test_an_order_that_ends_in_an_error(hetzner: Renter) -> None:
    assert isinstance(hetzner.cloud, Hetzner)
    hetzner.cloud.action_error = "create_server"
    outcome = hetzner.provision()
    assert outcome.code == 1, str(outcome)
    assert "Action failed" in outcome.err
    assert "server" in outcome.err.partition("made so far:")[2]
    hetzner.torn_down()


@pytest.mark.parametrize("step", ["key", "firewall", "server"])
def test_ctrl_c_while_something_is_made(anyone: Renter, step: str) -> None:
    """The provider has made it, `al` has not heard of it: going on finds it, and so does tearing down at once."""
    path = {"key": KEYS[anyone.provider], "firewall": "/firewalls", "server": anyone.servers}[step]
    assert interrupted_unheard(anyone, path) == 130
    anyone.interrupted(anyone.pinned)
    anyone.made_once()
    anyone.torn_down()

    assert interrupted_unheard(anyone, path) == 130
    assert any("box" in left for left in anyone.cloud.left())
    anyone.torn_down()


def interrupted_unheard(person: Renter, path: str) -> int:
    """Ctrl-C between the making and the answer; the exit code."""
    hold: Hold = person.cloud.on("POST", path, Hold("after"))
    outcome = person.interrupted(hold.wait)
    hold.released.set()
    return outcome.code


def test_an_order_that_arrives_after_the_teardown_makes_nothing(anyone: Renter) -> None:
    """Ctrl-C while it is on its way: its key and its firewall are gone when the provider reads it."""
    hold: Hold = anyone.cloud.on("POST", anyone.servers, Hold("before"))
    outcome = anyone.interrupted(hold.wait)
    assert outcome.code == 130, str(outcome)
    assert anyone.cloud.asked("POST", anyone.servers) == []
    anyone.torn_down()
    hold.released.set()
    end = time.monotonic() + 30
    while not anyone.cloud.asked("POST", anyone.servers):
        assert time.monotonic() < end
        time.sleep(0.01)
    anyone.nothing_left()


def test_power_cut_instead_of_ctrl_c(vultr: Renter) -> None:
    hold: Hold = vultr.cloud.on("POST", vultr.servers, Hold("after"))
    process = vultr.product.start(*vultr.words)
    hold.wait()
    process.kill()
    process.communicate()
    hold.released.set()
    vultr.torn_down()


def test_ctrl_c_says_what_there_is_and_an_address_that_changed_is_said_and_pinned(anyone: Renter) -> None:
    outcome = anyone.interrupted(anyone.pinned)
    assert outcome.code == 130, str(outcome)
    server = next(iter(anyone.cloud.servers if isinstance(anyone.cloud, Hetzner) else anyone.cloud.instances))
    assert "made so far: ssh key" in outcome.err
    assert f"server {server}" in outcome.err
    assert f"al teardown {NAME}" in outcome.err

    pinned = (anyone.folder / "known_hosts").read_text()
    anyone.cloud.move(server, "127.77.99.99")

    def moved() -> None:
        for _ in range(600):
            if (anyone.folder / "known_hosts").read_text() != pinned:
                return
            threading.Event().wait(0.05)
        raise TimeoutError

    outcome = anyone.interrupted(moved)
    assert "127.77.99.99" in outcome.err
    assert "127.77.99.99" in (anyone.folder / "known_hosts").read_text()
    anyone.torn_down()


def test_other_options_for_a_server_that_is_ordered_are_refused(hetzner: Renter) -> None:
    hetzner.interrupted(hetzner.pinned)
    outcome = hetzner.provision("--plan", "cx33")
    assert outcome.code == 2, str(outcome)
    assert "--plan cx23" in outcome.err
    hetzner.made_once()
    hetzner.torn_down()


def test_teardown_without_a_key_or_a_provider_keeps_the_files(anyone: Renter) -> None:
    anyone.interrupted(anyone.pinned)
    keys = dict(anyone.product.extra_env)
    anyone.product.extra_env |= {"HCLOUD_TOKEN": "", "VULTR_API_KEY": ""}
    outcome = anyone.teardown()
    assert outcome.code == 2, str(outcome)
    assert f"al creds add {anyone.provider}_api_key" in outcome.err

    anyone.product.extra_env = keys
    down = (
        hetzner_api.failure(503, "unavailable", "down")
        if anyone.provider == "hetzner"
        else vultr_api.failure(401, "Unauthorized IP address: 192.0.2.1")
    )
    anyone.cloud.refuse("DELETE", "/firewalls/.*", down, times=1)
    outcome = anyone.teardown()
    assert outcome.code in {2, 3}, str(outcome)
    assert (anyone.folder / "provision.json").exists()
    anyone.torn_down()


def test_teardown_of_what_somebody_else_removed(hetzner: Renter) -> None:
    assert isinstance(hetzner.cloud, Hetzner)
    hetzner.interrupted(hetzner.pinned)
    (server,) = hetzner.cloud.servers
    hetzner.cloud.servers.clear()
    hetzner.cloud.firewalls.clear()
    outcome = hetzner.teardown()
    assert outcome.code == 0, str(outcome)
    # With the key of another project it looks the same: so it is said.
    assert f"left server {server}: hetzner has none of that id for this API key" in outcome.out
    hetzner.nothing_left()


def test_a_key_that_was_there_before_is_used_and_stays(hetzner: Renter, tmp_path: Path) -> None:
    assert isinstance(hetzner.cloud, Hetzner)
    key = own_key(tmp_path)
    public = key.with_suffix(".pub").read_text()
    hetzner.cloud.ssh_keys[1] = {
        "id": 1,
        "name": "laptop",
        "fingerprint": "aa",
        "public_key": public.strip(),
        "labels": {},
        "created": "2026-01-01T00:00:00Z",
    }
    hetzner.interrupted(hetzner.pinned, "--ssh-key", str(key))
    assert hetzner.cloud.count("POST", "/ssh_keys") == 0
    assert hetzner.cloud.asked("POST", "/servers")[0].body["ssh_keys"] == [1]
    assert not (hetzner.folder / "id_ed25519").exists()
    assert hetzner.teardown().code == 0
    assert hetzner.cloud.left() == ["ssh key laptop"]
    assert key.exists()


def own_key(folder: Path) -> Path:
    from alvps.ssh.hostkeys import generate

    made = generate("me@laptop")
    path = folder / "id_own"
    path.write_text(made.private)
    path.chmod(0o600)
    path.with_suffix(".pub").write_text(made.public)
    return path


def test_dry_run_asks_only_and_shows_no_private_key(anyone: Renter) -> None:
    outcome = anyone.al(*anyone.words, "--dry-run")
    assert outcome.code == 0, str(outcome)
    assert {request.method for request in anyone.cloud.requests} == {"GET"}
    assert "#cloud-config" in outcome.out
    assert ("3.99 EUR" if anyone.provider == "hetzner" else "10.00 USD") in outcome.out
    anyone.nothing_left()
    said = json.loads(anyone.al(*anyone.words, "--dry-run", "--json").out)
    assert said["environment"] == NAME


def test_in_a_pipe_nothing_is_ordered_without_yes(hetzner: Renter) -> None:
    for words in (hetzner.words[:-1], (*hetzner.words[:-1], "--json"), hetzner.words[:4]):
        outcome = hetzner.al(*words)
        assert outcome.code == 2, str(outcome)
        assert "--yes" in outcome.err + outcome.out
    assert hetzner.cloud.requests == []
    hetzner.nothing_left()


def test_what_is_ordered(hetzner: Renter) -> None:
    """Each thing in the request for a server, and the firewall's rules; for a domain its ports, and what DNS needs."""
    process = hetzner.product.start(*hetzner.words, "--domain", "agents.example.com")
    assert process.stderr is not None
    first = process.stderr.readline()
    process.kill()
    process.communicate()
    assert isinstance(hetzner.cloud, Hetzner)
    body = hetzner.cloud.asked("POST", "/servers")[0].body
    assert (body["name"], body["server_type"], body["location"]) == (NAME, "cx23", "nbg1")
    assert body["user_data"].startswith("#cloud-config\n")
    assert body["labels"]["managed-by"] == "al"
    (firewall,) = hetzner.cloud.firewalls.values()
    assert {(rule["protocol"], rule["port"]) for rule in firewall["rules"]} == {
        ("icmp", None),
        ("tcp", "22"),
        ("tcp", "80"),
        ("tcp", "443"),
    }
    (server,) = hetzner.cloud.servers.values()
    assert "agents.example.com" in first
    assert f"A {server['public_net']['ipv4']['ip']}" in first
    assert body["firewalls"] == [{"firewall": firewall["id"]}]
    hetzner.torn_down()
