#!/bin/sh
# Makes the image debian:bookworm-slim from Debian's packages, for machines that reach no container registry.
#
# Usage: make-base.sh [TAG]            needs root, apt's archive and a Docker engine; takes about a minute and a half
# The result is a minimal Debian 12 with what the agents' base image and a VPS build on (Python, git, curl, jq, ssh), so
# that `FROM debian:bookworm-slim` works unchanged, as it does where the image can be pulled.
set -eu
LC_ALL=C
export LC_ALL

tag=${1:-debian:bookworm-slim}
suite=bookworm
mirror=${AL_DEBIAN_MIRROR:-http://deb.debian.org/debian}
security=${AL_DEBIAN_SECURITY_MIRROR:-http://deb.debian.org/debian-security}

say() { printf 'base image: %s\n' "$*"; }

[ "$(id -u)" -eq 0 ] || { say "must run as root (sudo $0)" >&2; exit 1; }
if ! command -v debootstrap >/dev/null 2>&1; then
  command -v apt-get >/dev/null 2>&1 || { say "debootstrap is missing and there is no apt-get to install it" >&2; exit 1; }
  say "installing debootstrap"
  apt-get -q update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends debootstrap >/dev/null
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
root=$folder/root
log=$folder/log

say "fetching and unpacking Debian packages ($suite from $mirror)"
if ! debootstrap --variant=minbase --include=ca-certificates,curl,git,jq,openssh-client,python3 \
  "$suite" "$root" "$mirror" >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  say "debootstrap failed" >&2
  exit 1
fi

cat >"$root/etc/apt/sources.list" <<END
deb $mirror $suite main
deb $mirror $suite-updates main
deb $security $suite-security main
END
# As the published image does: no manuals, and none with later packages either.
cat >"$root/etc/dpkg/dpkg.cfg.d/docker" <<'END'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
END
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/man/* \
  "$root"/usr/share/info/* "$root"/usr/share/locale/*
find "$root/usr/share/doc" -type f ! -name copyright -delete
# What debootstrap took over from this machine.
rm -f "$root/etc/resolv.conf" "$root/etc/hostname"
: >"$root/etc/machine-id"
chmod 0755 "$root"

say "importing $tag"
tar -C "$root" --numeric-owner -c . | docker import --change 'CMD ["bash"]' --message "made from Debian packages" - "$tag" >/dev/null
say "made $tag"
