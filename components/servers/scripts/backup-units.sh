# shellcheck shell=bash
# One service and the timer that starts it, and files that services run; sourced by backup.sh and backup-store.sh.

# service_unit DESCRIPTION PROGRAM SECONDS PATHS: PATHS may be written to, besides those that all backups need.
service_unit() {
  cat <<TEXT
# Written by rackwright.
[Unit]
Description=$1
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=/bin/bash $LIBRARY/$2
TimeoutStartSec=$3
UMask=0077
ReadWritePaths=$STATE_FOLDER $4
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE CAP_FOWNER CAP_CHOWN CAP_SETUID CAP_SETGID
$HARDENING
TEXT
}

# diagnose_timer NAME SERVICE TIMER
diagnose_timer() {
  expect_file "$UNITS/$1.service" "$2" backup-unit
  expect_file "$UNITS/$1.timer" "$3" backup-unit
  systemctl is-enabled --quiet "$1.timer" 2>/dev/null || finding backup-disabled "$1.timer does not start with the server" true
  systemctl is-active --quiet "$1.timer" 2>/dev/null || finding backup-stopped "$1.timer does not run" true
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

# diagnose_runs PREFIX: what the last runs could not do. Nobody mends it from afar without having read it.
diagnose_runs() {
  local file error
  for file in "$BACKUP_STATE/$1"*.status; do
    [[ -e $file ]] || continue
    error=$(status_value "$file" error)
    [[ -z $error ]] || finding backup-failed "$(status_value "$file" what): $error" false
  done
}
