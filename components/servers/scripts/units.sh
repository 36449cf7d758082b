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

# diagnose_timer KIND NAME SERVICE TIMER: a service and the timer that starts it.
diagnose_timer() {
  expect_file "$UNITS/$2.service" "$3" "$1-unit"
  expect_file "$UNITS/$2.timer" "$4" "$1-unit"
  systemctl is-enabled --quiet "$2.timer" 2>/dev/null || finding "$1-disabled" "$2.timer does not start with the server" true
  systemctl is-active --quiet "$2.timer" 2>/dev/null || finding "$1-stopped" "$2.timer does not run" true
}

# apply_timer NAME SERVICE TIMER
apply_timer() {
  ensure_unit "$1.service" "$2"
  ensure_unit "$1.timer" "$3"
  [[ $UNITS_WRITTEN == ' ' ]] || run systemctl daemon-reload
  systemctl is-enabled --quiet "$1.timer" 2>/dev/null || {
    run systemctl enable "$1.timer"
    changed "enabled $1.timer"
  }
  if [[ $UNITS_WRITTEN != ' ' ]] || ! systemctl is-active --quiet "$1.timer" 2>/dev/null; then
    run systemctl restart "$1.timer"
    changed "started $1.timer"
  fi
}
