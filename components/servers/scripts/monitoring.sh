#!/usr/bin/env bash
# What a server tells of itself: metrics that no exporter has, and on sites without a cluster the exporters and programs too.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=apt.sh
. "$here/apt.sh"
# shellcheck source=secrets.sh
. "$here/secrets.sh"
# shellcheck source=units.sh
. "$here/units.sh"
# shellcheck source=monitoring-units.sh
. "$here/monitoring-units.sh"
# shellcheck source=monitoring-services.sh
. "$here/monitoring-services.sh"

usage() {
  cat <<'TEXT'
bash monitoring.sh check|apply FLAGS

  --metrics-folder PATH       where scripts leave metrics for node_exporter, readable by all
  --tier T:LEVEL:N:ARRAY:PATH a storage tier, its level, its number of drives, its array's name and its mount; once for each
  --drive ID[=TIER]           a drive whose own verdict is asked for; once for each
  --checkpoints JOB:N:L=PATH  checkpoints of a training job, N of whose processes are on this server; L says whether it is
                              the job's first one, yes or no; once for each
  --rdma-nic NAME             a network interface with RDMA; once for each
  --rdma-peer NAME=ADDRESS=N  a server to which the latency of RDMA is measured, and how many such interfaces it has
  --bare yes|no               yes: no cluster brings the exporters, so that packages and services are installed here
  --grafana-source URL        apt repository that has Grafana
  --package NAME              installed; once for each
  --data PATH=USER            a folder on a mounted tier, given to a user; once for each
  --secret NAME=PATH=USER     a file of its own for a secret, readable by a user; once for each
  --service NAME              enabled and running; the files that follow are its own
  --file PATH=BASE64          a file, compressed by gzip
  --step NAME                 what to call this step in the output
  --revision HEX              ignored; makes a changed script a changed command

apply reads secrets from standard input, a line `NAME VALUE` each. They never are on a command line. What is not there is
kept as the server has it.

check  exit 0: as wanted; 1: differs, the findings are on stdout as JSON
apply  exit 0: done; 4: failed, run it again once mended
TEXT
}

METRICS_FOLDER='' BARE=no GRAFANA_SOURCE=''
COLLECTOR_FLAGS=() RDMA_NICS=() RDMA_PEERS=()

# passed_on REGEX WHAT "$@": a flag that the collecting script gets as it is.
passed_on() {
  matching_value "$@"
  COLLECTOR_FLAGS+=("$3" "$VALUE")
}

read_flags() {
  local path='(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+' user='[a-z_][a-z0-9_-]{0,31}'
  while (($#)); do
    case $1 in
      --metrics-folder) matching_value "$path" 'an absolute path' "$@" && METRICS_FOLDER=$VALUE ;;
      --tier) passed_on "(hot|warm|cold):(single|raid0|raid1|raid5|raid6|raid10):[0-9]{1,2}:[a-z][a-z0-9-]{0,19}:$path" 'TIER:LEVEL:DRIVES:ARRAY:MOUNT' "$@" ;;
      --drive) passed_on '[A-Za-z0-9][A-Za-z0-9._:+-]{2,120}(=(hot|warm|cold))?' 'ID or ID=TIER' "$@" ;;
      --checkpoints) passed_on "[a-z][a-z0-9-]{0,52}:[0-9]{1,3}:(yes|no)=$path" 'JOB:PROCESSES:yes|no=PATH' "$@" ;;
      --rdma-nic) matching_value '[A-Za-z][A-Za-z0-9._-]{0,14}' 'a network interface' "$@" && RDMA_NICS+=("$VALUE") ;;
      --rdma-peer) matching_value '[a-z][a-z0-9-]{0,52}=[A-Za-z0-9][A-Za-z0-9.:-]*=[0-9]{1,2}' 'NAME=ADDRESS=NICS' "$@" && RDMA_PEERS+=("$VALUE") ;;
      --bare) matching_value 'yes|no' 'yes or no' "$@" && BARE=$VALUE ;;
      --grafana-source) matching_value 'https?://[][A-Za-z0-9.:_/~%-]+' 'an http or https URL without a user' "$@" && GRAFANA_SOURCE=${VALUE%/} ;;
      --package | --held-package) package_flag "$@" ;;
      --data) matching_value "$path=$user" 'PATH=USER' "$@" && DATA_FOLDERS+=("$VALUE") ;;
      --secret) matching_value "[a-z][a-z0-9-]{0,40}=$path=$user" 'NAME=PATH=USER' "$@" && SECRETS+=("$VALUE") ;;
      --service) matching_value '[a-z][a-z0-9@._-]{0,80}' "a service's name" "$@" && SERVICES+=("$VALUE") ;;
      --file)
        matching_value "$path=[A-Za-z0-9+/]+={0,2}" 'PATH=BASE64' "$@"
        FILES+=("${#SERVICES[@]} $VALUE")
        ;;
      -h | --help) usage && exit 0 ;;
      *) common_flag "$@" || usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  [[ -n $METRICS_FOLDER ]] || usage_error '--metrics-folder is needed'
  [[ $BARE == yes ]] || ((${#PACKAGE_NAMES[@]} + ${#SERVICES[@]} + ${#FILES[@]} + ${#DATA_FOLDERS[@]} + ${#SECRETS[@]} == 0)) ||
    usage_error '--package, --service, --file, --data and --secret are for --bare yes: in a cluster they are pods'
}

diagnose() {
  diagnose_units
  [[ $BARE == no ]] || diagnose_services
}

apply() {
  read_secrets
  apply_units
  [[ $BARE == no ]] || apply_services
}

read_verb "$@"
read_flags "${@:2}"
run_verb apply "$@"
