# shellcheck shell=bash
# systemd units of ours; sourced by the steps that have some.

readonly UNITS=/etc/systemd/system

# Work in the background must not be felt: lowest weights, nothing that can be written to but what is named, and an end.
# shellcheck disable=SC2016,SC2034 # systemd's own words, read by the scripts that source this
readonly HARDENING='Nice=19
IOSchedulingClass=idle
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictNamespaces=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native'

# timer_unit DESCRIPTION SCHEDULE
timer_unit() {
  cat <<TEXT
# Written by rackwright.
[Unit]
Description=$1

[Timer]
$2

[Install]
WantedBy=timers.target
TEXT
}

# ensure_unit NAME CONTENT: remembers which were written, for systemd has to read those again.
UNITS_WRITTEN=' '
ensure_unit() { if ensure_file "$UNITS/$1" 644 "$2"; then UNITS_WRITTEN+="$1 "; fi; }
