# shellcheck shell=sh
# Shared by the scripts beside it; sourced by sh with the repository's root as the working directory.
# Every function can be called again: what is there already is left alone.

CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/alvps"

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else
    command -v sudo >/dev/null || die "this needs root or sudo: $*"
    sudo -- "$@"
  fi
}

# Debian packages, only when one is missing.
ensure_packages() {
  missing=""
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || die "please install:$missing (this script knows only apt)"
  say "installing Debian packages:$missing"
  as_root apt-get update -q >&2
  # shellcheck disable=SC2086 # a list of package names
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >&2
}

# The first usable interpreter, 3.10 to 3.13.
find_python() {
  for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
    path=$(command -v "$candidate") || continue
    "$path" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || continue
    echo "$path"
    return 0
  done
  die "no Python 3.10 to 3.13 found"
}

# Every interpreter from 3.10 to 3.13 that this machine has, one path a line: from PATH and from pyenv.
find_pythons() {
  for version in 3.10 3.11 3.12 3.13; do
    for candidate in "$(command -v "python$version" || true)" "$HOME/.pyenv/versions/$version".*/bin/python "$(find_python)"; do
      [ -x "$candidate" ] || continue
      [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ] || continue
      echo "$candidate"
      break
    done
  done
}

# A virtual environment with everything in requirements/dev.txt, made once for an interpreter and a lock file. Prints its path.
ensure_venv() {
  python=$1
  version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
  key=$(sha256sum requirements/dev.txt | cut -c1-12)
  venv="$CACHE/venv-$version-$key"
  if [ ! -e "$venv/complete" ]; then
    say "making a virtual environment for Python $version"
    rm -rf "$venv"
    if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
      ensure_packages python3-venv
      rm -rf "$venv"
      "$python" -m venv "$venv" || die "$python cannot make a virtual environment"
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.txt >&2
    touch "$venv/complete"
  fi
  echo "$venv"
}

docker_answers() { docker info >/dev/null 2>&1; }

# A Docker engine that answers, installed and started if need be.
ensure_docker() {
  if command -v docker >/dev/null && docker_answers; then return 0; fi
  if [ "$(id -u)" != 0 ] && command -v docker >/dev/null && sudo -n docker info >/dev/null 2>&1; then
    die "Docker runs, but this user may not use it: add yourself to the group docker (sudo usermod -aG docker $USER), log in again"
  fi
  ensure_packages docker.io
  if [ -d /run/systemd/system ]; then
    say "starting Docker"
    as_root systemctl start docker
  else
    say "starting dockerd (no systemd here); its log is /var/log/dockerd.log"
    as_root sh -c 'setsid dockerd >>/var/log/dockerd.log 2>&1 </dev/null &'
  fi
  waited=0
  until docker_answers; do
    [ "$waited" -lt 300 ] || { tail -n 20 /var/log/dockerd.log >&2 2>/dev/null; die "the Docker engine did not come up in 60 s"; }
    waited=$((waited + 1))
    sleep 0.2
  done
}

# The image debian:bookworm-slim: there, or pulled, or made from Debian's packages.
ensure_debian_image() {
  docker image inspect debian:bookworm-slim >/dev/null 2>&1 && return 0
  say "pulling debian:bookworm-slim"
  if timeout 60 docker pull --quiet debian:bookworm-slim >/dev/null 2>&1; then return 0; fi
  say "no registry can be reached: making debian:bookworm-slim from Debian's packages (about a minute)"
  ensure_packages debootstrap
  as_root docker/debian/make-image debian:bookworm-slim
}

# The wheel of this tree in a folder of its own. Prints its path.
build_wheel() {
  venv=$1
  out=$2
  mkdir -p "$out"
  rm -f "$out"/*.whl
  "$venv/bin/python" -m build --wheel --no-isolation --outdir "$out" . >"$out/build.log" 2>&1 || { cat "$out/build.log" >&2; die "the wheel does not build"; }
  ls "$out"/*.whl
}
