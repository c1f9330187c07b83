"""The box: what Docker says about a live run, and what a hostile program inside it can do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.host.launcher.launcher_world import World, docker, exit_of, new_run

HOSTILE = Path(__file__).parent / "hostile.py"
LIMITS = '[local]\nmemory = "256m"\npids = 64\ntmp = "64m"\ncpus = 1.5\n'


@pytest.fixture
def live(world: World) -> dict[str, Any]:
    """`docker inspect` of a run that is going on."""
    world.release({"dev": "sleep 60\n"}, config=LIMITS)
    world.launch()
    run = new_run()
    assert world.start(run)["ok"]
    return world.inspect(run)


def test_a_live_run_has_the_isolation_that_was_asked_for(live: dict[str, Any]) -> None:
    host, config, state = live["HostConfig"], live["Config"], live["State"]
    assert state["Running"]
    assert host["ReadonlyRootfs"] is True
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges=true"]
    assert config["User"] == "10001:10001"
    assert host["Memory"] == 256 << 20
    assert host["MemorySwap"] in (256 << 20, -1)  # -1: an engine that cannot count swap
    assert host["PidsLimit"] == 64
    assert host["NanoCpus"] == 1_500_000_000
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["IpcMode"] == "private"
    assert host["PidMode"] == ""
    assert host["UTSMode"] == ""
    assert host["UsernsMode"] == ""
    assert host["CgroupnsMode"] == "private"
    assert not host["Devices"]
    assert not host["Binds"]
    assert not host["PortBindings"]
    assert not host["PublishAllPorts"]
    assert not host["VolumesFrom"]
    assert host["MaskedPaths"]
    assert host["ReadonlyPaths"]
    assert {limit["Name"]: limit["Hard"] for limit in host["Ulimits"]} == {"nofile": 16384, "core": 0}
    assert config["Env"] == [name for name in config["Env"] if name.split("=")[0] in ("PATH", "LANG")]


def test_a_live_run_sees_one_folder_of_the_host_and_that_read_only(live: dict[str, Any], world: World) -> None:
    (mount,) = live["Mounts"]
    assert mount["Destination"] == "/app/static"
    assert mount["RW"] is False
    assert mount["Propagation"] == "rprivate"
    # The release itself and not the link: a later push must not change what a run sees.
    assert mount["Source"] == str((world.root / "current").resolve() / "project" / "agents" / "dev")


def test_the_network_keeps_runs_apart(live: dict[str, Any], world: World) -> None:
    network = json.loads(docker("network", "inspect", f"al-{world.name}"))[0]
    assert network["Driver"] == "bridge"
    assert network["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    assert network["Labels"]["al.project"] == world.name
    assert list(live["NetworkSettings"]["Networks"]) == [f"al-{world.name}"]


def test_one_run_cannot_talk_to_another(world: World) -> None:
    listen = 'python3 -c \'import socket; s = socket.create_server(("", 8000)); print("up", flush=True); s.accept()\'\n'
    dial = "python3 -c 'import socket, sys; socket.create_connection((sys.stdin.read(), 8000), 2)' 2>&1 | tail -1\n"
    world.release({"listener": listen, "dialler": dial})
    world.launch()
    run = new_run()
    client, _ = world.watch()
    with client:
        container = world.start(run, "listener")["container"]
        while "up" not in docker("logs", container):
            pass
        address = docker(
            "inspect", "-f", f'{{{{(index .NetworkSettings.Networks "al-{world.name}").IPAddress}}}}', container
        )
        second = new_run()
        other = world.start(second, "dialler", address.strip().encode())["container"]
        exit_of(client, second)
    assert "timed out" in docker("logs", other) or "unreachable" in docker("logs", other).lower()
    assert world.container(run)["state"] == "running"


def test_a_hostile_program_gets_nowhere(world: World) -> None:
    world.release({"dev": "exec python3 /app/static/hostile.py\n"}, config=LIMITS)
    shutil.copy(HOSTILE, world.root / "current" / "project" / "agents" / "dev" / "hostile.py")
    world.launch()
    event, output = world.finish(new_run())
    report = json.loads(next(line for line in output.splitlines() if line.startswith('{"probes"')))
    assert event["exit_code"] == 0, output
    probes: dict[str, str] = report["probes"]
    assert len(probes) >= 100
    worked = {name: result for name, result in probes.items() if result.startswith("DONE")}
    # Docker's own seccomp profile refuses vsock (a way to the machine's hypervisor) only since version 23.
    assert set(worked) <= {"vsock"}
    assert probes["fill /tmp"].startswith("ENOSPC")
    assert probes["fill /dev/shm"].startswith("ENOSPC")
    code, _, children = probes["fork bomb"].partition(" ")
    assert code == "EAGAIN"
    assert int(children) < 64
    assert {report["facts"][name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert report["facts"]["NoNewPrivs"] == "1"
    assert report["facts"]["Seccomp"] == "2"
    assert report["facts"]["Uid"].split() == ["10001"] * 4
    assert report["facts"]["Groups"].strip() in ("", "10001")


def test_an_agents_own_image_cannot_weaken_its_run(world: World, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "Dockerfile").write_text(
        "FROM al-test-launcher-base\nUSER root\nENV PYTHONPATH=/evil LD_PRELOAD= PATH=/evil:/usr/bin:/bin\n"
        "VOLUME /data\nHEALTHCHECK CMD touch /tmp/checked\nSTOPSIGNAL SIGUSR1\nWORKDIR /data\n"
        'ENTRYPOINT ["/bin/sh", "-c", "echo hijacked"]\nCMD ["x"]\nEXPOSE 80\n'
    )
    tag = "al-test-launcher-own"
    docker("build", "-q", "-t", tag, str(tmp_path / "own"))
    image = docker("image", "inspect", "-f", "{{.Id}}", tag).strip()
    try:
        script = "id -u; pwd; echo x > /data/x && df /data | tail -1; echo path=$PATH; sleep 0.5\n"
        world.release({"dev": script}, config=LIMITS, images={"dev": image})
        world.launch()
        run = new_run()
        event, output = world.finish(run)
        assert event["exit_code"] == 0, output
        assert "hijacked" not in output
        assert output.startswith("10001\n/app/static\ntmpfs ")
        assert "path=/app/bin:/evil:/usr/bin:/bin" in output
        found = world.inspect(run)
        assert [mount["Destination"] for mount in found["Mounts"]] == ["/app/static"]
        assert found["Config"]["Healthcheck"] == {"Test": ["NONE"]}
    finally:
        world.clean()
        docker("rmi", "-f", tag, check=False)
