"""Pushes to a host with real systemd, Docker and pip; what the stand-ins of the unit tests cannot show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alvps.credentials import FileStore
from alvps.errors import AlError, PushFailed
from alvps.project import load
from alvps.project.environment import Environment
from alvps.push import wanted as wanting
from alvps.push.events import Event, Step
from alvps.push.push import _push, push
from alvps.push.releases import rollback
from alvps.push.session import HostSession
from alvps.ssh import Connection
from tests.support.projects import write_project
from tests.support.vps import Vps

Open = Callable[[], Connection]


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "credentials")


def steps(events: list[Event]) -> list[str]:
    return [event.name for event in events if isinstance(event, Step)]


def test_a_push_a_change_and_the_way_back(
    environment: Environment, open_connection: Open, vps: Vps, project_folder: Path, store: FileStore
) -> None:
    write_project(project_folder, {"voice": {"script": "echo one"}})
    first = push(load(project_folder), environment, replace=True, store=store)
    assert vps.release() == first.release
    assert vps.control(f"/ready?release={first.release}")["ready"]
    assert push(load(project_folder), environment, store=store).result == "unchanged"

    (project_folder / "agents/voice/ACTIONS.md").write_text("# Two\n")
    pid = vps.sh("systemctl show -p MainPID --value action-llama")
    events: list[Event] = []
    second = push(load(project_folder), environment, store=store, progress=events.append)
    assert vps.release() == second.release
    assert vps.control(f"/ready?release={second.release}")["ready"]
    assert vps.sh("systemctl show -p MainPID --value action-llama") == pid  # reloaded, not restarted
    assert not {"code", "venv", "image", "bootstrap"} & set(steps(events))

    with open_connection() as connection, HostSession(connection) as session:
        assert rollback(session).release == first.release
        assert [line["live"] for line in session.releases()][-2:] == [True, False]
    assert vps.release() == first.release
    assert vps.control("/status")["release"] == first.release


@pytest.mark.parametrize("step", ["store", "switch release", "verify", "decided"])
def test_the_receiver_killed_on_the_host(
    environment: Environment, open_connection: Open, vps: Vps, project_folder: Path, step: str
) -> None:
    write_project(project_folder, {"voice": {"script": "echo old"}})
    store = FileStore(project_folder.parent / "credentials")
    push(load(project_folder), environment, replace=True, store=store)
    old, before = vps.release(), _tree(vps)
    (project_folder / "agents/voice/ACTIONS.md").write_text(f"# {step}\n")
    want = wanting.read(load(project_folder), None, store=store)
    with (
        open_connection() as connection,
        HostSession(connection, layout={"crash_at": step}) as session,
        pytest.raises(AlError),
    ):
        _push(session, want, lambda _: None, 0.0, replace=False)
    with open_connection() as connection, HostSession(connection) as session:
        status, answer = session.control("GET", "/status")
    assert (status, answer["release"]) == (200, vps.release())
    if vps.release() == old:
        assert _tree(vps) == before
    assert vps.inside("test", "-e", "/opt/action-llama/pending.json").returncode == 1
    assert push(load(project_folder), environment, store=store).result in {"live", "unchanged"}
    assert vps.sh("ls -A /opt/action-llama/releases /opt/action-llama/code | grep -c '^[.]' || true") == "0"


def test_an_image_that_cannot_be_built(
    environment: Environment, vps: Vps, project_folder: Path, store: FileStore
) -> None:
    write_project(project_folder, {"voice": {"script": "echo old"}})
    push(load(project_folder), environment, replace=True, store=store)
    live = vps.release()
    (project_folder / "agents/voice/Dockerfile").write_text("FROM al-agent\nRUN echo the reason >&2 && exit 9\n")
    with pytest.raises(PushFailed, match="agent voice") as raised:
        push(load(project_folder), environment, store=store)
    assert "the reason" in (raised.value.detail or "")
    assert vps.release() == live
    assert vps.control(f"/ready?release={live}")["ready"]


def test_old_images_and_releases_go(environment: Environment, vps: Vps, project_folder: Path, store: FileStore) -> None:
    vps.sh("docker tag debian:bookworm-slim somebody/else:1")
    for n in range(8):
        write_project(project_folder, {"voice": {"files": {"Dockerfile": f"FROM al-agent\nENV N={n}\n"}}})
        push(load(project_folder), environment, replace=True, store=store)
    # The live one and five before; what a container still used is gone with it or goes with the next push.
    assert 6 <= int(vps.sh("ls /opt/action-llama/releases | wc -l")) <= 7
    tags = vps.sh("docker image ls --format '{{.Repository}}:{{.Tag}}'").split()
    assert len([tag for tag in tags if tag.startswith("al-demo-voice:")]) <= 7
    assert "somebody/else:1" in tags
    assert "debian:bookworm-slim" in tags
    assert int(vps.sh("ls -A /opt/action-llama/blobs | wc -l")) == 0
    vps.sh("docker rmi somebody/else:1")


def test_facts(
    environment: Environment, open_connection: Open, vps: Vps, project_folder: Path, store: FileStore
) -> None:
    write_project(project_folder, {"voice": {"script": "echo old"}})
    push(load(project_folder), environment, replace=True, store=store)
    vps.inside("flock", "/opt/action-llama/lock", "true")  # a push has answered before it is done with tidying up
    with open_connection() as connection, HostSession(connection) as session:
        facts = session.facts()
    assert facts["live"] == vps.release()
    assert {unit["active"] for unit in facts["units"].values()} == {"active"}
    assert facts["ready"] == []
    assert facts["cloud_init"] == "done"
    assert facts["docker"]
    assert facts["lock"] is None


def test_modes_and_owners(environment: Environment, vps: Vps, project_folder: Path, store: FileStore) -> None:
    write_project(project_folder, {"voice": {"script": "echo x"}})
    push(load(project_folder), environment, replace=True, store=store)
    place = "/var/lib/action-llama-launcher/credentials"
    wrong = f"find {place}/ -type d ( ! -user action-llama-launcher -o -perm /077 ) -o -type f -perm /077".split(" ")
    assert vps.inside(*wrong).stdout == ""
    assert vps.inside("find", "/opt/action-llama", "!", "-user", "root").stdout == ""
    assert vps.inside("find", "/opt/action-llama", "-perm", "/022", "!", "-type", "l").stdout == ""


def _tree(vps: Vps) -> str:
    listing = vps.sh("cd -P /opt/action-llama/current/project && find . -type f -exec sha256sum {} + | sort -k2")
    images = json.loads(vps.sh("cat /opt/action-llama/current/images.json"))
    return hashlib.sha256((listing + json.dumps(images, sort_keys=True)).encode()).hexdigest()
