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
