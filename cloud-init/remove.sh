#!/bin/sh
# Takes from a host what a push and the bootstrap put there for agents, and says what it leaves.
#
# Usage: remove.sh [--purge]
#   --purge  also the history of runs, the credentials and the accounts that own them
# Every line of output is `removed: WHAT` or `left: WHAT`. Runs as root, any number of times; reads no standard input.
set -eu
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

removed() { printf 'removed: %s\n' "$*"; }
left() { printf 'left: %s\n' "$*"; }

units() {
  for unit in action-llama.socket action-llama-runs.socket action-llama-dashboard.socket action-llama.service \
    action-llama-launcher.service action-llama-credentials.socket action-llama-webhook-secrets.socket; do
    file=/etc/systemd/system/$unit
    [ -e "$file" ] || continue
    systemctl disable -q --now "$unit" 2>/dev/null || systemctl stop "$unit"
    rm -rf "$file" "$file.d"
    removed "unit $unit"
  done
  # The services of the last two are templates: there is nothing to stop.
  rm -f /etc/systemd/system/action-llama-credentials@.service /etc/systemd/system/action-llama-webhook-secrets@.service
  systemctl daemon-reload
  systemctl reset-failed 'action-llama*' 2>/dev/null || true
}

# Only containers and networks that carry this installation's own mark: other people's are not touched.
containers() {
  command -v docker >/dev/null 2>&1 || return 0
  mark=$(cat /var/lib/action-llama-launcher/installation 2>/dev/null || true)
  [ -n "$mark" ] || return 0
  docker ps -aq --filter "label=al.installation=$mark" | while read -r id; do
    name=$(docker inspect --format '{{.Name}}' "$id")
    docker rm -f "$id" >/dev/null
    removed "container ${name#/}"
  done
  docker network ls -q --filter "label=al.installation=$mark" | while read -r id; do
    name=$(docker network inspect --format '{{.Name}}' "$id")
    docker network rm "$id" >/dev/null
    removed "network $name"
  done
}

# Caddy goes if it came for us, else it is what it was before.
web() {
  etc=/etc/action-llama
  dropin=/etc/systemd/system/caddy.service.d/50-action-llama.conf
  if [ -e "$dropin" ]; then
    systemctl stop caddy.service 2>/dev/null || true
    rm -f "$dropin" "$etc/Caddyfile"
    rmdir "${dropin%/*}" 2>/dev/null || true
    systemctl daemon-reload
    removed "$(sed -n 's/^domain=//p' "$etc/web.conf") from Caddy"
    [ -e "$etc/caddy-installed" ] || systemctl start caddy.service || left "Caddy, which does not start (systemctl status caddy)"
  fi
  if [ -e "$etc/caddy-installed" ]; then
    if DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=60 purge caddy >/dev/null 2>&1; then
      rm -rf /var/lib/caddy "$etc/caddy-installed"
      removed "the package caddy, with its certificates"
    else
      left "the package caddy, with its certificates (apt-get purge caddy)"
    fi
  fi
  rm -f "$etc/web.conf"
  if grep -q '# web$' "$etc/firewall.nft" 2>/dev/null; then
    sed -i '/# web$/d' "$etc/firewall.nft"
    systemctl try-reload-or-restart action-llama-firewall.service
    removed "the web's ports from the firewall"
  fi
  command -v ufw >/dev/null 2>&1 || return 0
  ufw show added | sed -n "s/^ufw \(allow [0-9]*\/tcp\) comment 'Action Llama'$/\1/p" | while read -r rule; do
    # shellcheck disable=SC2086 # two words
    ufw delete $rule >/dev/null
    removed "$rule from ufw"
  done
}

folder() {
  [ -e "$1" ] || return 0
  rm -rf "$1"
  removed "$1"
}

main() {
  purge=no
  if [ "${1-}" = --purge ]; then purge=yes; fi
  exec 2>&1
  units
  web
  containers
  folder /opt/action-llama
  folder /etc/action-llama/bootstrap.json
  if [ "$purge" = yes ]; then
    folder /var/lib/action-llama-gateway
    for name in action-llama-launcher action-llama; do
      folder "/var/lib/$name"
      if getent passwd "$name" >/dev/null; then
        userdel "$name"
        removed "account $name"
      fi
      if getent group "$name" >/dev/null; then groupdel "$name"; fi
    done
  else
    if [ -e /var/lib/action-llama ]; then
      left "the history of runs in /var/lib/action-llama, and its account (--purge removes both)"
    fi
    if [ -e /var/lib/action-llama-launcher ]; then
      left "credentials in /var/lib/action-llama-launcher, and their account (--purge removes both)"
    fi
    if [ -e /var/lib/action-llama-gateway ]; then
      left "webhook secrets in /var/lib/action-llama-gateway (--purge removes them)"
    fi
  fi
  left "Docker, its images and the installed packages"
  left "settings of the bootstrap: ssh keys only, security updates, journal and Docker logs within bounds"
  if [ -e /etc/action-llama/firewall.nft ]; then left "the firewall (systemctl disable --now action-llama-firewall)"; fi
}

main "$@" </dev/null
