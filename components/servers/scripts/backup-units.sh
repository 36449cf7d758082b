# shellcheck shell=bash
# The service that a timer starts, and what its runs left; sourced by backup.sh and backup-store.sh.

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

# diagnose_runs PREFIX: what the last runs could not do. Nobody mends it from afar without having read it.
diagnose_runs() {
  local file error
  for file in "$BACKUP_STATE/$1"*.status; do
    [[ -e $file ]] || continue
    error=$(status_value "$file" error)
    [[ -z $error ]] || finding backup-failed "$(status_value "$file" what): $error" false
  done
}
