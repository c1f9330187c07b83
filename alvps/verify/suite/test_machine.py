"""Docker, the journal, updates: what keeps a host alive that nobody looks at."""

from __future__ import annotations

import json
from typing import Any


def test_docker_survives(host: Any) -> None:
    """runs outlive a restart of Docker (live-restore)"""
    swarm, live = host.check_output("docker info --format '{{.Swarm.LocalNodeState}} {{.LiveRestoreEnabled}}'").split()
    assert live == "true" or swarm == "active", "live-restore is off"


def test_docker_logs(host: Any) -> None:
    """no container's log can fill the disk"""
    config = json.loads(host.check_output("cat /etc/docker/daemon.json"))
    bounded = "max-size" in config.get("log-opts", {}) or config.get("log-driver") not in {None, "json-file"}
    assert bounded, "/etc/docker/daemon.json bounds no log"
    limit = host.check_output("systemctl show --property=LogRateLimitIntervalUSec --value docker.service")
    assert limit == "0", "journald would drop lines of busy runs"


def test_docker_network(host: Any) -> None:
    """Docker's API is not on the network"""
    argv = host.check_output("ps -o args= -C dockerd")
    assert "tcp://" not in argv, argv
    assert host.check_output("stat -L -c %a /run/docker.sock") in {"660", "600"}, "anybody can open its socket"


def test_journal(host: Any) -> None:
    """the journal outlives reboots and is bounded"""
    assert host.run("test -d /var/log/journal").rc == 0, "/var/log/journal is not there"
    config = host.check_output("systemd-analyze cat-config systemd/journald.conf").splitlines()
    assert any(line.startswith("SystemMaxUse=") for line in config), "no SystemMaxUse"


def test_updates(host: Any) -> None:
    """security updates are installed by themselves"""
    switch = host.check_output("apt-config dump --format '%v%n' APT::Periodic::Unattended-Upgrade")
    assert switch not in {"", "0"}, "APT::Periodic::Unattended-Upgrade is off"
    assert host.run("command -v unattended-upgrade").rc == 0, "unattended-upgrades is not installed"
    assert host.run("systemctl is-active --quiet apt-daily-upgrade.timer").rc == 0, "apt-daily-upgrade.timer is off"
