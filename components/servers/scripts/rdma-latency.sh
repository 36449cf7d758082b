#!/usr/bin/env bash
# Latency of RDMA to other servers, by ib_write_lat on both sides. Run by the services of monitoring.sh.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=metrics.sh
. "$here/metrics.sh"

usage() {
  cat <<'TEXT'
bash rdma-latency.sh respond --nic NAME --number N
bash rdma-latency.sh measure --folder FOLDER --nic NAME... --peer NAME=ADDRESS=NICS...

respond   answers one measurement at port 18615 + N, then ends: its service starts it again
measure   asks each peer in turn, each of our NICs the peer's of the same number, and leaves the figures in FOLDER

exit 0: done; 1: a NIC has no RDMA device now; 2: called wrongly; 4: the folder cannot be written to
TEXT
}

ACTION='' FOLDER='' NUMBER=0
NICS=() PEERS=()
readonly FIRST_PORT=18615 ITERATIONS=1000 BYTES=2
# A peer that answers another asker is asked again; one that does not answer at all is not.
readonly TRIES=4 PATIENCE_SECONDS=10

read_arguments() {
  case ${1:-} in
    respond | measure) ACTION=$1 ;;
    -h | --help) usage && exit 0 ;;
    *) usage_error "must be told what to do, respond or measure, got '${1:-}'" ;;
  esac
  shift
  while (($#)); do
    case $1 in
      --folder) matching_value '(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+' 'an absolute path' "$@" && FOLDER=$VALUE ;;
      --nic) matching_value '[A-Za-z][A-Za-z0-9._-]{0,14}' 'a network interface' "$@" && NICS+=("$VALUE") ;;
      --number) matching_value '[0-9]{1,2}' 'a number' "$@" && NUMBER=$VALUE ;;
      --peer) matching_value '[a-z][a-z0-9-]{0,52}=[A-Za-z0-9][A-Za-z0-9.:-]*=[0-9]{1,2}' 'NAME=ADDRESS=NICS' "$@" && PEERS+=("$VALUE") ;;
      *) usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  ((${#NICS[@]} > 0)) || usage_error '--nic is needed'
  [[ $ACTION == respond || -n $FOLDER ]] || usage_error '--folder is needed'
}

# device_of NIC: the RDMA device behind a network interface.
device_of() {
  local device
  for device in /sys/class/infiniband/*; do
    if [[ -e $device/device/net/$1 || $(cat "$device/ports/1/gid_attrs/ndevs/0" 2>/dev/null) == "$1" ]]; then
      printf '%s' "${device##*/}"
      return 0
    fi
  done
  return 1
}

# address_index DEVICE: of the RoCE v2 address that IPv4 gave the port, else of any RoCE v2 one. InfiniBand needs none.
address_index() {
  local attributes=/sys/class/infiniband/$1/ports/1 type index any=''
  for type in "$attributes"/gid_attrs/types/*; do
    [[ $(cat "$type" 2>/dev/null) == 'RoCE v2' ]] || continue
    index=${type##*/}
    [[ -n $any ]] || any=$index
    if [[ $(cat "$attributes/gids/$index" 2>/dev/null) == 0000:0000:0000:0000:0000:ffff:* ]]; then
      printf '%s' "$index"
      return 0
    fi
  done
  printf '%s' "$any"
}

# probe DEVICE NUMBER [ADDRESS]: ib_write_lat's words; without an address it waits for one to ask.
probe() {
  local index
  index=$(address_index "$1")
  ib_write_lat --ib-dev="$1" ${index:+"--gid-index=$index"} --port=$((FIRST_PORT + $2)) --size="$BYTES" --iters="$ITERATIONS" ${3:+"$3"}
}
export -f probe address_index
export FIRST_PORT ITERATIONS BYTES

# ask DEVICE NUMBER ADDRESS: `typical p99` in microseconds. Status 124: no answer in time; else another: no measurement.
ask() {
  local try status answer
  for ((try = 1; try <= TRIES; try++)); do
    status=0
    # shellcheck disable=SC2016 # expanded by the shell that is started
    answer=$(timeout --kill-after=2 "$PATIENCE_SECONDS" bash -c 'probe "$@"' probe "$@" 2>&1) || status=$?
    if ((status == 0)); then
      answer=$(awk -v bytes="$BYTES" '$1 == bytes && NF >= 9 { figures = $5 " " $8 } END { print figures }' <<<"$answer")
      [[ $answer =~ ^[0-9.]+\ [0-9.]+$ ]] || return 1
      printf '%s\n' "$answer"
      return 0
    fi
    ((status < 124)) || {
      log "$3, device $1: no answer within $PATIENCE_SECONDS s"
      return 124
    }
    sleep "$((1 + RANDOM % 3))"
  done
  log "$3, device $1: $(printable "$(tail -n 1 <<<"$answer")")"
  return 1
}

# measure_peer NAME ADDRESS NICS
measure_peer() {
  local number device figures status silent=no labels typical p99
  for ((number = 0; number < $3 && number < ${#NICS[@]}; number++)); do
    # A NIC whose device is gone is named itself.
    device=$(device_of "${NICS[number]}") || device=''
    labels="peer=\"$1\",device=\"${device:-${NICS[number]}}\""
    status=1
    if [[ -n $device && $silent == no ]]; then
      status=0
      figures=$(ask "$device" "$number" "$2") || status=$?
      ((status != 124)) || silent=yes
    fi
    if ((status == 0)); then
      read -r typical p99 <<<"$figures"
      sample rackwright_rdma_latency_seconds "$labels,stat=\"typical\"" "$(seconds_of "$typical")"
      sample rackwright_rdma_latency_seconds "$labels,stat=\"p99\"" "$(seconds_of "$p99")"
      sample rackwright_rdma_probe_success "$labels" 1
    else
      sample rackwright_rdma_probe_success "$labels" 0
    fi
  done
}

seconds_of() { awk -v microseconds="$1" 'BEGIN { printf "%.9f", microseconds / 1000000 }'; }

measure() {
  local peer name address nics
  gauge rackwright_rdma_latency_seconds 'One way of a two-byte write to a peer by RDMA.'
  gauge rackwright_rdma_probe_success '1 where the last measurement to a peer worked.'
  for peer in "${PEERS[@]}"; do
    IFS='=' read -r name address nics <<<"$peer"
    measure_peer "$name" "$address" "$nics"
  done
  publish rackwright-rdma
}

respond() {
  local device
  device=$(device_of "${NICS[0]}") || {
    log "${NICS[0]} has no RDMA device now"
    exit 1
  }
  # Its thirty lines on each measurement are for nobody.
  probe "$device" "$NUMBER" >/dev/null
}

read_arguments "$@"
"$ACTION"
