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
