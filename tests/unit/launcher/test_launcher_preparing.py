"""From a request to an order: what is mounted, which credentials and keys a run gets, and what it is refused for."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alvps import frames
from alvps.credentials import CredentialRef
from alvps.launcher import preparing
from alvps.launcher.credentials import LiveCredentials
from alvps.launcher.names import RunKey
from alvps.launcher.preparing import Preparer, Settings
from alvps.launcher.refusal import Refused
from alvps.launcher.release import Release
from alvps.launcher.request import Start
from alvps.launcher.spec import Abilities, Order
from alvps.launcher.starting import Started
from alvps.project import Agent, Project
from alvps.project.model import Model
from tests.support.unsealing import point, unsealer
from tests.unit.launcher.launcher_orders import IMAGE

LLM = Model(name="m", provider="anthropic", model="x", key=CredentialRef("anthropic_key", "work"))


class NoEngine:
    """As much of an engine as preparing needs."""

    def image(self, image: str) -> dict[str, Any]:
        return {"Config": {"Volumes": None}}

    def ensure_network(self, body: dict[str, Any]) -> None:
        pass


class World:
    """A release in a folder, a store, and what was started."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "releases" / "r1" / "project"
        self.gateway = folder / "runs"
        self.settings = Settings(
            root=folder, state=folder / "state", gateway=self.gateway, unsealing=folder / "nobody.sock"
        )
        self.agent = self.project / "agents" / "dev"
        self.agent.mkdir(parents=True)
        self.started: list[tuple[Order, dict[str, Any]]] = []
        self.preparer = Preparer(self.settings, "0123456789abcdef", NoEngine())  # type: ignore[arg-type]  # a stand-in

    def live(self, *, shared: bool = False, **agent: Any) -> None:
        fields: dict[str, Any] = {"command": ("true",), **agent}
        made = Agent(name="dev", folder="agents/dev", actions="agents/dev/ACTIONS.md", **fields)
        project = Project(name="shop", folder=self.project, agents=(made,), has_shared=shared)
        release = Release(id="r1", project=project, images={"dev": IMAGE})
        self.preparer.releases.live = lambda: release  # type: ignore[method-assign]  # no files are needed for it

    def credential(self, type_: str, instance: str, **fields: str) -> None:
        place = self.settings.state / "credentials" / "current" / type_ / instance
        place.mkdir(parents=True)
        for name, value in fields.items():
            (place / name).write_text(value + "\n")

    def start(self, **more: Any) -> tuple[Order, dict[str, Any]]:
        request = Start(key=RunKey("r0123456789", 1), agent="dev", trigger="manual", prompt=b"", **more)
        self.preparer.start(request, Abilities(), lambda container: None)
        return self.started[-1]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)

    def start(engine: object, order: Order, frame: bytes, discard: Callable[[str], None]) -> Started:
        received = frames.read(io.BytesIO(frame))
        assert received
        made.started.append((order, received[0]))
        return Started("c1", "running")

    monkeypatch.setattr(preparing, "start", start)
    return made


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []

    class Log:
        def warning(self, what: str, **fields: str) -> None:
            found.append({"what": what, **fields})

    monkeypatch.setattr(preparing, "get_logger", Log)
    return found


def test_the_gateway_is_given_when_its_folder_is_there(world: World, warnings: list[dict[str, str]]) -> None:
    world.live()
    order, message = world.start(secret="r0123456789.1.ab")
    assert (order.gateway, message["gateway"]) == (None, None)
    world.start(secret="r0123456789.1.ab")
    assert [each["folder"] for each in warnings] == [str(world.gateway)]  # said once
    world.gateway.mkdir()  # the socket's unit was started late
    order, message = world.start(secret="r0123456789.1.ab")
    assert (order.gateway, message["gateway"]) == (world.gateway, {"secret": "r0123456789.1.ab"})


def test_the_shared_folder_is_mounted_over_an_empty_one(world: World) -> None:
    (world.project / "shared").mkdir()
    (world.agent / "shared").mkdir()
    world.live(shared=True)
    assert world.start()[0].shared == world.project / "shared"
    world.live(shared=False)
    assert world.start()[0].shared is None


@pytest.mark.parametrize("there", ["nothing", "file", "full", "link"])
def test_without_an_empty_folder_it_is_left_out_and_said(
    world: World, warnings: list[dict[str, str]], there: str
) -> None:
    world.gateway.mkdir()
    place = world.agent / "shared"
    if there == "file":
        place.write_text("x")
    elif there == "full":
        place.mkdir()
        (place / "own").touch()
    elif there == "link":
        (world.agent / "elsewhere").mkdir()
        place.symlink_to("elsewhere")
    world.live(shared=True)
    assert world.start()[0].shared is None
    world.start()
    assert [each["agent"] for each in warnings] == ["dev"]


def test_a_models_key_is_read_and_the_agent_itself_does_not_get_it(world: World) -> None:
    world.credential("anthropic_key", "work", token="sk-1")
    world.credential("github_token", "default", token="ghp")
    world.live(command=(), models=(LLM,), credentials=(CredentialRef("github_token"),))
    _, message = world.start()
    assert message["session"]["models"][0]["key"] == "sk-1"
    assert [each["type"] for each in message["credentials"]] == ["github_token"]
    assert "sk-1" not in json.dumps({**message, "session": None})


def test_an_agent_that_declares_the_key_itself_gets_it_as_any_other(world: World) -> None:
    world.credential("anthropic_key", "work", token="sk-1")
    world.live(command=(), models=(LLM,), credentials=(LLM.key,))
    assert world.start()[1]["credentials"][0]["fields"] == {"token": "sk-1"}


def test_a_key_that_is_not_there_is_named(world: World) -> None:
    world.live(command=(), models=(LLM,))
    with pytest.raises(Refused, match="anthropic_key:work") as caught:
        world.start()
    assert caught.value.code == "credential-missing"
    assert not world.started


def test_a_key_of_the_wrong_shape_is_named(world: World) -> None:
    world.credential("our_own", "default", password="x")
    world.live(command=(), models=(Model(name="m", provider="custom", model="x", key=CredentialRef("our_own")),))
    with pytest.raises(Refused, match="our_own has no field token"):
        world.start()


def test_credentials_that_cannot_be_decrypted_keep_a_run_waiting(world: World) -> None:
    world.live(credentials=(CredentialRef("github_token"),))
    folder = world.settings.state / "credentials"
    point(folder, "sealed-1")
    with pytest.raises(Refused, match="cannot be asked for") as refused:
        world.start()
    assert (refused.value.code, refused.value.retry) == ("credential-missing", True)
    with unsealer() as systemd:
        world.preparer.credentials = LiveCredentials(folder, systemd.listener)
        systemd.gives("sealed-1", {"github_token/default": {"token": "t"}, "github_token/other": {"token": "u"}})
        _, message = world.start()
        assert [item["fields"] for item in message["credentials"]] == [{"token": "t"}]
        world.live(credentials=(CredentialRef("git_ssh"),))
        with pytest.raises(Refused, match="needs credentials that are not here: git_ssh") as refused:
            world.start()
        assert refused.value.retry is False
