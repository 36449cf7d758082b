#!/usr/bin/env bash
# What only a server itself can tell, as metrics in the folder that node_exporter reads. Run by the services of monitoring.sh.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=drives.sh
. "$here/drives.sh"
# shellcheck source=metrics.sh
. "$here/metrics.sh"
# shellcheck source=storage-metrics.sh
. "$here/storage-metrics.sh"
# shellcheck source=drive-metrics.sh
. "$here/drive-metrics.sh"
# shellcheck source=checkpoint-metrics.sh
. "$here/checkpoint-metrics.sh"

usage() {
  cat <<'TEXT'
bash collect-metrics.sh state|health FLAGS

state    arrays, tiers, checkpoints and the driver: a second's work, for every minute
health   what the drives say of themselves, and when certificates end: for every ten minutes

  --folder PATH                             where the metrics go
  --tier TIER:LEVEL:DRIVES:ARRAY:MOUNT      a tier; once for each
  --drive ID[=TIER]                         a drive and the tier that it is in; once for each
  --checkpoints JOB:PROCESSES:yes|no=PATH   the checkpoints of a training job, how many of its processes are on this
                                            server, and whether it is the job's first server; once for each

exit 0: written; 2: called wrongly; 4: the folder cannot be written to. What cannot be found out is left out.
TEXT
}

KIND='' FOLDER=''
# shellcheck disable=SC2034 # read by the files that are sourced
TIERS=() DRIVES=() JOBS=()

read_arguments() {
  local folder='(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+' drive='[A-Za-z0-9][A-Za-z0-9._:+-]{2,120}'
  case ${1:-} in
    state | health) KIND=$1 ;;
    -h | --help) usage && exit 0 ;;
    *) usage_error "must be told what to collect, state or health, got '${1:-}'" ;;
  esac
  shift
  while (($#)); do
    case $1 in
      --folder) matching_value "$folder" 'an absolute path' "$@" && FOLDER=$VALUE ;;
      --tier) matching_value "(hot|warm|cold):(single|raid0|raid1|raid5|raid6|raid10):[0-9]{1,2}:[a-z][a-z0-9-]{0,19}:$folder" 'TIER:LEVEL:DRIVES:ARRAY:MOUNT' "$@" && TIERS+=("$VALUE") ;;
      --drive) matching_value "$drive(=(hot|warm|cold))?" 'ID or ID=TIER' "$@" && DRIVES+=("$VALUE") ;;
      --checkpoints) matching_value "[a-z][a-z0-9-]{0,52}:[0-9]{1,3}:(yes|no)=$folder" 'JOB:PROCESSES:yes|no=PATH' "$@" && JOBS+=("$VALUE") ;;
      *) usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  [[ -n $FOLDER ]] || usage_error '--folder is needed'
}

read_arguments "$@"
if [[ $KIND == state ]]; then
  collect_storage
  collect_checkpoints
  collect_driver
else
  collect_drives
  collect_certificates
fi
publish "rackwright-$KIND"
