#!/bin/sh
# Fills the volume at /var/lib/docker with the images that come on standard input (`docker save`), so that a VPS whose
# Docker folder is a copy of it need not pull or build them. Runs as the only process of a helper container.
# The file .complete is written last: a volume without it was interrupted and is made again.
set -eu

folder=/var/lib/docker
rm -f "$folder/.complete"
# Devices for block and mount handling come from the entry of a VPS; dockerd alone, without network and without running
# anything, needs only its folder.
mkfifo /run/dockerd.log
dockerd --data-root "$folder" --storage-driver overlay2 --bridge none --iptables=false --ip6tables=false \
  >/run/dockerd.log 2>&1 &
engine=$!
exec 3</run/dockerd.log

seen=
while read -r line <&3; do
  seen="$seen
$line"
  case $line in *'API listen on'*) break ;; esac
done
case $seen in
  *'API listen on'*) ;;
  *)
    printf 'dockerd did not start:%s\n' "$seen" >&2
    exit 1
    ;;
esac
cat <&3 >/dev/null &

docker load --quiet
kill "$engine"
wait "$engine" || true
# Addresses of this helper's networks would be wrong elsewhere; a VPS makes its own.
rm -rf "$folder/network"
sync -f "$folder"
: >"$folder/.complete"
