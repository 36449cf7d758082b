#!/usr/bin/env bash
# keepalived's health check of a balancer: standby-health.sh PORT PATH SECONDS [WITNESS...]
# HAProxy answers, and one of the witnesses echoes within SECONDS: a balancer that reaches none of them is cut off.
set -uo pipefail

port=$1 path=$2 seconds=$3
shift 3

haproxy_answers() {
  local status
  exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
  printf 'GET %s HTTP/1.0\r\n\r\n' "$path" >&3
  read -r -t 1 _ status _ <&3 && [[ $status == 200 ]]
}

# All at once, for each may take its whole time: the first echo decides.
a_witness_echoes() {
  local witness echoed=1
  for witness in "$@"; do ping -n -q -c 1 -W "$seconds" "$witness" >/dev/null 2>&1 & done
  for witness in "$@"; do
    if wait -n; then
      echoed=0
      break
    fi
  done
  return "$echoed"
}

haproxy_answers 2>/dev/null || exit 1
(($# == 0)) || a_witness_echoes "$@"
