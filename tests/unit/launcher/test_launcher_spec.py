"""The container of a run, property by property."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.launcher import spec
from alvps.launcher.spec import Abilities
from alvps.project import RunLimits
from tests.unit.launcher.launcher_orders import IMAGE, order


def host(**more: Any) -> dict[str, Any]:
    made: dict[str, Any] = spec.container(order(**more))["HostConfig"]
    return made


def test_the_image_is_named_by_its_content() -> None:
    assert spec.container(order())["Image"] == IMAGE


def test_the_entry_runs_whatever_the_image_wants_to_run() -> None:
    made = spec.container(order())
    assert made["Entrypoint"] == ["/usr/bin/python3", "-I", "-S", "-E", "/app/lib/alvps/agent/entry.pyc"]
    assert made["Cmd"] == []
    assert made["Healthcheck"] == {"Test": ["NONE"]}


def test_it_is_not_root() -> None:
    assert spec.container(order())["User"] == "10001:10001"


def test_no_environment_is_stored_with_the_container() -> None:
    assert "Env" not in spec.container(order())


def test_standard_input_is_open_once_and_the_rest_is_not_attached() -> None:
    made = spec.container(order())
    assert made["OpenStdin"] is True
    assert made["StdinOnce"] is True
    assert made["Tty"] is False
    assert (made["AttachStdout"], made["AttachStderr"]) == (False, False)


def test_the_labels_say_whose_and_what_it_is() -> None:
    assert spec.container(order())["Labels"] == {
        "al.installation": "0123456789abcdef",
        "al.project": "shop",
        "al.agent": "dev",
        "al.run": "r0123456789",
        "al.attempt": "2",
        "al.trigger": "schedule",
        "al.release": "r1",
        "al.component": "agent",
    }


def test_the_name_says_it_to_people() -> None:
    assert order().name == "al-shop-dev-r0123456789-2"


def test_root_is_read_only_and_nothing_is_granted() -> None:
    made = host()
    assert made["ReadonlyRootfs"] is True
    assert made["CapDrop"] == ["ALL"]
    assert made["CapAdd"] == []
    assert made["Privileged"] is False
    assert made["Devices"] == []
    assert made["SecurityOpt"] == ["no-new-privileges=true"]


def test_no_namespace_is_shared() -> None:
    made = host()
    assert made["IpcMode"] == "private"
    assert made["CgroupnsMode"] == "private"
    assert (made["PidMode"], made["UTSMode"]) == ("", "")
    assert made["NetworkMode"] == "al-shop"


def test_it_is_neither_restarted_nor_removed_by_docker() -> None:
    assert host()["RestartPolicy"] == {"Name": "no"}
    assert host()["AutoRemove"] is False


def test_one_folder_of_the_release_is_mounted_and_that_read_only() -> None:
    assert host()["Mounts"] == [
        {
            "Type": "bind",
            "Source": "/opt/x/releases/r1/project/agents/dev",
            "Target": "/app/static",
            "ReadOnly": True,
            "BindOptions": {"Propagation": "rprivate"},
        }
    ]


def test_the_gateways_folder_and_the_shared_one_are_mounted_read_only_if_they_are_there() -> None:
    mounts = host(gateway=Path("/run/runs"), shared=Path("/opt/x/project/shared"))["Mounts"]
    assert [(mount["Source"], mount["Target"]) for mount in mounts] == [
        ("/opt/x/releases/r1/project/agents/dev", "/app/static"),
        ("/opt/x/project/shared", "/app/static/shared"),  # after the folder that it is mounted in
        ("/run/runs", "/run/al"),
    ]
    assert all(mount["ReadOnly"] and mount["BindOptions"]["Propagation"] == "rprivate" for mount in mounts)


def test_tmp_can_run_programs_and_credentials_cannot() -> None:
    tmpfs = host(limits=RunLimits(tmp=123 << 20))["Tmpfs"]
    assert set(tmpfs) == {"/tmp", "/credentials"}
    tmp, credentials = (set(tmpfs[path].split(",")) for path in ("/tmp", "/credentials"))
    assert {"exec", "nosuid", "nodev", f"size={123 << 20}", "uid=10001", "gid=10001"} <= tmp
    assert {"noexec", "nosuid", "nodev", "mode=0700", "uid=10001", "gid=10001"} <= credentials
    assert any(option.startswith("size=") for option in credentials)


def test_a_volume_that_the_image_declares_is_memory_and_no_disk() -> None:
    tmpfs = host(image_volumes=("/data", "/tmp", "/credentials"))["Tmpfs"]
    assert tmpfs["/data"] == tmpfs["/tmp"]
    assert "noexec" in tmpfs["/credentials"]


def test_limits_are_the_projects() -> None:
    made = host(limits=RunLimits(memory=512 << 20, cpus=0.5, pids=77))
    assert made["Memory"] == 512 << 20
    assert made["MemorySwap"] == 512 << 20
    assert made["NanoCpus"] == 500_000_000
    assert made["PidsLimit"] == 77
    assert "MemorySwappiness" not in made


def test_without_a_cpu_limit_none_is_set() -> None:
    assert "NanoCpus" not in host()


def test_more_cpus_than_there_are_means_all() -> None:
    assert host(limits=RunLimits(cpus=8), abilities=Abilities(cpus=2))["NanoCpus"] == 2_000_000_000
    assert host(limits=RunLimits(cpus=8))["NanoCpus"] == 8_000_000_000  # unknown: let Docker judge


def test_files_and_cores_are_limited_and_the_daemon_dies_last() -> None:
    limits = {each["Name"]: (each["Soft"], each["Hard"]) for each in host()["Ulimits"]}
    assert limits["core"] == (0, 0)
    assert 1024 <= limits["nofile"][0] == limits["nofile"][1] <= 20_000
    assert host()["OomScoreAdj"] > 0


@pytest.mark.parametrize(
    ("abilities", "absent", "present"),
    [
        (Abilities(swap=False, cgroup=1), {"MemorySwap"}, {"Memory", "MemorySwappiness", "PidsLimit"}),
        (Abilities(swap=False, cgroup=2), {"MemorySwap", "MemorySwappiness"}, {"Memory"}),
        (Abilities(memory=False, swap=False), {"Memory", "MemorySwap", "MemorySwappiness"}, {"PidsLimit"}),
        (Abilities(cpu_quota=False), {"NanoCpus"}, {"Memory"}),
        (Abilities(pids=False), {"PidsLimit"}, {"Memory"}),
    ],
)
def test_what_the_engine_cannot_limit_is_left_out(abilities: Abilities, absent: set[str], present: set[str]) -> None:
    made = host(limits=RunLimits(cpus=1), abilities=abilities)
    assert not absent & set(made)
    assert present <= set(made)
    assert made.get("MemorySwappiness", 0) == 0


def test_abilities_come_from_the_engines_own_words() -> None:
    old = Abilities.of({"NCPU": 2, "MemoryLimit": True, "SwapLimit": False, "PidsLimit": True, "CgroupVersion": "1"})
    assert (old.cpus, old.swap, old.cgroup) == (2, False, 1)
    assert old.missing() == ("swap",)
    assert Abilities.of({}).missing() == ()
    assert Abilities.of({"CgroupVersion": "2"}).cgroup == 2


def test_journald_gets_every_label_but_the_installations() -> None:
    log = host()["LogConfig"]
    assert log["Type"] == "journald"
    assert set(log["Config"]["labels"].split(",")) == set(spec.container(order())["Labels"]) - {"al.installation"}


def test_other_log_drivers_are_bounded() -> None:
    assert host(log_driver="json-file")["LogConfig"]["Config"]["max-size"]
    assert host(log_driver="none")["LogConfig"] == {"Type": "none", "Config": {}}


def test_the_network_keeps_runs_apart_and_is_marked() -> None:
    made = spec.network("shop", "0123456789abcdef")
    assert made["Name"] == "al-shop"
    assert made["Driver"] == "bridge"
    assert made["Options"] == {"com.docker.network.bridge.enable_icc": "false"}
    assert made["Labels"] == {"al.installation": "0123456789abcdef", "al.project": "shop"}


@given(
    st.builds(
        RunLimits,
        memory=st.integers(6 << 20, 1 << 45),
        cpus=st.none() | st.floats(0.01, 512),
        pids=st.integers(1, 1 << 20),
        tmp=st.integers(1 << 20, 1 << 40),
    ),
    st.builds(
        Abilities,
        cpus=st.integers(0, 512),
        memory=st.booleans(),
        swap=st.booleans(),
        cpu_quota=st.booleans(),
        pids=st.booleans(),
        cgroup=st.sampled_from([1, 2]),
    ),
)
def test_every_spec_is_json_and_keeps_the_box_shut(limits: RunLimits, abilities: Abilities) -> None:
    made = spec.container(order(limits=limits, abilities=abilities))
    assert json.loads(json.dumps(made)) == made
    box = made["HostConfig"]
    assert box["ReadonlyRootfs"]
    assert box["CapDrop"] == ["ALL"]
    assert box.get("MemorySwap", limits.memory) == limits.memory
    assert 0 < box.get("NanoCpus", 1) <= 512 * 10**9
