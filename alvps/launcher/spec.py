"""What exactly is a run's container? The whole of its isolation, as the object that Docker's API takes.

Pure: (project, agent, image, run, engine's abilities) -> data. Every option is written out, also where Docker's
default is the same today, because an agent's own Dockerfile may set its own (user, entry point, volumes, health
check) and must not be able to weaken a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alvps.launcher import names
from alvps.launcher.names import RunKey
from alvps.project.model import Agent, Project

UID = 10001
ENTRY = ["/usr/bin/python3", "-I", "-S", "-E", "/app/lib/alvps/agent/entry.pyc"]
STATIC = "/app/static"
SHARED = "/app/static/shared"
GATEWAY = "/run/al"  # a folder and not the socket itself: that is another one after each restart of its unit
CREDENTIALS_SIZE = 4 << 20  # bytes
SHM_SIZE = 64 << 20  # bytes
NOFILE = 16384  # an engine that is itself in a container can seldom give more than some ten thousand
STOP_GRACE = 15  # seconds; the entry needs up to 10 to end its command


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What the engine can enforce, from its `info`; the rest it would refuse, or ignore with a warning."""

    cpus: int = 0  # how many it has; more cannot be asked for. 0: unknown
    memory: bool = True
    swap: bool = True
    cpu_quota: bool = True
    pids: bool = True
    cgroup: int = 2

    @classmethod
    def of(cls, info: dict[str, Any]) -> Abilities:
        """Read `GET /info`."""
        return cls(
            cpus=int(info.get("NCPU") or 0),
            memory=bool(info.get("MemoryLimit", True)),
            swap=bool(info.get("SwapLimit", True)),
            cpu_quota=bool(info.get("CpuCfsQuota", True)),
            pids=bool(info.get("PidsLimit", True)),
            cgroup=1 if str(info.get("CgroupVersion", "2")) == "1" else 2,
        )

    def missing(self) -> tuple[str, ...]:
        """The limits that runs on this engine do without."""
        have = {"memory": self.memory, "swap": self.swap, "cpus": self.cpu_quota, "pids": self.pids}
        return tuple(name for name, there in have.items() if not there)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt to make: everything that the container depends on."""

    project: Project
    agent: Agent
    key: RunKey
    trigger: str
    release: str
    installation: str
    image: str  # the image's id, "sha256:…"
    image_volumes: tuple[str, ...] = ()  # folders that the image declares as volumes
    gateway: Path | None = None  # the folder with the gateway's socket for runs, if there is one
    shared: Path | None = None  # the project's shared folder, if the agent has a place for it
    abilities: Abilities = field(default_factory=Abilities)
    log_driver: str = "journald"
    network: str | None = None  # None: the project's

    @property
    def name(self) -> str:
        """The container's name."""
        return names.container_name(self.project.name, self.agent.name, self.key)

    @property
    def static(self) -> Path:
        """The agent's folder in the release."""
        return self.project.folder / self.agent.folder


def container(order: Order) -> dict[str, Any]:
    """The body of `POST /containers/create`."""
    return {
        "Image": order.image,
        "Entrypoint": ENTRY,
        "Cmd": [],
        "User": f"{UID}:{UID}",
        "WorkingDir": "/",
        "Hostname": order.agent.name,
        "Labels": names.labels(
            installation=order.installation,
            project=order.project.name,
            agent=order.agent.name,
            key=order.key,
            trigger=order.trigger,
            release=order.release,
        ),
        # The order and the prompt come on standard input, once: when the launcher goes, the entry sees the end.
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "Healthcheck": {"Test": ["NONE"]},
        "StopSignal": "SIGTERM",
        "StopTimeout": STOP_GRACE,
        "HostConfig": _host_config(order),
    }


def _host_config(order: Order) -> dict[str, Any]:
    return {
        "NetworkMode": order.network or names.network_name(order.project.name),
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "CapAdd": [],
        "SecurityOpt": ["no-new-privileges=true"],
        "Privileged": False,
        "IpcMode": "private",
        "PidMode": "",
        "UTSMode": "",
        "CgroupnsMode": "private",
        "Devices": [],
        "ShmSize": SHM_SIZE,
        "Tmpfs": _tmpfs(order),
        "Mounts": _mounts(order),
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,  # an exit that nobody watched is found in the container that is left
        "Init": False,  # the entry is process 1 itself
        "OomScoreAdj": 500,  # when the host runs short, a run goes before the daemon does
        "Ulimits": [
            {"Name": "nofile", "Soft": NOFILE, "Hard": NOFILE},
            {"Name": "core", "Soft": 0, "Hard": 0},  # a core file holds credentials
        ],
        "LogConfig": _log_config(order.log_driver),
        **_limits(order),
    }


def _mounts(order: Order) -> list[dict[str, Any]]:
    """Folders of the host's, all read-only: of a socket that is still no obstacle to connecting."""
    wanted = [(order.static, STATIC), (order.shared, SHARED), (order.gateway, GATEWAY)]
    return [
        {
            "Type": "bind",
            "Source": str(source),
            "Target": target,
            "ReadOnly": True,
            "BindOptions": {"Propagation": "rprivate"},
        }
        for source, target in wanted
        if source is not None
    ]


def _tmpfs(order: Order) -> dict[str, str]:
    owner = f"uid={UID},gid={UID}"
    tmp = f"rw,exec,nosuid,nodev,mode=1777,size={order.project.limits.tmp},{owner}"
    return {
        # A volume that the image declares would be a writable folder on the host's disk without any limit.
        **dict.fromkeys(order.image_volumes, tmp),
        "/tmp": tmp,  # noqa: S108 - a path inside the container
        "/credentials": f"rw,noexec,nosuid,nodev,mode=0700,size={CREDENTIALS_SIZE},{owner}",
    }


def _limits(order: Order) -> dict[str, Any]:
    """Memory, swap, CPU and process limits, as far as the engine has them."""
    wanted, can = order.project.limits, order.abilities
    limits: dict[str, Any] = {}
    if can.memory:
        limits["Memory"] = wanted.memory
        if can.swap:
            limits["MemorySwap"] = wanted.memory  # memory and swap together: no swap at all
        elif can.cgroup == 1:
            limits["MemorySwappiness"] = 0  # without swap accounting this is what keeps a run out of the swap
    if can.pids:
        limits["PidsLimit"] = wanted.pids
    if can.cpu_quota and wanted.cpus is not None:
        cpus = min(wanted.cpus, can.cpus) if can.cpus else wanted.cpus  # Docker refuses more than there are
        limits["NanoCpus"] = round(cpus * 1_000_000_000)
    return limits


def _log_config(driver: str) -> dict[str, Any]:
    if driver == "journald":
        return {"Type": driver, "Config": {"labels": ",".join(names.LOGGED)}}
    return {"Type": driver, "Config": {"max-size": "10m", "max-file": "2"} if driver == "json-file" else {}}


def network(project: str, installation: str, name: str | None = None) -> dict[str, Any]:
    """The body of `POST /networks/create` for the project's bridge: runs reach the outside, but not each other.

    `name`: for an engine on which several installations may have a project of that name.

    The outside is whatever the host forwards, a cloud's metadata service at 169.254.169.254 included: to keep runs from
    that, the host's firewall is needed, which is not Docker's and not the launcher's.
    """
    return {
        "Name": name or names.network_name(project),
        "Driver": "bridge",
        "CheckDuplicate": True,
        "Internal": False,
        "Attachable": False,
        "EnableIPv6": False,
        "Options": {"com.docker.network.bridge.enable_icc": "false"},
        "Labels": {names.INSTALLATION: installation, names.PROJECT: project},
    }
