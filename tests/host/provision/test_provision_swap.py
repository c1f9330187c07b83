"""Swap on a small machine: not in a container, and on a small machine with an ext4 disk once, for good."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from alvps.provision import bootstrap
from tests.host.provision.conftest import Machine

pytestmark = pytest.mark.host

# A small machine: the programs of this one on an ext4 disk of its own, which says that it has 1 GB and is no container.
# A VPS in a container may not mount a disk, so this machine does, in a mount namespace that ends with it. Swap belongs
# to the kernel and is switched off again, whatever came of it.
SMALL = r"""
mount -t tmpfs -o size=7g tmpfs /mnt
cd /mnt
truncate -s 6G disk
mkfs.ext4 -q disk
mkdir root
mount -o loop disk root
mkdir -p root/usr root/etc/alternatives root/proc root/dev root/opt root/run root/tmp
for place in /usr /etc/alternatives /dev; do mount --bind "$place" "root$place"; done
for link in bin sbin lib lib64; do [ ! -L "/$link" ] || ln -s "usr/$link" "root/$link"; done
mount -t proc proc root/proc
sed 's/^MemTotal:.*/MemTotal: 1000000 kB/' /proc/meminfo >meminfo
mount --bind meminfo root/proc/meminfo
printf '#!/bin/sh\nexit 1\n' >root/opt/systemd-detect-virt
chmod 755 root/opt/systemd-detect-virt
printf '# fstab\n' >root/etc/fstab
cat >root/opt/steps
trap 'chroot root /sbin/swapoff /swapfile' EXIT
PATH=/opt:$PATH chroot root /bin/sh -eu /opt/steps
"""

AGAIN = """
swap
echo "changed: $changed"
cat /proc/swaps
stat -c '%a %u %s' /swapfile
changed=no
swap
echo "changed: $changed"
swapoff /swapfile
swap
cat /etc/fstab
"""


def test_there_is_none_in_a_container(machine: Machine) -> None:
    assert machine.sh("test -e /swapfile && echo there || true") == ""


def test_a_small_machine_has_a_gigabyte_once() -> None:
    functions = bootstrap.script().decode().replace('main "$@" </dev/null', "")
    has_swap = len(Path("/proc/swaps").read_text().splitlines()) > 1
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n", "--"]
    done = subprocess.run(
        [*as_root, "unshare", "--mount", "sh", "-euc", SMALL],
        input=functions + AGAIN,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if has_swap:  # then so has the small machine, for it is the same kernel's
        assert done.stdout == "changed: no\n" + Path("/proc/swaps").read_text()
        return
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[:2] == ["bootstrap: swap: 1 GB, because this machine has little memory", "changed: yes"]
    (active,) = (line.split() for line in said if line.startswith("/swapfile") and "file" in line.split())
    assert active[1:3] == ["file", str((1 << 20) - 4)]  # in KiB, but for its first page
    assert said[-5:] == [f"600 0 {1 << 30}", "changed: no", said[0], "# fstab", "/swapfile none swap sw 0 0"]
