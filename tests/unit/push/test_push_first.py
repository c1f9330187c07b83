"""Pushes over pipes, with the real receiver: what is on the host afterwards, and what travelled."""

from __future__ import annotations

import json
import os
import random
import stat
from pathlib import Path

import pytest

from alvps.errors import AlError, CredentialsMissing, PushFailed, UsageError
from alvps.host import imageplan
from alvps.push.code_tree import CodeTree, code_tree
from alvps.push.events import Event, Note, Step
from tests.support.local_connection import LocalConnection
from tests.support.pushes import BOOTSTRAP, PROJECT, do_push, small_code, wanted, write
from tests.support.receiver import FakeHost, fake_host


def steps(events: list[Event]) -> list[str]:
    return [event.name for event in events if isinstance(event, Step)]


def test_first_push_makes_a_whole_release(host: FakeHost, folder: Path, code: CodeTree) -> None:
    (folder / "agents/dev/run.sh").chmod(0o755)
    result = do_push(host, wanted(folder, code))
    assert result.result == "live"
    assert host.live() == result.release == host.serving()
    tree = host.live_tree()
    for name, content in PROJECT.items():
        data = content.encode() if isinstance(content, str) else content
        assert tree[name] == (0o755 if name.endswith(".sh") else 0o644, data)
    facts = json.loads((host.root / "current/release.json").read_text())
    assert facts["project"] == "demo"
    assert facts["agents"] == ["dev", "ops"]
    assert facts["credentials"] == ["github_token/default"]
    assert facts["code_digest"] == code.digest
    images = json.loads((host.root / "current/images.json").read_text())
    assert set(images) == {"dev", "ops"}
    assert images["dev"]["tag"].startswith("al-agent:")
    assert images["dev"]["image"].startswith("sha256:")
    assert (host.root / "current/code/alvps/host/main.py").exists()
    assert list((host.root / "current/code/alvps/host/__pycache__").iterdir())
    assert (host.folder / "units/action-llama.service").read_text() == "[Service]\nType=notify\n"
    assert host.credentials() == {"github_token/default": {"token": "canary-1\n"}}
    assert not host.leftovers()
    calls = host.calls("systemctl")
    assert [call[0] for call in calls[:4]] == ["daemon-reload", "enable", "reset-failed", "restart"]
    # Listeners and services in one transaction; see alvps/host/units.py.
    assert calls[3][1:] == ["action-llama.socket", "action-llama-launcher.service", "action-llama.service"]


def test_credentials_are_readable_by_their_owner_alone(host: FakeHost, folder: Path, code: CodeTree) -> None:
    before = os.umask(0o000)
    try:
        do_push(host, wanted(folder, code))
    finally:
        os.umask(before)
    place = Path(host.layout["credentials"])
    for path in [place, *place.rglob("*")]:
        if not path.is_symlink():
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    text = "".join(path.read_text(errors="replace") for path in host.root.rglob("*") if path.is_file())
    assert "canary-1" not in text
    assert "canary-1" not in json.dumps(host.calls())


def test_webhook_secrets_are_for_the_daemon_and_for_nobody_else(host: FakeHost, folder: Path, code: CodeTree) -> None:
    secrets = {"gateway:github_webhook_secret/default": {"secret": "canary-9"}}
    do_push(host, wanted(folder, code, gateway=secrets))
    agents_, gateway = (Path(host.layout[name]) for name in ("credentials", "gateway_credentials"))
    assert not list(agents_.glob("*/github_webhook_secret"))
    assert not list(gateway.glob("*/github_token"))
    paths = [gateway / "current/github_webhook_secret/default/secret", *gateway.glob("current/*/*"), gateway]
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o640, 0o750, 0o750]
    assert paths[0].read_text() == "canary-9\n"
    assert (gateway / "current").readlink() == (agents_ / "current").readlink()
    facts = json.loads((host.root / "current" / "release.json").read_text())
    assert facts["gateway"] == ["gateway:github_webhook_secret/default"]
    write(folder, {"agents/dev/ACTIONS.md": "# Another\n"})
    assert do_push(host, wanted(folder, code, scope="dev")).result == "live"
    assert host.credentials()["gateway:github_webhook_secret/default"] == {"secret": "canary-9\n"}
    do_push(host, wanted(folder, code))
    assert not [name for name in host.credentials() if name.startswith("gateway:")]
    assert not list(gateway.glob("*/github_webhook_secret"))


def test_an_agent_cannot_declare_what_is_the_gateways(host: FakeHost, folder: Path, code: CodeTree) -> None:
    secrets = {"gateway:github_webhook_secret/default": {"secret": "canary-9"}}
    with pytest.raises(AlError, match="declares a credential of the gateway"):
        do_push(host, wanted(folder, code, credentials=secrets))
    assert host.live() is None


def test_each_agent_has_a_place_for_what_all_share(host: FakeHost, folder: Path, code: CodeTree) -> None:
    write(folder, {"agents/ops/shared/own.txt": "mine"})
    do_push(host, wanted(folder, code))
    project = host.root / "current" / "project"
    assert list((project / "agents/dev/shared").iterdir()) == []
    assert [path.name for path in (project / "agents/ops/shared").iterdir()] == ["own.txt"]
    assert do_push(host, wanted(folder, code)).result == "unchanged"


def test_unchanged_is_one_request_and_one_answer(host: FakeHost, folder: Path, code: CodeTree) -> None:
    first = do_push(host, wanted(folder, code))
    calls, events = len(host.calls()), []
    connection = LocalConnection()
    again = do_push(host, wanted(folder, code), connection=connection, progress=events.append)
    assert (again.result, again.release) == ("unchanged", first.release)
    assert not events
    assert len(host.calls()) == calls  # no program was run
    assert again.bytes_sent < 6000
    assert again.bytes_received < 300
    assert not (host.root / "pending.json").exists()


def test_unchanged_needs_no_bundle_and_the_lock_is_free(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    connection = LocalConnection()
    do_push(host, wanted(folder, code), connection=connection)
    assert connection.pipes[0].stdin.count < 6000


def test_not_ready_is_not_unchanged(host: FakeHost, folder: Path, code: CodeTree) -> None:
    first = do_push(host, wanted(folder, code))
    host.unflag("serving")  # the daemon was stopped
    again = do_push(host, wanted(folder, code))
    assert again.result == "live"
    assert again.release != first.release
    assert host.serving() == again.release


def test_one_file_of_two_thousand_costs_little(host: FakeHost, folder: Path, code: CodeTree) -> None:
    write(folder, {f"agents/dev/d{n % 40}/file {n}.txt": f"{n} {'x' * 300}" for n in range(2000)})
    do_push(host, wanted(folder, code))
    content = random.Random(1).randbytes(20_000)  # nothing that compression could hide behind
    write(folder, {"agents/dev/d7/file 7.txt": content})
    result = do_push(host, wanted(folder, code))
    assert result.result == "live"
    assert result.bytes_sent + result.bytes_received <= 1.1 * len(content) + 16_384
    assert host.live_tree()["agents/dev/d7/file 7.txt"][1] == content


def test_unchanged_files_are_shared_and_changed_ones_are_not(host: FakeHost, folder: Path, code: CodeTree) -> None:
    first = do_push(host, wanted(folder, code))
    write(folder, {"agents/dev/ACTIONS.md": "# Do it better\n"})
    (folder / "agents/ops/ACTIONS.md").unlink()
    write(folder, {"agents/ops/NEW.md": "# new\n"})
    second = do_push(host, wanted(folder, code))
    old, new = (host.root / "releases" / str(r.release) / "project" for r in (first, second))
    assert (old / "shared/big.bin").stat().st_ino == (new / "shared/big.bin").stat().st_ino
    assert (old / "agents/dev/ACTIONS.md").read_text() == "# Do it\n"
    assert (new / "agents/dev/ACTIONS.md").read_text() == "# Do it better\n"
    assert not (new / "agents/ops/ACTIONS.md").exists()
    assert (new / "agents/ops/NEW.md").read_text() == "# new\n"
    assert host.calls("systemctl")[-1][0] == "restart"  # of the first push: the second only reloaded
    assert sum(call[0] == "restart" and "action-llama.service" in call for call in host.calls("systemctl")) == 1


def test_a_mode_change_does_not_touch_the_old_release(host: FakeHost, folder: Path, code: CodeTree) -> None:
    first = do_push(host, wanted(folder, code))
    (folder / "agents/dev/run.sh").chmod(0o755)
    connection = LocalConnection()
    second = do_push(host, wanted(folder, code), connection=connection)
    old, new = (host.root / "releases" / str(r.release) / "project/agents/dev/run.sh" for r in (first, second))
    assert old.stat().st_mode & 0o777 == 0o644
    assert new.stat().st_mode & 0o777 == 0o755
    assert old.read_bytes() == new.read_bytes()


def test_a_moved_file_is_not_sent_again(host: FakeHost, folder: Path, code: CodeTree) -> None:
    write(folder, {"a/big": random.Random(2).randbytes(300_000)})
    do_push(host, wanted(folder, code))
    (folder / "b").mkdir()
    (folder / "a/big").rename(folder / "b/big with 'quotes' and\nnewline")
    assert do_push(host, wanted(folder, code)).bytes_sent < 10_000


def test_a_file_that_was_edited_on_the_host_is_replaced(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    (host.root / "current/project/agents/dev/run.sh").write_text("echo 12345\n")  # same size
    write(folder, {"agents/dev/ACTIONS.md": "# another\n"})
    do_push(host, wanted(folder, code))
    assert (host.root / "current/project/agents/dev/run.sh").read_text() == "echo hello\n"


def test_same_content_with_two_modes_and_empty_files(host: FakeHost, folder: Path, code: CodeTree) -> None:
    write(folder, {"x/one": "same", "x/two": "same", "x/empty": "", "y": ""})
    (folder / "x/two").chmod(0o755)
    do_push(host, wanted(folder, code))
    tree = host.live_tree()
    assert tree["x/one"] == (0o644, b"same")
    assert tree["x/two"] == (0o755, b"same")
    assert tree["x/empty"] == tree["y"] == (0o644, b"")


def test_only_changed_credentials_travel(host: FakeHost, folder: Path, code: CodeTree) -> None:
    values = {f"kind_{n}/default": {"token": "s" * 500 + str(n)} for n in range(20)}
    do_push(host, wanted(folder, code, credentials=values))
    values["kind_3/default"] = {"token": "changed\n\nwith newlines\n"}
    del values["kind_4/default"]
    result = do_push(host, wanted(folder, code, credentials=values))
    assert result.bytes_sent < 10_000
    here = host.credentials()
    assert here["kind_3/default"] == {"token": "changed\n\nwith newlines\n\n"}
    assert "kind_4/default" not in here
    assert len(here) == 19
    sets = [path.name for path in Path(host.layout["credentials"]).iterdir()]
    assert len(sets) == 2  # the set and `current`: no old secret stays


def test_changed_code_restarts_and_unchanged_code_does_not(
    host: FakeHost, folder: Path, code: CodeTree, tmp_path: Path
) -> None:
    do_push(host, wanted(folder, code))
    newer = small_code(tmp_path / "code2", **{"alvps__daemon.py": "x = 1\n"})
    events: list[Event] = []
    result = do_push(host, wanted(folder, newer), progress=events.append)
    assert result.result == "live"
    assert "code" in steps(events)
    assert Step("verify", {"restart": True}) in events
    assert len(list((host.root / "code").iterdir())) == 2
    # Its files that did not change are shared with the older code.
    a, b = (host.root / "code" / c.digest / "alvps/frames.py" for c in (code, newer))
    assert a.stat().st_ino == b.stat().st_ino


def test_a_changed_unit_is_installed_and_restarts(host: FakeHost, folder: Path, code: CodeTree, tmp_path: Path) -> None:
    do_push(host, wanted(folder, code))
    newer = small_code(
        tmp_path / "code2", **{"alvps__data__systemd__action-llama.socket": "[Socket]\nListenStream=1\n"}
    )
    do_push(host, wanted(folder, newer))
    assert "ListenStream" in (host.folder / "units/action-llama.socket").read_text()
    calls = host.calls("systemctl")
    assert calls[-1][1:] == ["action-llama.socket", "action-llama-launcher.service", "action-llama.service"]
    verbs = [call[0] for call in calls]
    assert verbs[verbs.index("daemon-reload", 4) :] == [
        "daemon-reload",
        "enable",
        "reset-failed",
        "restart",
    ]


def test_one_agent_alone(host: FakeHost, folder: Path, code: CodeTree) -> None:
    credentials = {"github_token/default": {"token": "canary-1"}, "slack/ops": {"token": "canary-2"}}
    declared = {"dev": ["github_token/default"], "ops": ["slack/ops"]}
    do_push(host, wanted(folder, code, credentials=credentials, agents=declared))
    write(folder, {"agents/dev/ACTIONS.md": "# changed\n", "agents/ops/ACTIONS.md": "# not yet\n", "shared/new": "no"})
    credentials = {"github_token/default": {"token": "canary-3"}, "slack/ops": {"token": "not yet"}}
    want = wanted(folder, code, credentials=credentials, agents=declared, scope="dev")
    assert do_push(host, want).result == "live"
    tree = host.live_tree()
    assert tree["agents/dev/ACTIONS.md"][1] == b"# changed\n"
    assert tree["agents/ops/ACTIONS.md"][1] == b"# Watch it\n"
    assert "shared/new" not in tree
    assert host.credentials()["github_token/default"]["token"] == "canary-3\n"
    assert host.credentials()["slack/ops"]["token"] == "canary-2\n"
    facts = json.loads((host.root / "current/release.json").read_text())
    assert facts["agents"] == ["dev", "ops"]
    assert facts["credentials"] == ["github_token/default", "slack/ops"]
    assert do_push(host, want).result == "unchanged"
    # And the whole project afterwards brings the rest.
    do_push(host, wanted(folder, code, credentials=credentials, agents=declared))
    assert host.live_tree()["shared/new"][1] == b"no"


def test_one_agent_needs_a_live_release(host: FakeHost, folder: Path, code: CodeTree) -> None:
    with pytest.raises(UsageError, match="no release is live"):
        do_push(host, wanted(folder, code, scope="dev"))
    assert host.live() is None


def test_another_project_is_refused_unless_it_is_meant(host: FakeHost, folder: Path, code: CodeTree) -> None:
    first = do_push(host, wanted(folder, code))
    with pytest.raises(UsageError, match="runs the project 'demo'"):
        do_push(host, wanted(folder, code, project="other"))
    assert host.live() == first.release
    assert do_push(host, wanted(folder, code, project="other"), replace=True).result == "live"


def test_images_are_built_in_order_and_only_when_needed(host: FakeHost, folder: Path, code: CodeTree) -> None:
    write(
        folder,
        {
            "Dockerfile": "FROM al-agent\nRUN true\n",
            "shared/tool": "x",
            "agents/dev/Dockerfile": "# mine\nFROM al-agent:latest AS it\nCOPY run.sh /\n",
            "agents/dev/agent-config.toml": "manual = true",
        },
    )
    (host.folder / "cas/company.crt").write_text("CERTIFICATE")
    do_push(host, wanted(folder, code))
    built = [json.loads(line) for line in (host.state / "contexts").read_text().splitlines()]
    base, project, dev = built
    assert base[0].startswith("al-agent:")
    assert {"Dockerfile", "ca/extra-0.crt", "agent/__init__.py"} <= set(base[2])
    assert project[0].startswith("al-project-demo:")
    assert project[1].startswith(f"FROM {base[0]}\n")
    assert set(project[2]) == {"Dockerfile", "shared/tool", "shared/big.bin"}
    assert dev[0].startswith("al-demo-dev:")
    assert dev[1] == f"# mine\nFROM {project[0]} AS it\nCOPY run.sh /\n"
    assert set(dev[2]) == {"Dockerfile", "run.sh"}
    images = json.loads((host.root / "current/images.json").read_text())
    assert images["dev"]["tag"] == dev[0]
    assert images["ops"]["tag"] == project[0]
    # A changed prompt builds nothing; a changed file of the image builds that image alone.
    write(folder, {"agents/dev/ACTIONS.md": "# changed"})
    do_push(host, wanted(folder, code))
    assert len((host.state / "contexts").read_text().splitlines()) == 3
    write(folder, {"agents/dev/run.sh": "echo changed"})
    do_push(host, wanted(folder, code))
    assert len((host.state / "contexts").read_text().splitlines()) == 4
    # A new company CA changes the base, and with it everything that stands on it.
    (host.folder / "cas/second.crt").write_text("CERTIFICATE 2")
    write(folder, {"agents/dev/ACTIONS.md": "# changed again"})
    do_push(host, wanted(folder, code))
    assert len((host.state / "contexts").read_text().splitlines()) == 7


def test_a_failing_build_fails_the_push_and_leaves_the_old_release(
    host: FakeHost, folder: Path, code: CodeTree
) -> None:
    do_push(host, wanted(folder, code))
    before = host.live_tree()
    write(folder, {"agents/dev/Dockerfile": "FROM al-agent\nRUN false\n"})
    with pytest.raises(PushFailed, match="agent dev could not be built") as raised:
        do_push(host, wanted(folder, code))
    assert "returned a non-zero code: 1" in (raised.value.detail or "")
    assert host.live_tree() == before
    assert len(host.releases()) == 1
    assert not host.leftovers()
    write(folder, {"agents/dev/Dockerfile": "FROM al-agent\nRUN true\n"})
    assert do_push(host, wanted(folder, code)).result == "live"


def test_bootstrap_runs_when_the_host_has_another_one(host: FakeHost, folder: Path, code: CodeTree) -> None:
    mark = host.folder / "ran"
    script = f'echo preparing; echo "$@" > {mark}\n'.encode()
    events: list[Event] = []
    do_push(host, wanted(folder, code, bootstrap=script), progress=events.append)
    assert "bootstrap" in steps(events)
    assert mark.read_text().startswith("--digest ")
    with pytest.raises(PushFailed, match="bootstrap of the host failed") as raised:
        do_push(host, wanted(folder, code, bootstrap=b"echo no room; exit 3\n"))
    assert raised.value.detail == "no room"


def test_the_code_on_the_host_runs_instead_of_the_bundle(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    seen: list[bytes] = []
    connection = LocalConnection()
    do_push(host, wanted(folder, code), connection=connection)
    assert connection.pipes[0].stdin.count < 6000, seen
    # Not if others could have written it.
    (host.root / "code" / code.digest / "manifest").chmod(0o666)
    connection = LocalConnection()
    do_push(host, wanted(folder, code), connection=connection)
    assert connection.pipes[0].stdin.count > 20_000


def test_credentials_of_others_missing_on_the_host(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code, agents={"dev": [], "ops": ["github_token/default"]}))
    import shutil

    shutil.rmtree(Path(host.layout["credentials"]))
    write(folder, {"agents/dev/run.sh": "echo changed"})
    with pytest.raises(CredentialsMissing, match="github_token/default"):
        do_push(host, wanted(folder, code, agents={"dev": [], "ops": ["github_token/default"]}, scope="dev"))


def test_dependencies_are_installed_for_a_new_lock_file(folder: Path, code: CodeTree) -> None:
    """With the real venv and pip, and a lock file that is empty: no network."""
    with fake_host() as host:
        host.prepare(code, BOOTSTRAP)
        import shutil

        shutil.rmtree(host.root / "venvs")
        events: list[Event] = []
        result = do_push(host, wanted(folder, code), progress=events.append)
        assert result.result == "live"
        assert "venv" in steps(events)
        assert (host.root / "current/venv/bin/python").exists()
        assert (host.root / "current/venv/.complete").exists()


def test_the_real_code_tree_has_what_the_host_needs_and_no_more() -> None:
    tree = code_tree()
    names = set(tree.files)
    assert {"alvps/__init__.py", "alvps/frames.py", "alvps/host/main.py", "alvps/data/host-requirements.txt"} <= names
    assert "alvps/data/docker/agent/Dockerfile" in names
    rooms = {name.split("/")[1] for name in names if name.count("/") > 1}
    assert not rooms & {"cli", "push", "ssh", "provision"}
    assert not [name for name in names if "__pycache__" in name or name.startswith("alvps/data/cloud-init")]


def test_the_base_context_is_the_agents_own_list() -> None:
    from alvps.agent.context import base_context

    tree = code_tree()
    package = tree.files["alvps/__init__.py"].parent
    theirs = {name: path.read_bytes() for name, path in base_context(package / "data", package / "agent").items()}
    ours = {name: tree.files[entry.path].read_bytes() for name, entry in imageplan.base_context(tree.entries).items()}
    assert ours == theirs


def test_a_damaged_list_of_files_heals_with_the_next_whole_push(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    (host.root / "current/manifest").write_bytes(b"torn")
    write(folder, {"agents/dev/ACTIONS.md": "# new\n"})
    with pytest.raises(PushFailed, match="push the whole project"):
        do_push(host, wanted(folder, code, scope="dev"))
    assert do_push(host, wanted(folder, code)).result == "live"
    assert host.live_tree()["agents/dev/ACTIONS.md"][1] == b"# new\n"
    assert host.live_tree()["agents/ops/ACTIONS.md"][1] == b"# Watch it\n"


def test_notes_reach_the_watcher(host: FakeHost, folder: Path, code: CodeTree) -> None:
    (host.state / "images/debian:bookworm-slim").unlink()
    events: list[Event] = []
    do_push(host, wanted(folder, code), progress=events.append)
    assert Note("pulling debian:bookworm-slim") in events
