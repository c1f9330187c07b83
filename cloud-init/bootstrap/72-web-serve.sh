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
    # shellcheck disable=SC2086 # as above
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
