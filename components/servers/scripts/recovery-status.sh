#!/usr/bin/env bash
# What a server knows of its recovery, for `rackwright recovery status`: one line a fact, words apart by tabs. Changes nothing.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=backup-common.sh
. "$here/backup-common.sh"
# shellcheck source=checkpoint-metrics.sh
. "$here/checkpoint-metrics.sh"

usage() {
  cat <<'TEXT'
bash recovery-status.sh FLAGS

  --checkpoints JOB:PROCESSES:yes|no=PATH   checkpoints of a training job on this server; once for each
  --state PATH                              default /var/lib/rackwright/backup

Prints `now SECONDS`, `checkpoint JOB STEP SECONDS` for the newest whole one of each job, `training JOB` for each that trains
now, and `backup FILE KEY VALUE` of all that is remembered of backups. exit 0: printed; 2: called wrongly; 4: not root
TEXT
}

STEP=recovery-status
JOBS=()
while (($#)); do
  case $1 in
    --checkpoints) matching_value '[a-z][a-z0-9-]{0,52}:[0-9]{1,3}:(yes|no)=(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+' 'JOB:PROCESSES:yes|no=PATH' "$@" && JOBS+=("$VALUE") ;;
    --state) matching_value '(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+' 'an absolute path' "$@" && BACKUP_STATE=$VALUE ;;
    -h | --help) usage && exit 0 ;;
    *) usage_error "unknown flag '$1'" ;;
  esac
  shift 2
done
require_root
printf 'now\t%s\n' "$(date +%s)"
for line in "${JOBS[@]}"; do
  root=${line#*=}
  IFS=: read -r job processes leads <<<"${line%%=*}"
  ! grep --quiet --null-data --line-regexp "RACKWRIGHT_CHECKPOINT_DIRECTORY=/checkpoints/$job" /proc/[0-9]*/environ 2>/dev/null || printf 'training\t%s\n' "$job"
  while read -r step name; do
    at=$(whole_at "$root" "$name" "$step" "$processes" "$leads") || continue
    printf 'checkpoint\t%s\t%s\t%s\n' "$job" "$step" "$at"
    break
  done < <(checkpoints_in "$root")
done
for file in "$BACKUP_STATE"/{source,kept}-*.status; do
  [[ -e $file ]] || continue
  name=${file##*/}
  while IFS='=' read -r key value; do printf 'backup\t%s\t%s\t%s\n' "${name%.status}" "$key" "$value"; done <"$file"
done
