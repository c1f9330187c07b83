#!/bin/sh
# Turns a Debian or Ubuntu machine into a host for agents. One script for every provider: cloud-init runs it at first
# boot, `al provision existing` and `al push` send it over SSH.
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

check() {
  step=check
  [ "$(id -u)" -eq 0 ] || refuse "must run as root"
  case $(uname -m) in
    x86_64 | aarch64) ;;
    *) refuse "processor $(uname -m) is not supported (x86_64 and aarch64 are)" ;;
  esac
  [ -d /run/systemd/system ] || refuse "systemd does not run this machine"
  has apt-get || refuse "no apt: only Debian, Ubuntu and their like are supported"
  free=$(df -Pk / | awk 'NR == 2 { print $4 }')
  [ "$free" -ge 2000000 ] || [ -f "$ETC/bootstrap.json" ] || refuse "only $((free / 1024)) MB are free on /, 2 GB are needed"
}

packages() {
  step=packages
  missing=
  while read -r command package; do
    [ -z "$command" ] || has "$command" || missing="$missing $package"
  done <<END
$NEEDED
END
  # Where venv is a package of its own, the module is there without it but cannot make pip.
  has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
  if [ -n "$missing" ]; then
    say "packages: installing$missing"
    apt_get update
    # Newer releases split the client from docker.io and only recommend it.
    case " $missing " in *" docker.io "*) if apt-cache show docker-cli >/dev/null 2>&1; then missing="$missing docker-cli"; fi ;; esac
    # shellcheck disable=SC2086 # a list of words
    apt_get install --no-install-recommends $missing
    did "packages: installed$missing"
  fi
  has docker || fail "the command docker is missing although Docker's engine is there"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "python3 is older than 3.10: this release is too old to be a host"
}

# A machine that was just booted often has apt running in the background: wait for its lock. Output only if it failed.
apt_get() {
  log=$(mktemp)
  if apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold "$@" >"$log" 2>&1; then
    rm -f "$log"
  else
    tail -n 20 "$log"
    rm -f "$log"
    fail "apt-get $1 failed"
  fi
}

# pip brings its own list of authorities and would not know a company's.
authorities() {
  step=authorities
  # The second place is where cloud-init puts those of its ca_certs.
  if [ -n "$(find /usr/local/share/ca-certificates /usr/share/ca-certificates/cloud-init-* -name '*.crt' 2>/dev/null | head -n 1)" ] \
    && [ ! -e /etc/pip.conf ]; then
    put /etc/pip.conf 0644 <<'END'
# Written by the bootstrap because this machine has authorities of its own in /usr/local/share/ca-certificates.
[global]
cert = /etc/ssl/certs/ca-certificates.crt
END
    did "pip trusts the authorities of this machine"
  fi
}

accounts() {
  step=accounts
  for name in "$DAEMON" "$LAUNCHER"; do
    if ! getent passwd "$name" >/dev/null; then
      useradd --system --user-group --no-create-home --home-dir "/var/lib/$name" --shell /usr/sbin/nologin "$name"
      did "made the account $name"
    fi
  done
  # Whoever may use Docker is root: the launcher may, the daemon must not.
  case " $(id -nG "$LAUNCHER") " in
    *" docker "*) ;;
    *)
      usermod -a -G docker "$LAUNCHER"
      did "$LAUNCHER may use Docker"
      ;;
  esac
}

folders() {
  step=folders
  folder "$ETC" root root 0755
  folder "$BASE" root root 0755
  folder "$BASE/releases" root root 0755
  folder "$BASE/code" root root 0755
  folder "$BASE/venvs" root root 0755
  folder "/var/lib/$DAEMON" "$DAEMON" "$DAEMON" 0700
  # The group is the daemon's because that is the unit's Group= (see action-llama-launcher.service).
  folder "/var/lib/$LAUNCHER" "$LAUNCHER" "$DAEMON" 0700
  folder "/var/lib/$LAUNCHER/credentials" "$LAUNCHER" "$DAEMON" 0700
  # What the daemon checks webhooks with. Root's, so that root never writes where the daemon could have put a link.
  folder /var/lib/action-llama-gateway root "$DAEMON" 0750
  folder /var/lib/action-llama-gateway/credentials root "$DAEMON" 0750
}

docker_engine() {
  step=docker
  restart=no
  put /etc/systemd/system/docker.service.d/50-action-llama.conf 0644 <<'END'
# The output of runs goes through dockerd to journald: its default limit (10,000 lines in 30 s) would drop lines of one
# busy agent, and of all others with it.
[Service]
LogRateLimitIntervalSec=0
END
  if [ "$put" = changed ]; then
    systemctl daemon-reload
    restart=yes
  fi
  merged=$(daemon_json)
  put /etc/docker/daemon.json 0644 <<END
$merged
END
  [ "$put" = same ] || restart=yes
  systemctl is-enabled -q docker.service || systemctl enable -q docker.service
  if systemctl is-active -q docker.service; then
    if [ "$restart" = yes ]; then
      # First a reload: it switches live-restore on, so that the restart leaves running containers alone.
      systemctl reload docker.service
      systemctl restart docker.service
      did "docker: restarted with its new settings"
    fi
  else
    systemctl start docker.service
    did "docker: started"
  fi
  docker version --format '{{.Server.Version}}' >/dev/null || fail "Docker's engine does not answer"
}

# /etc/docker/daemon.json as it should be, to stdout: what the machine's owner wrote wins.
daemon_json() {
  python3 - <<'END'
import json, pathlib, subprocess, sys
path = pathlib.Path("/etc/docker/daemon.json")
text = path.read_text() if path.exists() else ""
try:
    config = json.loads(text) if text.strip() else {}
except ValueError as error:
    sys.exit(f"bootstrap: {path} is not JSON ({error}); mend it first")
before = json.dumps(config)
# Containers survive a restart or upgrade of Docker. A swarm refuses to start with it.
swarm = subprocess.run(["docker", "info", "--format", "{{.Swarm.LocalNodeState}}"], capture_output=True, text=True)
if swarm.stdout.strip() not in ("active", "pending", "locked"):
    config.setdefault("live-restore", True)
# Containers that are not ours must not fill the disk with their logs either.
if "log-driver" not in config and "log-opts" not in config:
    config["log-driver"] = "json-file"
    config["log-opts"] = {"max-size": "10m", "max-file": "3"}
print(text.rstrip("\n") if json.dumps(config) == before and text.strip() else json.dumps(config, indent=2))
END
}

journal() {
  step=journal
  put /etc/systemd/journald.conf.d/50-action-llama.conf 0644 <<'END'
# The journal is where runs' logs live: kept across reboots, within a bound that a small disk can afford.
[Journal]
Storage=persistent
SystemMaxUse=1G
SystemKeepFree=512M
END
  if [ "$put" = changed ]; then
    systemctl restart systemd-journald.service
    journalctl --flush
    did "journal: persistent, at most 1 GB"
  fi
}

upgrades() {
  step=upgrades
  put /etc/apt/apt.conf.d/52-action-llama 0644 <<'END'
// Security updates are installed daily; which archives count as such is the distribution's own setting. The machine
// is never rebooted behind its owner's back.
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
Unattended-Upgrade::Automatic-Reboot "false";
END
  [ "$put" = same ] || did "security updates: daily, without reboots"
}

swap() {
  step=swap
  memory=$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
  [ "$memory" -lt 2000000 ] || return 0
  if systemd-detect-virt --container --quiet || [ "$(wc -l </proc/swaps)" -gt 1 ]; then return 0; fi
  case $(stat -f -c %T /) in
    ext2/ext3 | xfs) ;;
    *)
      say "swap: none (not made on this file system)"
      return 0
      ;;
  esac
  free=$(df -Pk / | awk 'NR == 2 { print $4 }')
  if [ ! -f /swapfile ]; then
    if [ "$free" -lt 4000000 ]; then
      say "swap: none (the disk is too full)"
      return 0
    fi
    rm -f /swapfile.new
    (umask 077 && dd if=/dev/zero of=/swapfile.new bs=1M count=1024 status=none)
    mkswap /swapfile.new >/dev/null
    mv /swapfile.new /swapfile
  fi
  grep -q '^/swapfile ' /etc/fstab || printf '/swapfile none swap sw 0 0\n' >>/etc/fstab
  swapon /swapfile
  did "swap: 1 GB, because this machine has little memory"
}

# Is there a key that lets somebody in? Without one, switching passwords off would lock the owner out.
key_login_works() {
  for home in /root /home/*; do
    if [ -s "$home/.ssh/authorized_keys" ]; then return 0; fi
  done
  sshd -T 2>/dev/null | awk '$1 == "trustedusercakeys" || $1 == "authorizedkeyscommand" { if ($2 != "none") ok = 1 } END { exit !ok }'
}

ssh_server() {
  step=ssh
  has sshd || refuse "no SSH server"
  mkdir -p /run/sshd # sshd -t wants it, and with socket activation it may not be there yet
  if ! key_login_works; then
    say "ssh: no account has an authorized key, so passwords were NOT switched off"
    return 0
  fi
  # Named to sort before what cloud images bring along: in sshd's configuration the first value counts.
  conf=/etc/ssh/sshd_config.d/05-action-llama.conf
  root_login=
  if [ -f "$conf" ]; then
    root_login=$(grep '^PermitRootLogin' "$conf" || true)
  elif sshd -T | grep -qx 'permitrootlogin yes'; then
    root_login='PermitRootLogin prohibit-password' # never loosens what is stricter already
  fi
  put "$conf" 0644 <<END
# Keys only. A dead connection is noticed within 15 seconds, and with it ends what it was doing (a push's lock).
PasswordAuthentication no
KbdInteractiveAuthentication no
ClientAliveInterval 5
ClientAliveCountMax 3
$root_login
END
  fresh=$put
  if ! grep -Eqi '^[[:space:]]*Include[[:space:]]+"?/etc/ssh/sshd_config\.d/\*\.conf' /etc/ssh/sshd_config; then
    { printf 'Include /etc/ssh/sshd_config.d/*.conf\n' && cat /etc/ssh/sshd_config; } | { put /etc/ssh/sshd_config 0644; }
    fresh=changed
  fi
  if [ "$fresh" = changed ]; then
    if ! problem=$(sshd -t 2>&1); then
      rm -f "$conf"
      fail "sshd would not accept its new settings, they were taken back: $problem"
    fi
    # Does nothing where sshd is started by its socket for each connection.
    systemctl try-reload-or-restart ssh.service
    did "ssh: keys only"
  fi
  sshd -T | grep -qx 'passwordauthentication no' || say "ssh: another file still allows passwords (see sshd -T)"
}

# Ports that sshd listens on, or that this very connection came in on, as "22, 2222".
ssh_ports() {
  {
    sshd -T | awk '$1 == "port" { print $2 }'
    ss -Hltnp | awk '/"sshd"/ { sub(/.*:/, "", $4); print $4 }'
    # Debian ships the socket without using it.
    if systemctl is-active -q ssh.socket; then
      systemctl show ssh.socket --property=Listen --value | tr ' ' '\n' | sed -n 's/.*:\([0-9][0-9]*\)$/\1/p'
    fi
    printf '%s\n' "${SSH_CONNECTION:-}" | awk 'NF == 4 { print $4 }'
  } | sort -un | awk '{ printf "%s%s", sep, $1; sep = ", " }'
}

# Who else guards or serves this machine: a reason not to close its ports, or nothing.
other_network_owner() {
  if has ufw && ufw status 2>/dev/null | grep -q '^Status: active'; then echo "ufw is active"; return; fi
  if systemctl is-active -q firewalld.service; then echo "firewalld is active"; return; fi
  if [ "$(iptables -S INPUT 2>/dev/null | grep -cvx -e '-P INPUT ACCEPT')" -gt 0 ]; then echo "there are rules in iptables' INPUT chain"; return; fi
  others=$(nft list chains 2>/dev/null | awk '$1 == "table" { table = $2 " " $3 } /hook input/ && table !~ /^(ip|ip6) filter$/ && table != "inet action_llama" { print table }')
  if [ -n "$others" ]; then echo "there is another nftables input chain"; return; fi
  # Loopback, DHCP, NTP and name discovery do not count; docker-proxy's ports do not pass the input chain.
  listeners=$(ss -Hltunp | awk -v ssh=" $(ssh_ports | tr -d ,) " '
    /docker-proxy/ || $5 ~ /^(127\.|\[::1\]|\[::ffff:127\.)/ || $5 ~ /%lo:/ { next }
    { port = $5; sub(/.*:/, "", port) }
    index(ssh, " " port " ") && $1 == "tcp" { next }
    $1 == "udp" && port ~ /^(68|123|323|546|5353|5355)$/ { next }
    { print $1 " " port }' | sort -u | tr '\n' ',' | sed 's/,$//')
  if [ -n "$listeners" ]; then echo "other services listen here ($listeners)"; fi
}

firewall() {
  step=firewall
  rules=$ETC/firewall.nft
  guarded=no
  if [ -f "$rules" ] && grep -q 'hook input' "$rules"; then
    guarded=yes # ours already; a service that came later is the owner's business (see firewall.d)
  else
    reason=$(other_network_owner)
    if [ -z "$reason" ]; then guarded=yes; fi
  fi
  folder "$ETC/firewall.d" root root 0755
  firewall_rules "$guarded" "$(ssh_ports)" "$(web_ports)" >"$scratch.rules"
  put "$rules" 0644 <"$scratch.rules"
  fresh=$put
  # A unit of its own and not nftables.service: the distribution's rule set begins with `flush ruleset`, which would
  # take Docker's rules away at every reload.
  put /etc/systemd/system/action-llama-firewall.service 0644 <<'END'
[Unit]
Description=Firewall of the Action Llama host
Documentation=file:/etc/action-llama/firewall.nft
# Before the network is up there is nothing to guard, after it is too late.
DefaultDependencies=no
After=local-fs.target
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
# One transaction: the table is replaced, there is no moment without rules.
ExecStart=/usr/sbin/nft -f /etc/action-llama/firewall.nft
ExecReload=/usr/sbin/nft -f /etc/action-llama/firewall.nft
ExecStop=/usr/sbin/nft delete table inet action_llama

[Install]
WantedBy=sysinit.target
END
  if [ "$put" = changed ]; then
    systemctl daemon-reload
    fresh=changed
  fi
  if ! problem=$(nft -c -f "$rules" 2>&1); then
    systemctl is-enabled -q action-llama-firewall.service 2>/dev/null && systemctl disable -q --now action-llama-firewall.service
    say "firewall: none, this kernel or container does not allow nftables ($(printf '%s' "$problem" | head -n 1))"
    return 0
  fi
  systemctl is-enabled -q action-llama-firewall.service 2>/dev/null || systemctl enable -q action-llama-firewall.service
  if [ "$fresh" = changed ] || ! systemctl is-active -q action-llama-firewall.service; then
    systemctl reload-or-restart action-llama-firewall.service
    if [ "$guarded" = yes ]; then
      web=$(web_ports)
      did "firewall: only SSH (port $(ssh_ports)) ${web:+and web (port $web) }is open"
    else
      did "firewall: incoming ports were left as they are, because $reason"
    fi
  fi
}

# Where ufw guards the machine (some providers' images come with it, closed but for SSH), it is told about the web's ports.
# The rules carry our name and go when the web goes; what the owner has allowed himself is left alone.
ufw_rules() {
  if ! has ufw || ! ufw status 2>/dev/null | grep -q '^Status: active'; then return 0; fi
  added=$(ufw show added)
  for port in 80 443 8080; do
    case ", $(web_ports), " in
      *", $port, "*)
        if ! printf '%s\n' "$added" | grep -Eq "^ufw allow $port(/tcp)?( |\$)"; then
          ufw allow "$port/tcp" comment 'Action Llama' >/dev/null
          did "firewall: ufw lets port $port in"
        fi
        ;;
      *)
        if printf '%s\n' "$added" | grep -Fqx "ufw allow $port/tcp comment 'Action Llama'"; then
          ufw delete allow "$port/tcp" >/dev/null
          did "firewall: ufw does not let port $port in any more"
        fi
        ;;
    esac
  done
}

# firewall_rules GUARDED SSH_PORTS WEB_PORTS: the rule set, to stdout
firewall_rules() {
  cat <<'END'
# Written by the bootstrap. Put what else should be open into /etc/action-llama/firewall.d/NAME.nft
# (for example: tcp dport { 80, 443 } accept) and run: systemctl reload action-llama-firewall
table inet action_llama
delete table inet action_llama
table inet action_llama {
  # Ports that containers publish do not come through `input`: that is Docker's own business.
END
  if [ "$1" = yes ]; then
    cat <<END
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    ct state invalid drop
    iif lo accept
    meta l4proto { icmp, ipv6-icmp } accept
    udp sport 67 udp dport 68 accept
    udp sport 547 udp dport 546 accept
    tcp dport { $2 } accept${3:+
    tcp dport { $3 \} accept # web}
    include "/etc/action-llama/firewall.d/*.nft"
  }
END
  fi
  cat <<'END'
  # A run must not ask the cloud's metadata service, which knows this machine's user-data. DNS stays: some clouds have
  # their resolver at the same address.
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    ip daddr 169.254.0.0/16 meta l4proto { tcp, udp } th dport != 53 drop
    ip6 daddr fd00:ec2::/32 meta l4proto { tcp, udp } th dport != 53 drop
  }
}
END
}

# web_conf KEY: what web.conf says
web_conf() { sed -n "s/^$1=//p" "$ETC/web.conf" 2>/dev/null | head -n 1; }

is_domain() {
  case $1 in *[!a-z0-9.-]*) return 1 ;; esac
  [ "${#1}" -le 253 ] && printf '%s\n' "$1" | grep -Eqx '([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?'
}

# What the world is to see: what was asked for, else what it saw before. Changes nothing.
web_settings() {
  step=web
  was_domain=$(web_conf domain)
  was_dashboard=$(web_conf dashboard)
  was_expose=$(web_conf expose)
  # By hand: `internal` has Caddy's own authority make the certificate, for a name that no public one can check.
  tls=$(web_conf tls)
  domain=${ask_domain-$was_domain}
  dashboard=${ask_dashboard:-$was_dashboard}
  expose=${ask_expose:-$was_expose}
  [ -z "$domain" ] || is_domain "$domain" || refuse "--domain: '$domain' is no domain (as in agents.example.com)"
  if [ -z "$domain" ]; then
    [ "${ask_dashboard-}" != yes ] || refuse "--dashboard needs a --domain: a login must not travel without TLS"
    dashboard=no
  fi
  if [ -z "$domain" ] || [ -e "$CADDY_DROPIN" ]; then return 0; fi
  if owned_caddy; then
    refuse "Caddy serves other sites here (/etc/caddy/Caddyfile was changed); docs/web.md says how it serves the webhooks too"
  fi
  taken=$(ss -Hltnp '( sport = :80 or sport = :443 )' 2>/dev/null | grep -v '"caddy"' | head -n 1 || true)
  if [ -n "$taken" ]; then
    who=$(printf '%s' "$taken" | sed -n 's/.*users:(("\([^"]*\)".*/\1/p')
    port=$(printf '%s' "$taken" | awk '{ sub(/.*:/, "", $4); print $4 }')
    refuse "port $port is served by ${who:-another program} already: --domain needs 80 and 443 (docs/web.md says how that program serves the webhooks)"
  fi
}

has_caddy() { [ "$(dpkg-query -W -f '${db:Status-Status}' caddy 2>/dev/null)" = installed ]; }

# Is Caddy here for somebody's own sites: with another Caddyfile than its package brings?
owned_caddy() {
  [ -f /etc/caddy/Caddyfile ] || return 1
  has_caddy || return 0
  brought=$(dpkg-query -W -f '${Conffiles}\n' caddy | awk '$1 == "/etc/caddy/Caddyfile" { print $2 }')
  [ "$brought" != "$(md5sum /etc/caddy/Caddyfile | cut -d ' ' -f 1)" ]
}

web_ports() {
  { [ -z "$domain" ] || printf '80\n443\n'; [ "$expose" != yes ] || echo 8080; } | awk '{ printf "%s%s", sep, $1; sep = ", " }'
}

# The package, and a configuration that it accepts; then what was asked for is remembered. Nothing is served yet.
web_prepare() {
  step=web
  if [ -n "$domain" ]; then
    if ! has_caddy; then
      say "web: installing caddy"
      apt_get update
      apt-cache show caddy >/dev/null 2>&1 || fail "web: this distribution has no package caddy; install one from caddyserver.com and run this again"
    fi
    # Before the package: it starts Caddy at once, with a page of its own on port 80.
    put "$CADDY_DROPIN" 0644 <<'END'
# Written by the bootstrap. Caddy serves the host's domain, by a file of our own; /etc/caddy/Caddyfile is left alone.
[Unit]
ConditionPathExists=/etc/action-llama/Caddyfile
StartLimitIntervalSec=0

[Service]
ExecStart=
ExecStart=/usr/bin/caddy run --config /etc/action-llama/Caddyfile
ExecReload=
ExecReload=/usr/bin/caddy reload --config /etc/action-llama/Caddyfile --force
Restart=always
RestartSec=2
# Answers that are on their way are sent to their end (see grace_period).
TimeoutStopSec=15
# Its admin API is a socket in here.
RuntimeDirectory=caddy
RuntimeDirectoryMode=0700
# Strangers who flood it must not take the machine from the runs.
MemoryMax=384M
Environment=GOMEMLIMIT=256MiB
CPUWeight=50
TasksMax=256
LimitNOFILE=8192
LimitCORE=0
# It writes its certificates and nothing else, and sees nothing of what runs here.
ReadWritePaths=/var/lib/caddy
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
InaccessiblePaths=-/opt/action-llama -/var/lib/action-llama -/var/lib/action-llama-launcher
InaccessiblePaths=-/var/lib/action-llama-gateway -/run/action-llama -/run/action-llama-launcher -/run/action-llama-runs
InaccessiblePaths=-/var/lib/docker -/var/lib/containerd -/var/lib/cloud -/run/docker.sock
ProtectProc=invisible
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RemoveIPC=yes
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @keyring
SystemCallErrorNumber=EPERM
UMask=0077
END
    if ! has_caddy; then
      put "$ETC/caddy-installed" 0644 <<'END'
Caddy was installed by the bootstrap; whoever removes the rest removes it too.
END
      apt_get install --no-install-recommends caddy
      did "web: installed caddy"
    fi
    caddyfile >"$scratch.caddy"
    if ! cmp -s "$scratch.caddy" "$ETC/Caddyfile" \
      && ! problem=$(as_caddy validate --adapter caddyfile --config "$scratch.caddy" 2>&1); then
      printf '%s\n' "$problem" | tail -n 3
      fail "web: Caddy does not accept its configuration; nothing was changed for $domain"
    fi
  fi
  remember_web
}

remember_web() {
  if [ -n "$domain" ] || [ "$expose" = yes ] || [ -e "$ETC/web.conf" ]; then
    put "$ETC/web.conf" 0644 <<END
# What the world sees of this host. Written by the bootstrap; change it with: al env web NAME
domain=$domain
dashboard=${dashboard:-no}
expose=${expose:-no}
tls=${tls:-public}
END
  fi
}

# Never as root: it reads its certificates, and makes an authority's key where one is missing.
as_caddy() { runuser -u caddy -- env -i HOME=/var/lib/caddy PATH="$PATH" caddy "$@"; }

# Caddy's configuration, to stdout; for Caddy 2.6 and later.
caddyfile() {
  protocols=h1
  internal=
  # Browsers want HTTP/2, senders of webhooks do not: without the dashboard there is that much less to attack.
  if [ "$dashboard" = yes ]; then protocols='h1 h2'; fi
  if [ "$tls" = internal ]; then internal='
	tls internal'; fi
  cat <<END
# Written by the bootstrap for https://$domain; change what it says with: al env web NAME
{
	admin unix//run/caddy/admin.sock
	skip_install_trust
	auto_https disable_redirects
	grace_period 10s
	servers {
		protocols $protocols
		max_header_size 16KB
		# How large a body may be and how long it may take is for the daemon to say (60 s): it is sent on as it comes.
		# Who stops in the middle of one that the daemon has refused already is let go by the time here.
		timeouts {
			read_header 10s
			read_body 90s
			idle 1m
		}
	}
	# Nothing of a request, should one be in a line: addresses and signatures are nobody's business.
	log {
		format filter {
			wrap console
			fields {
				request delete
				resp_headers delete
			}
		}
	}
}

# The daemon's listener belongs to systemd, so what comes while the daemon restarts waits there. A connection for each
# request: one that is kept could be closed by a daemon that stops, in the moment when a request is sent on it. A push
# that changes the listener itself closes it for a moment: then it is tried again.
(patience) {
	lb_try_duration 15s
	lb_try_interval 100ms
	transport http {
		keepalive off
		compression off
	}
}

https://$domain {$internal
	header {
		-Server
		Strict-Transport-Security "max-age=31536000"
	}
	@webhooks {
		method POST
		path_regexp ^/webhooks/[a-z0-9_-]+/?\$
	}
	handle @webhooks {
		reverse_proxy 127.0.0.1:8080 {
			import patience
		}
	}
	@health {
		method GET
		path_regexp ^/(health|ready)\$
	}
	handle @health {
		reverse_proxy 127.0.0.1:8080 {
			import patience
		}
	}
END
  if [ "$dashboard" = yes ]; then
    cat <<'END'
	# Who has no session gets no further than its login (docs/dashboard.md).
	handle {
		request_body {
			max_size 2MB
		}
		reverse_proxy 127.0.0.1:8081 {
			import patience
		}
	}
END
  else
    cat <<'END'
	handle {
		respond 404
	}
END
  fi
  cat <<END
	handle_errors {
		header -Server
		respond "" {err.status_code}
	}
}

# Whoever comes by another name finds nobody.
https:// {
	header -Server
	respond 404
}

http:// {
	header -Server
	@here host $domain
	redir @here https://$domain{uri} 308
	respond 404
}
END
}

# Does something listen on 8080 on more than loopback?
exposed() { ss -Hltn 'sport = :8080' | awk '$4 !~ /^(127\.|\[::1\])/ { found = 1 } END { print found ? "yes" : "no" }'; }

# Has systemd not read this drop-in of the unit yet? It does not see by itself that there is a new folder.
unread() {
  if [ -e "$2" ]; then
    case " $(systemctl show -P DropInPaths "$1" 2>/dev/null) " in *" $2 "*) ;; *) return 0 ;; esac
  fi
  [ "$(systemctl show -P NeedDaemonReload "$1" 2>/dev/null)" = yes ]
}

web_serve() {
  step=web
  if [ -n "$domain" ]; then
    fresh=no
    if unread caddy.service "$CADDY_DROPIN"; then
      systemctl daemon-reload
      fresh=yes
    fi
    if [ ! -f "$ETC/Caddyfile" ] || ! systemctl is-active -q caddy.service; then fresh=yes; fi
    put "$ETC/Caddyfile" 0644 <"$scratch.caddy"
    systemctl is-enabled -q caddy.service || systemctl enable -q caddy.service
    if [ "$fresh$put" != nosame ]; then
      verb=reload
      if [ "$fresh" = yes ]; then verb=restart; fi
      since=$(date +%s)
      if ! systemctl "$verb" caddy.service; then
        journalctl -q --no-pager -o cat -n 3 -u caddy.service --since "@$since" || true
        web_back
      fi
      did "web: https://$domain leads to webhooks and health$([ "$dashboard" != yes ] || echo ', and to the dashboard')"
    fi
  else
    web_leave
  fi
  if [ "$expose" = yes ]; then
    put "$EXPOSE_DROPIN" 0644 <<'END'
# Written by the bootstrap (--expose): the public listener on all addresses.
[Socket]
ListenStream=
ListenStream=8080
END
  else
    rm -f "$EXPOSE_DROPIN"
  fi
  if unread action-llama.socket "$EXPOSE_DROPIN"; then systemctl daemon-reload; fi
  systemctl is-active -q action-llama.socket || return 0
  if [ "$(exposed)" != "${expose:-no}" ]; then
    # A listener cannot be started under the service that has it; and as long as there is any, a connection starts it.
    sockets=$(systemctl show -P TriggeredBy action-llama.service)
    # shellcheck disable=SC2086 # a list of units
    systemctl stop $sockets
    systemctl stop action-llama.service
    # shellcheck disable=SC2086
    systemctl start $sockets
    systemctl start action-llama.service
    [ "$(exposed)" = "${expose:-no}" ] || fail "web: the public listener is not where it should be (systemctl status action-llama.socket)"
    if [ "$expose" = yes ]; then did "web: port 8080 is open on all addresses"; else did "web: port 8080 is on loopback only"; fi
  fi
}

# Caddy is what it was before it was ours.
web_leave() {
  [ -e "$CADDY_DROPIN" ] || return 0
  systemctl stop caddy.service
  rm -f "$ETC/Caddyfile" "$CADDY_DROPIN"
  systemctl daemon-reload
  if [ -e "$ETC/caddy-installed" ]; then
    systemctl disable -q caddy.service
  else
    systemctl start caddy.service
  fi
  did "web: Caddy serves nothing of ours any more"
}

# Caddy did not take its new configuration: the old one again, and an error.
web_back() {
  now=$domain
  domain=$was_domain dashboard=$was_dashboard expose=$was_expose
  remember_web
  if [ -n "$domain" ]; then
    caddyfile >"$scratch.caddy"
    put "$ETC/Caddyfile" 0644 <"$scratch.caddy"
    systemctl reload-or-restart caddy.service || say "web: Caddy does not serve $domain either (journalctl -u caddy)"
  else
    web_leave
  fi
  firewall
  ufw_rules
  step=web
  fail "web: Caddy did not start with $now; what was there before is there again"
}

record() {
  step=record
  put "$ETC/bootstrap.json" 0644 <<END
{"digest": "$1"}
END
}

main() {
  digest=
  only_check=no
  unset ask_domain ask_dashboard ask_expose
  while [ $# -gt 0 ]; do
    case $1 in
      --digest) digest=$2; shift 2 ;;
      --check) only_check=yes; shift ;;
      --domain)
        [ -n "${2-}" ] || refuse "--domain wants a name"
        ask_domain=$2
        shift 2
        ;;
      --no-domain) ask_domain=; shift ;;
      --dashboard) ask_dashboard=yes; shift ;;
      --no-dashboard) ask_dashboard=no; shift ;;
      --expose) ask_expose=yes; shift ;;
      --no-expose) ask_expose=no; shift ;;
      --no-web) ask_domain='' ask_dashboard=no ask_expose=no; shift ;;
      *) refuse "unknown argument: $1" ;;
    esac
  done
  trap leaving EXIT
  exec 2>&1 # one stream: what a program complains about stands where it happened
  check
  web_settings
  if [ "$only_check" = yes ]; then
    say "this machine can be a host"
    return 0
  fi
  case $digest in *[!0-9a-f]*) digest= ;; esac
  [ "${#digest}" -eq 64 ] || refuse "--digest must be a sha256"
  exec 9>/run/action-llama-bootstrap.lock
  flock -w 600 9 || fail "another bootstrap runs here and does not end"
  packages
  authorities
  accounts
  folders
  docker_engine
  journal
  upgrades
  swap
  ssh_server
  web_prepare
  firewall
  ufw_rules
  web_serve
  record "$digest"
  if [ "$changed" = yes ]; then say "done"; else say "unchanged"; fi
}

# The last line: a script that was cut off on its way here defines functions and does nothing.
main "$@" </dev/null
