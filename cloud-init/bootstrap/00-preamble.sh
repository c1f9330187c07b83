#!/bin/sh
# Turns a Debian or Ubuntu machine into a host for agents. One script for every provider, made of the parts in
# cloud-init/bootstrap/ in the order of their names: cloud-init runs it at first boot, `al provision existing` and
# `al push` send it over SSH.
#
# It may run at any time, any number of times: every step looks first and changes only what is not yet so. What differs
# between distributions and releases is found out by looking for the feature, never by the name of the distribution.
# Only packages of the distribution are used. A file that somebody else wrote is never overwritten: everything here goes
# into drop-in folders, except where a program has none (daemon.json is merged).
#
# Usage: bootstrap.sh --digest SHA256 [--check] [--domain NAME | --no-domain] [--[no-]dashboard] [--[no-]expose] [--no-web]
#   --digest     what to write into /etc/action-llama/bootstrap.json at the very end: the sha256 of this script
#   --check      only say whether this machine can be a host
#   --domain     HTTPS for webhooks and health under this name, by the distribution's Caddy
#   --dashboard  the dashboard under that name as well
#   --expose     the public listener itself (8080, HTTP) on all addresses
#   --no-web     none of the three
# What is not said about these three stays as it was: /etc/action-llama/web.conf remembers (docs/web.md).
# Exit: 0 done; 64 this machine cannot be a host, nothing was changed; anything else: the last line says which step.
# Runs as root. Reads nothing from standard input (over SSH, standard input is this very script).
set -eu
umask 022
LC_ALL=C
DEBIAN_FRONTEND=noninteractive
NEEDRESTART_SUSPEND=1 # Ubuntu's needrestart must neither ask nor restart anything behind our back
export LC_ALL DEBIAN_FRONTEND NEEDRESTART_SUSPEND
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

# What has to be there, and the package that brings it. A line counts only if the command is missing, so an engine from
# another source (docker-ce) is kept. The image of a local VPS reads this table too.
NEEDED='
dockerd docker.io
python3 python3
git git
curl curl
iptables iptables
nft nftables
ss iproute2
update-ca-certificates ca-certificates
unattended-upgrade unattended-upgrades
'

ETC=/etc/action-llama
BASE=/opt/action-llama
DAEMON=action-llama
LAUNCHER=action-llama-launcher
CADDY_DROPIN=/etc/systemd/system/caddy.service.d/50-action-llama.conf
EXPOSE_DROPIN=/etc/systemd/system/action-llama.socket.d/50-expose.conf

step=start
changed=no
scratch=/run/action-llama-bootstrap.$$

say() { printf 'bootstrap: %s\n' "$*"; }
did() { changed=yes; say "$*"; }
refuse() { say "refused: $*"; step=; exit 64; }
fail() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# shellcheck disable=SC2317,SC2329 # called by the trap
leaving() {
  code=$?
  rm -f "$scratch" "$scratch.rules" "$scratch.caddy"
  if [ "$code" -ne 0 ] && [ -n "$step" ]; then
    say "failed at: $step (exit code $code); run it again once that is mended, it goes on where it stopped"
  fi
  exit "$code"
}

# put PATH MODE <content: makes PATH have that content and mode, atomically; the variable `put` says what it did.
# (A variable and not a status: a function called as a condition would lose `set -e` in its body.)
put() {
  put=same
  cat >"$scratch"
  if [ -f "$1" ] && cmp -s "$scratch" "$1" && [ "$(stat -c %a "$1")" = "${2#0}" ]; then return 0; fi
  mkdir -p "$(dirname "$1")"
  new=$(mktemp "$(dirname "$1")/.al-new.XXXXXX")
  cat "$scratch" >"$new"
  chmod "$2" "$new"
  mv -f "$new" "$1"
  put=changed
}

# folder PATH OWNER GROUP MODE
folder() {
  if [ ! -d "$1" ]; then
    mkdir -p "$1"
    did "made $1"
  fi
  if [ "$(stat -c '%U:%G %a' "$1")" != "$2:$3 ${4#0}" ]; then
    chown "$2:$3" "$1"
    chmod "$4" "$1"
    did "$1 belongs to $2:$3, mode $4"
  fi
}
