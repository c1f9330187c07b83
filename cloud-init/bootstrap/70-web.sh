# web_conf KEY: what web.conf says
web_conf() { sed -n "s/^$1=//p" "$ETC/web.conf" 2>/dev/null | head -n 1; }

is_domain() {
  case $1 in *[!a-z0-9.-]*) return 1 ;; esac
  [ "${#1}" -ge 4 ] && [ "${#1}" -le 253 ] && printf '%s\n' "$1" | grep -Eqx '([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?'
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
