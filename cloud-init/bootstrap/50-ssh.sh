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
