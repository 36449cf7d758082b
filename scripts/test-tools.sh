#!/bin/sh
# Debian packages that some tests use. Installed when running as root on a machine with apt; named otherwise.

missing=
for pair in shellcheck:shellcheck sshd:openssh-server ssh-keygen:openssh-client dpkg-deb:dpkg gpg:gpg gpg-agent:gpg-agent mkfs.ext4:e2fsprogs rclone:rclone restic:restic sqlite3:sqlite3 busybox:busybox python3:python3 pip3:python3-pip promtool:prometheus prometheus-node-exporter:prometheus-node-exporter amtool:prometheus-alertmanager prometheus-blackbox-exporter:prometheus-blackbox-exporter haproxy:haproxy keepalived:keepalived ping:iputils-ping chromium:chromium; do
  PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
# Go builds the control plane. Any version will do: an old one fetches a newer one, which is a module like any other.
if ! PATH=$PATH:/usr/local/go/bin:/usr/lib/go/bin command -v go >/dev/null 2>&1; then missing="$missing golang-go"; fi
# A real PyTorch takes 640 MB: for the long forms of tests alone.
if [ "${RACKWRIGHT_FULL:-}" = 1 ] && [ ! -e /usr/bin/torchrun ]; then missing="$missing python3-torch"; fi
if [ -n "$missing" ]; then
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "== installing for the tests:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  else
    echo "The tests need these Debian packages:$missing" >&2
    echo "Install them with: sudo apt-get install --no-install-recommends$missing" >&2
    exit 3
  fi
fi
