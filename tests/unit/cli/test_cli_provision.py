"""`al provision hetzner` and `al teardown`, against the fake of the API: what is asked, said, made and left."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import hcloud._client
import pytest

from alvps.cli import provision_choose as choose
from alvps.cli.main import run
from alvps.cli.web_options import web_of
from alvps.credentials import Credential, FileStore
from alvps.errors import CredentialsMissing, UsageError
from alvps.project.environment import Environment, Rented, Web
from alvps.project.environments import list_environments, load_environment, save_environment
from alvps.provision import registry
from alvps.provision.api_keys import api_key
from alvps.provision.cloud import Image, Offers, Price, Region, ServerPlan
from alvps.provision.rented.begun import Wanted
from tests.support.cloud.hetzner import Hetzner, failure

ORDER = ("provision", "hetzner", "--name", "demo", "--plan", "cx23", "--region", "nbg1")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hetzner]:
    monkeypatch.setattr(hcloud._client.time, "sleep", lambda _seconds: None)
    open_provider = registry.open_provider

    def settled(provider: str, /, **options: Any) -> Any:
        """No machine boots behind the fake."""
        return open_provider(provider, **options, settle=lambda *_args, **_options: None)

    monkeypatch.setattr(registry, "open_provider", settled)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HETZNER_API_KEY", "CLOUDFLARE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with Hetzner(patience=1) as running:
        monkeypatch.setenv("HCLOUD_ENDPOINT", running.url)
        monkeypatch.setenv("HCLOUD_TOKEN", running.token)
        yield running
        assert running.problems == []


@pytest.fixture
def al(capsys: pytest.CaptureFixture[str], fake: Hetzner) -> Callable[..., tuple[int, str, str]]:
    """Exit code, standard output and error of a command; the API key is in neither."""

    def call(*argv: str) -> tuple[int, str, str]:
        code = run(list(argv))
        out, err = capsys.readouterr()
        assert fake.token not in out + err
        return code, out, err

    return call


Al = Callable[..., "tuple[int, str, str]"]


def made(fake: Hetzner) -> int:
    return sum(request.method == "POST" for request in fake.requests)


def test_a_server_is_rented_used_by_name_and_torn_down(al: Al, fake: Hetzner) -> None:
    code, out, _ = al(*ORDER, "--yes", "--json")
    assert code == 0
    said = json.loads(out)
    environment = load_environment("demo")
    assert said == {
        "name": "demo",
        "host": environment.host,
        "port": 22,
        "user": "root",
        "provider": "hetzner",
        "server": next(map(str, fake.servers)),
        "region": "nbg1",
    }
    code, out, _ = al("teardown", "demo", "--yes")
    assert code == 0
    assert out.startswith(f"removed server {said['server']}\nremoved firewall ")
    assert fake.left() == []
    assert list_environments() == ()


@pytest.mark.parametrize(
    ("argv", "missing"),
    [
        ((), "--plan, --region, --yes"),
        (("--plan", "cx23", "--region", "nbg1"), "--yes"),
        (("--plan", "cx23", "--region", "nbg1", "--json"), "--yes"),
        (("--plan", "cx23", "--yes"), "--region"),
        (("--dry-run",), "--plan, --region"),
    ],
)
def test_in_a_pipe_nobody_is_asked(al: Al, fake: Hetzner, argv: tuple[str, ...], missing: str) -> None:
    code, out, err = al("provision", "hetzner", *argv)
    assert code == 2
    assert f"say {missing}" in out + err
    assert fake.requests == []


def test_a_dry_run_reads_and_shows_price_and_user_data(al: Al, fake: Hetzner, tmp_path: Path) -> None:
    code, out, _ = al(*ORDER, "--dry-run", "--domain", "agents.example.com")
    assert code == 0
    assert "price: 3.99 EUR a month, net" in out
    assert "#cloud-config\n" in out
    assert "PRIVATE KEY" not in out
    code, out, _ = al(*ORDER, "--dry-run", "--json")
    assert code == 0
    assert {"environment", "provider", "steps", "price", "user_data"} == set(json.loads(out))
    assert made(fake) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_refused_key_is_wrong_input_and_leaves_nothing(
    al: Al, fake: Hetzner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HCLOUD_TOKEN", "another-token")
    code, _, err = al(*ORDER, "--yes")
    assert code == 2
    assert "unable to authenticate" in err
    assert "al creds add hetzner_api_key" in err
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delenv("HCLOUD_TOKEN")
    code, _, err = al(*ORDER, "--yes")
    assert code == 2
    assert "no API key for hetzner" in err


def test_a_key_that_may_only_read_is_refused_at_the_first_thing_to_make(al: Al, fake: Hetzner) -> None:
    fake.read_only = True
    code, _, err = al(*ORDER, "--yes")
    assert code == 2
    assert "only allowed to perform GET" in err
    assert fake.left() == []
    fake.read_only = False
    assert al("teardown", "demo", "--yes")[0] == 0


def test_a_quota_says_what_was_made_and_the_same_command_goes_on(al: Al, fake: Hetzner) -> None:
    fake.server_limit = 0
    code, _, err = al(*ORDER, "--yes")
    assert code == 1
    assert "server limit exceeded" in err
    key, firewall = next(iter(fake.ssh_keys)), next(iter(fake.firewalls))
    assert f"made so far: ssh key {key}, firewall {firewall}" in err
    assert "the same command goes on, al teardown demo removes what there is" in err
    fake.server_limit = 1
    assert al("provision", "hetzner", "--name", "demo", "--yes")[0] == 0  # what to order is on record
    assert (len(fake.ssh_keys), len(fake.firewalls), len(fake.servers)) == (1, 1, 1)


def test_at_a_terminal_an_order_is_confirmed_and_what_was_ordered_is_gone_on_with(
    al: Al, fake: Hetzner, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    keyboard, screen = pty.openpty()
    request.addfinalizer(lambda: os.close(keyboard))
    terminal = os.fdopen(screen)
    request.addfinalizer(terminal.close)
    monkeypatch.setattr("sys.stdin", terminal)

    os.write(keyboard, b"n\n")
    code, _, err = al(*ORDER)
    assert code == 130
    assert "Order it, for 3.99 EUR a month, net?" in err
    assert made(fake) == 0
    os.write(keyboard, b"y\n")
    fake.refuse("GET", r"/actions/\d+", failure(503, "unavailable", "unavailable"), times=None)
    assert al(*ORDER)[0] == 3
    fake.heal()
    assert al(*ORDER)[0] == 0  # nothing is ordered, so nothing is asked
    assert fake.count("POST", "/servers") == 1


def test_what_was_begun_and_never_got_a_server_is_torn_down(al: Al, fake: Hetzner) -> None:
    fake.refuse("POST", "/servers", failure(412, "resource_unavailable", "error during placement"))
    code, _, err = al(*ORDER, "--yes", "--json")
    assert code == 1
    assert len(fake.left()) == 2
    code, out, _ = al("teardown", "demo", "--yes")
    assert code == 0
    assert "removed firewall" in out
    assert fake.left() == []
    assert err == ""


def test_a_server_of_the_node_system_is_asked_about_by_its_id(al: Al, fake: Hetzner) -> None:
    save_environment(Environment(name="demo", host="192.0.2.1", provider="hetzner", rented=Rented(server="42")))
    code, _, err = al("teardown", "demo")
    assert code == 130  # standard input is at its end
    assert "Delete the server 42 (192.0.2.1) at hetzner (environment demo), which another program made?" in err
    assert fake.requests == []
    assert list_environments() == ("demo",)


def test_the_stored_key_counts_before_the_variable(fake: Hetzner) -> None:
    assert api_key("hetzner") == fake.token
    FileStore().put(Credential(type="hetzner_api_key", instance="default", fields={"api_key": "the-stored-one"}))
    assert api_key("hetzner") == "the-stored-one"
    assert api_key("vultr", environ={"VULTR_API_KEY": " k \n"}) == "k"
    with pytest.raises(CredentialsMissing, match="VULTR_API_KEY is not set"):
        api_key("vultr", environ={})


@pytest.mark.parametrize(
    "options",
    [
        {"domain": "no domain"},
        {"domain": "-a.example"},
        {"domain": None, "dashboard": True},
        {"domain": "a.example", "expose": True},
    ],
)
def test_what_the_world_shall_see_must_make_sense(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        web_of(**{"domain": None, "dashboard": False, "expose": False, **options})


def test_a_domain_is_taken_as_people_write_it() -> None:
    assert web_of("Agents.Example.com.", dashboard=True, expose=False) == Web(
        domain="agents.example.com", dashboard=True
    )
    assert web_of(None, dashboard=False, expose=True) == Web(expose=True)


def price(amount: str) -> Price:
    return Price(amount=Decimal(amount), currency="EUR")


SMALL = ServerPlan(id="s", cpus=1, memory=1024, disk=10, architecture="x86", prices={"a": price("3")})
TWICE = {"a": price("4"), "b": price("5")}
OFFERS = Offers(
    plans=(SMALL, ServerPlan(id="medium", cpus=2, memory=2048, disk=40, architecture="arm", prices=TWICE)),
    regions=(Region(id="a", text="Aachen, DE"), Region(id="b", text="Bergen, NO"), Region(id="c", text="Cork, IE")),
    images=tuple(
        Image(id=f"{name}{kind}", name=name, architecture=kind)  # type: ignore[arg-type]  # of the two
        for name, kind in (("debian-12", "x86"), ("debian-12", "arm"), ("debian-13", "arm"))
    ),
)  # fmt: skip


def test_lists_show_sizes_and_the_price_where_it_is_known() -> None:
    assert [row.text for row in choose.plan_rows(OFFERS.plans, None)] == [
        "s       1 vCPU x86  1 GB  10 GB disk  from 3.00 EUR a month",
        "medium  2 vCPU arm  2 GB  40 GB disk  from 4.00 EUR a month",
    ]
    assert choose.plan_rows(OFFERS.plans[1:], "b")[0].text.endswith("40 GB disk  5.00 EUR a month")
    assert [row.text for row in choose.region_rows(OFFERS, OFFERS.plans[1])] == [
        "a  Aachen, DE  4.00 EUR",
        "b  Bergen, NO  5.00 EUR",
    ]
    assert [row.id for row in choose.image_rows(OFFERS, OFFERS.plans[0])] == ["debian-12"]


def test_what_no_option_says_is_asked_and_a_comfortable_plan_is_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, list[str], str | None]] = []

    def ask(what: str, rows: Any, default: str | None) -> str:
        asked.append((what, [row.id for row in rows], default))
        return str(rows[-1].id)

    monkeypatch.setattr(choose, "_ask", ask)
    assert choose.choose(OFFERS, plan=None, region=None, image=None) == Wanted(
        plan="medium", region="b", image="debian-13"
    )
    assert asked == [
        ("Plan", ["s", "medium"], "medium"),
        ("Region", ["a", "b"], None),
        ("Image", ["debian-12", "debian-13"], "debian-12"),
    ]
    asked.clear()
    choose.choose(OFFERS, plan=None, region="a", image="debian-12")
    assert [what for what, _, _ in asked] == ["Plan"]


def test_helping_loads_neither_hcloud_nor_the_lists(al: Al) -> None:
    code = (
        "import sys; from alvps.cli.main import run; run(['provision', 'hetzner', '--help'])\n"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"hcloud", "requests", "questionary", "paramiko", "alvps.provision"} & set(done.stderr.split())
