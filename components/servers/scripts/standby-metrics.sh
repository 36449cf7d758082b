#!/usr/bin/env bash
# What a balancer sees, as metrics in the folder that node_exporter reads. Run by the service of standby.sh.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=metrics.sh
. "$here/metrics.sh"

usage() {
  cat <<'TEXT'
bash standby-metrics.sh FLAGS

  --folder PATH           where the metrics go
  --virtual PREFIX        the virtual address, such as 10.0.0.50/32
  --port PORT             where HAProxy answers on this host alone
  --health PATH           its answer whether it works
  --statistics PATH       its page of statistics
  --keepalived-pid PATH   the file with keepalived's process number

exit 0: written; 2: called wrongly; 4: the folder cannot be written to. What HAProxy does not tell is left out.
TEXT
}

FOLDER='' VIRTUAL='' PORT='' HEALTH='' STATISTICS='' KEEPALIVED_PID=/run/keepalived.pid

read_arguments() {
  local path='(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+'
  while (($#)); do
    case $1 in
      --folder) matching_value "$path" 'an absolute path' "$@" && FOLDER=$VALUE ;;
      --virtual) matching_value '[0-9a-fA-F.:]+/[0-9]{1,3}' 'an IP address with a prefix' "$@" && VIRTUAL=$VALUE ;;
      --port) matching_value '[1-9][0-9]{0,4}' 'a port' "$@" && PORT=$VALUE ;;
      --health) matching_value "$path" 'a path' "$@" && HEALTH=$VALUE ;;
      --statistics) matching_value "$path" 'a path' "$@" && STATISTICS=$VALUE ;;
      --keepalived-pid) matching_value "$path" 'an absolute path' "$@" && KEEPALIVED_PID=$VALUE ;;
      -h | --help) usage && exit 0 ;;
      *) usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  [[ -n $FOLDER && -n $VIRTUAL && -n $PORT && -n $HEALTH && -n $STATISTICS ]] || usage_error '--folder, --virtual, --port, --health and --statistics are needed'
}

# ask PATH: HAProxy's answer, headers and all. HAProxy may hang: not for longer than two seconds.
ask() {
  # shellcheck disable=SC2016 # for the inner shell
  timeout 2 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "GET %s HTTP/1.0\r\n\r\n" "$2" >&3 && cat <&3' ask "$PORT" "$1" 2>/dev/null
}

haproxy_works() {
  local status
  read -r _ status _ < <(ask "$HEALTH") && [[ $status == 200 ]]
}

keepalived_runs() {
  local pid name
  pid=$(cat "$KEEPALIVED_PID" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] && name=$(cat "/proc/$pid/comm" 2>/dev/null) && [[ $name == keepalived ]]
}

holds_address() { [[ -n $(ip -o address show to "$VIRTUAL" 2>/dev/null) ]]; }

# number COMMAND: 1 where it succeeds, else 0.
number() { if "$@"; then printf 1; else printf 0; fi; }

# replicas: of each replica that HAProxy knows, its service, its name, active or standby, whether it is up, and how often it was taken out.
replicas() {
  ask "$STATISTICS;csv" | awk -F, '
    /^# / { sub(/^# /, ""); for (i = 1; i <= NF; i++) column[$i] = i; next }
    column["status"] == "" || $column["pxname"] !~ /^service-/ || $column["svname"] == "BACKEND" { next }
    { print substr($column["pxname"], 9), $column["svname"], ($column["bck"] == 1 ? "standby" : "active"), ($column["status"] ~ /^UP/ ? 1 : 0), $column["chkdown"] + 0 }'
}

collect() {
  local name replica kind up failures
  gauge rackwright_balancer_program_up 'Whether a program of the balancer works.'
  sample rackwright_balancer_program_up 'program="haproxy"' "$(number haproxy_works)"
  sample rackwright_balancer_program_up 'program="keepalived"' "$(number keepalived_runs)"
  gauge rackwright_balancer_address_held 'Whether this server holds the virtual address.'
  sample rackwright_balancer_address_held "address=\"${VIRTUAL%/*}\"" "$(number holds_address)"
  gauge rackwright_balancer_replica_up 'Whether a replica answers this balancer.'
  counter rackwright_balancer_replica_failures_total 'How often this balancer took a replica out.'
  while read -r name replica kind up failures; do
    sample rackwright_balancer_replica_up "name=\"$name\",replica=\"$replica\",kind=\"$kind\"" "$up"
    sample rackwright_balancer_replica_failures_total "name=\"$name\",replica=\"$replica\",kind=\"$kind\"" "$failures"
  done < <(replicas)
}

read_arguments "$@"
collect
publish rackwright-standby
