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
    (umask 077 && dd if=/dev/zero of=/swapfile.new bs=1M count=1024 iflag=fullblock status=none)
    mkswap /swapfile.new >/dev/null
    mv /swapfile.new /swapfile
  fi
  grep -q '^/swapfile ' /etc/fstab || printf '/swapfile none swap sw 0 0\n' >>/etc/fstab
  swapon /swapfile
  did "swap: 1 GB, because this machine has little memory"
}
