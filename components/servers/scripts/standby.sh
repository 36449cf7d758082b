#!/usr/bin/env bash
# A balancer: HAProxy in front of the replicas, and keepalived, which moves the virtual address between the balancers.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=apt.sh
. "$here/apt.sh"
# shellcheck source=units.sh
. "$here/units.sh"

usage() {
  cat <<'TEXT'
bash standby.sh check|apply FLAGS

  --address ADDRESS     the server's own: the interface that has it gets the virtual address as well
  --virtual PREFIX      the virtual address, such as 10.0.0.50/32
  --haproxy BASE64      HAProxy's configuration, compressed by gzip
  --keepalived BASE64   keepalived's, in which @INTERFACE@ stands for the interface
  --metrics-folder PATH where what the balancer sees is left for node_exporter; absent: nobody measures
  --statistics PORT:HEALTH:PATH  where HAProxy says on this host whether it works and what it sees, for --metrics-folder
  --package NAME        installed; once for each
  --step NAME           what to call this step in the output
  --revision HEX        ignored; makes a changed script a changed command

A configuration that the program itself does not accept never replaces one that works. Programs are reloaded, not
restarted, and only where something changed: a restart of keepalived would move the address.

check  exit 0: as wanted; 1: differs, the findings are on stdout as JSON
apply  exit 0: done; 3: refused, because a configuration of somebody else is there; 4: failed, run it again once mended
TEXT
}

ADDRESS='' VIRTUAL='' HAPROXY='' KEEPALIVED='' METRICS_FOLDER='' STATISTICS=''
readonly HAPROXY_CONFIG=/etc/haproxy/haproxy.cfg
readonly KEEPALIVED_CONFIG=/etc/keepalived/keepalived.conf
readonly KEEPALIVED_DROP_IN=/etc/systemd/system/keepalived.service.d/rackwright.conf
readonly HAPROXY_DROP_IN=/etc/systemd/system/haproxy.service.d/rackwright.conf
readonly HEALTH=standby-health.sh
readonly METRICS=rackwright-standby-metrics METRICS_FILES=(standby-metrics.sh metrics.sh lib.sh)
readonly MARK='# Written by rackwright'

read_flags() {
  local base64='[A-Za-z0-9+/]+={0,2}' address='[A-Za-z0-9][A-Za-z0-9.:-]*' path='(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+'
  while (($#)); do
    case $1 in
      --address) matching_value "$address" 'an IP address' "$@" && ADDRESS=$VALUE ;;
      --virtual) matching_value '[0-9a-fA-F.:]+/[0-9]{1,3}' 'an IP address with a prefix' "$@" && VIRTUAL=$VALUE ;;
      --haproxy) matching_value "$base64" 'text in base64' "$@" && HAPROXY=$(unpacked "$VALUE") ;;
      --keepalived) matching_value "$base64" 'text in base64' "$@" && KEEPALIVED=$(unpacked "$VALUE") ;;
      --metrics-folder) matching_value "$path" 'an absolute path' "$@" && METRICS_FOLDER=$VALUE ;;
      --statistics) matching_value "[1-9][0-9]{0,4}:$path:$path" 'PORT:HEALTH:PATH' "$@" && STATISTICS=$VALUE ;;
      --package | --held-package) package_flag "$@" ;;
      -h | --help) usage && exit 0 ;;
      *) common_flag "$@" || usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  [[ -n $ADDRESS ]] || usage_error '--address is needed'
  [[ -n $VIRTUAL ]] || usage_error '--virtual is needed'
  [[ -n $HAPROXY ]] || usage_error '--haproxy is needed, as gzip in base64'
  [[ -n $KEEPALIVED ]] || usage_error '--keepalived is needed, as gzip in base64'
  [[ -z $METRICS_FOLDER || -n $STATISTICS ]] || usage_error '--statistics is needed for --metrics-folder'
}

unpacked() { base64 --decode <<<"$1" 2>/dev/null | gzip --decompress 2>/dev/null || true; }

# interface: the one that has the server's address. Behind translation none has, and nothing could hold the virtual one.
interface() {
  ip -o addr show 2>/dev/null | awk -v wanted="$ADDRESS" '{ split($4, part, "/"); if (part[1] == wanted) { sub("@.*", "", $2); print $2; exit } }'
}

wanted_keepalived() { printf '%s' "${KEEPALIVED//@INTERFACE@/$1}"; }

# A keepalived that ends without a word leaves the address where it is, while another balancer takes it over as well. What it
# starts when it is stopped in an orderly way, systemd may end before it has done anything: connections are ended here.
wanted_keepalived_drop_in() {
  local address=${VIRTUAL%/*}
  [[ $address != *:* ]] || address="[$address]"
  cat <<TEXT
$MARK.
[Unit]
Wants=haproxy.service
After=haproxy.service

[Service]
ExecStopPost=-$(command -v ip || printf /sbin/ip) address del $VIRTUAL dev $1
ExecStopPost=-/usr/bin/ss --kill --no-header --tcp --numeric state connected src $address
Restart=always
RestartSec=2
TEXT
}

wanted_haproxy_drop_in() { printf '%s.\n[Service]\nRestart=always\nRestartSec=1' "$MARK"; }

# It asks this host's HAProxy and for this host's addresses, and needs no more of the network.
wanted_metrics_service() {
  local port health path
  IFS=: read -r port health path <<<"$STATISTICS"
  cat <<TEXT
$MARK.
[Unit]
Description=Metrics of HAProxy and keepalived
ConditionPathIsDirectory=$METRICS_FOLDER

[Service]
Type=oneshot
ExecStart=/bin/bash $LIBRARY/standby-metrics.sh --folder $METRICS_FOLDER --virtual $VIRTUAL --port $port --health $health --statistics $path
TimeoutStartSec=8
ReadWritePaths=-$METRICS_FOLDER
CapabilityBoundingSet=
IPAddressDeny=any
IPAddressAllow=localhost
$HARDENING
TEXT
}
# By the clock, whatever became of the last start: the service is skipped until another step has made the folder.
wanted_metrics_timer() { timer_unit 'Metrics of HAProxy and keepalived, every ten seconds' $'OnCalendar=*:*:0/10\nAccuracySec=1s'; }

diagnose_metrics() {
  if [[ -z $METRICS_FOLDER ]]; then
    [[ ! -e $UNITS/$METRICS.timer ]] || finding metrics-unit-left "$METRICS.timer is not wanted any more" true
    return 0
  fi
  is_copied "${METRICS_FILES[@]}" || finding metrics-script "$LIBRARY does not hold the scripts of this version" true
  diagnose_timer metrics "$METRICS" "$(wanted_metrics_service)" "$(wanted_metrics_timer)"
}

apply_metrics() {
  if [[ -z $METRICS_FOLDER ]]; then
    [[ -e $UNITS/$METRICS.timer ]] || return 0
    run systemctl disable --now "$METRICS.timer" || true
    rm -f -- "$UNITS/$METRICS.timer" "$UNITS/$METRICS.service"
    run systemctl daemon-reload
    changed "removed $METRICS"
    return 0
  fi
  copy_for_services "${METRICS_FILES[@]}"
  apply_timer "$METRICS" "$(wanted_metrics_service)" "$(wanted_metrics_timer)"
}

# is_of_package FILE: whether FILE is as its package brought it.
is_of_package() {
  local sum
  sum=$(md5sum <"$1") || return 1
  # shellcheck disable=SC2016 # dpkg-query's own placeholder
  dpkg-query --show --showformat='${Conffiles}\n' haproxy 2>/dev/null | grep -qF " $1 ${sum%% *}"
}

# is_ours FILE: whether FILE may be replaced.
is_ours() { [[ ! -e $1 ]] || grep -qF "$MARK" "$1" || is_of_package "$1"; }

find_blockers() {
  local file device
  for file in "$HAPROXY_CONFIG" "$KEEPALIVED_CONFIG"; do
    is_ours "$file" || blocker foreign-config "$file is not ours: move what it does elsewhere and delete it, or name other servers in recovery.standby.balancers"
  done
  device=$(interface)
  [[ -n $device ]] || blocker no-interface "no interface of this server has its address $ADDRESS, so that none can have the virtual one beside it"
}

diagnose() {
  local device unit
  find_blockers
  check_packages
  device=$(interface)
  expect_file "$HAPROXY_CONFIG" "$HAPROXY" haproxy-config
  expect_file "$KEEPALIVED_CONFIG" "$(wanted_keepalived "$device")" keepalived-config
  expect_file "$HAPROXY_DROP_IN" "$(wanted_haproxy_drop_in)" haproxy-unit
  expect_file "$KEEPALIVED_DROP_IN" "$(wanted_keepalived_drop_in "$device")" keepalived-unit
  is_copied "$HEALTH" || finding health-script "$LIBRARY does not hold the health check of this version" true
  for unit in haproxy keepalived; do
    systemctl is-enabled --quiet "$unit" 2>/dev/null || finding "$unit-disabled" "$unit does not start with the server" true
    systemctl is-active --quiet "$unit" 2>/dev/null || finding "$unit-stopped" "$unit does not run" true
  done
  diagnose_metrics
}

accepts_haproxy() { run haproxy -c -q -f "$1"; }

# keepalived 2.2 ends itself in the middle of a test where scripts run as another user than root.
accepts_keepalived() {
  local status=0
  sed 's/^\( *script_user \).*/\1root/' "$1" >"$1.test"
  run keepalived --config-test --use-file "$1.test" || status=$?
  rm -f "$1.test"
  return "$status"
}

# put_config PROGRAM FILE CONTENT: replaces FILE once the program accepts it. Status 1: it was right already.
put_config() {
  local program=$1 file=$2 content=$3
  ! file_is "$file" "$content" || return 1
  write_file "$file.fresh" 644 "$content"
  if ! "accepts_$program" "$file.fresh"; then
    rm -f "$file.fresh"
    fail "$program does not accept its new configuration; the old one is kept"
  fi
  mv -f -- "$file.fresh" "$file"
  sync "$(dirname -- "$file")"
  changed "wrote $file"
}

# serve UNIT CHANGED: running, with the configuration that is there.
serve() {
  systemctl is-enabled --quiet "$1" 2>/dev/null || {
    run systemctl enable "$1"
    changed "enabled $1"
  }
  if ! systemctl is-active --quiet "$1"; then
    run systemctl start "$1" || fail "$1 does not start: \`journalctl -u $1 -n 20\` says why"
    changed "started $1"
  elif [[ $2 == yes ]]; then
    run systemctl reload "$1" || fail "$1 does not reload: \`journalctl -u $1 -n 20\` says why"
    changed "reloaded $1"
  fi
}

apply() {
  local device haproxy=no keepalived=no units=no
  find_blockers
  ((${#BLOCKERS[@]} == 0)) || refuse "${BLOCKERS[@]}"
  device=$(interface)
  # Before the packages, which start what they bring.
  if ensure_file "$HAPROXY_DROP_IN" 644 "$(wanted_haproxy_drop_in)"; then units=yes; fi
  if ensure_file "$KEEPALIVED_DROP_IN" 644 "$(wanted_keepalived_drop_in "$device")"; then units=yes; fi
  [[ $units == no ]] || run systemctl daemon-reload
  install_packages
  copy_for_services "$HEALTH"
  if put_config haproxy "$HAPROXY_CONFIG" "$HAPROXY"; then haproxy=yes; fi
  serve haproxy "$haproxy"
  if put_config keepalived "$KEEPALIVED_CONFIG" "$(wanted_keepalived "$device")"; then keepalived=yes; fi
  serve keepalived "$keepalived"
  apply_metrics
}

read_verb "$@"
read_flags "${@:2}"
run_verb apply "$@"
