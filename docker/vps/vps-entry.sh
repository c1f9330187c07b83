#!/bin/sh
# PID 1 of a VPS in a container, before systemd takes over: gives systemd and the Docker engine inside the control
# groups and mounts that they would find on a machine of their own.
set -eu

if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  # cgroup v2. Unless the container is privileged, its (private) tree is mounted read-only.
  [ -w /sys/fs/cgroup ] || mount -o remount,rw /sys/fs/cgroup || true
else
  # cgroup v1 or hybrid: the controllers are mounted read-only. Build a writable tree, rooted in this container's own
  # cgroup namespace, so that systemd and Docker can both make groups.
  umount -R /sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  awk '!/^#/ && $4 == 1 && $2 != 0 { print $1 }' /proc/cgroups | while read -r controller; do
    mkdir -p "/sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" || rmdir "/sys/fs/cgroup/$controller"
  done
  mkdir -p /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
fi

# A read-only /sys is how systemd knows that it is in a container and must leave devices and the kernel alone; in a
# privileged container it is writable. (/sys/fs/cgroup is a mount of its own and stays writable.)
mount -o remount,bind,ro /sys 2>/dev/null || true

# Without this, mounts that systemd makes for a unit (credentials among them) never reach it.
mount --make-rshared /

# From here on `container` says to systemd and systemd-detect-virt where they are.
container=docker
export container
exec /lib/systemd/systemd
