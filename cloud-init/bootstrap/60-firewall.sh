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
