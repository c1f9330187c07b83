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
