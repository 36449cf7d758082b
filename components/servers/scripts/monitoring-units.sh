# shellcheck shell=bash
# shellcheck disable=SC2153,SC2154 # monitoring.sh, which sources this, reads the flags
# The systemd units that measure on a server; sourced by monitoring.sh.

readonly COLLECTOR_FILES=(collect-metrics.sh metrics.sh storage-metrics.sh drive-metrics.sh checkpoint-metrics.sh rdma-latency.sh drives.sh lib.sh)

has_rdma() { ((${#RDMA_NICS[@]} > 0 && ${#RDMA_PEERS[@]} > 0)); }

# collector_unit KIND DESCRIPTION SECONDS: drives are asked by raw commands, and checkpoints belong to the workloads' user.
collector_unit() {
  cat <<TEXT
# Written by rackwright.
[Unit]
Description=$2

[Service]
Type=oneshot
ExecStart=/bin/bash $LIBRARY/collect-metrics.sh $1 --folder $METRICS_FOLDER ${COLLECTOR_FLAGS[*]}
TimeoutStartSec=$3
ReadWritePaths=$METRICS_FOLDER
CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SYS_RAWIO CAP_DAC_READ_SEARCH
PrivateNetwork=yes
$HARDENING
TEXT
}

# responder_unit NUMBER NIC: ib_write_lat waits without work, and ends after a measurement, which takes a second. An asker that
# dies in the middle leaves it spinning for ever: the bounds end that.
responder_unit() {
  cat <<TEXT
# Written by rackwright.
[Unit]
Description=Answers measurements of RDMA latency on $2
After=network.target
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/bash $LIBRARY/rdma-latency.sh respond --nic $2 --number $1
Restart=always
RestartSec=1
LimitCPU=20
RuntimeMaxSec=240
DynamicUser=yes
LimitMEMLOCK=infinity
CapabilityBoundingSet=
${HARDENING#Nice=19$'\n'}

[Install]
WantedBy=multi-user.target
TEXT
}

# A lower weight would be measured too.
rdma_unit() {
  local nics peers
  printf -v nics ' --nic %s' "${RDMA_NICS[@]}"
  printf -v peers ' --peer %s' "${RDMA_PEERS[@]}"
  cat <<TEXT
# Written by rackwright.
[Unit]
Description=Measures RDMA latency to other servers
After=network.target

[Service]
Type=oneshot
ExecStart=/bin/bash $LIBRARY/rdma-latency.sh measure --folder $METRICS_FOLDER$nics$peers
TimeoutStartSec=280
ReadWritePaths=$METRICS_FOLDER
LimitMEMLOCK=infinity
CapabilityBoundingSet=CAP_IPC_LOCK
${HARDENING#Nice=19$'\n'}
TEXT
}

# each_unit COMMAND: COMMAND NAME CONTENT for every unit that this server is to have.
each_unit() {
  local number
  "$1" rackwright-metrics-state.service "$(collector_unit state 'Metrics of arrays, tiers, checkpoints and the driver' 50)"
  "$1" rackwright-metrics-state.timer "$(timer_unit 'Metrics of arrays, tiers, checkpoints and the driver, every minute' $'OnBootSec=20s\nOnUnitActiveSec=60s\nAccuracySec=1s')"
  "$1" rackwright-metrics-health.service "$(collector_unit health "Metrics of drives and certificates" 540)"
  "$1" rackwright-metrics-health.timer "$(timer_unit 'Metrics of drives and certificates, every ten minutes' $'OnBootSec=40s\nOnUnitActiveSec=10min\nAccuracySec=10s')"
  has_rdma || return 0
  for number in "${!RDMA_NICS[@]}"; do
    "$1" "rackwright-rdma-responder-$number.service" "$(responder_unit "$number" "${RDMA_NICS[number]}")"
  done
  "$1" rackwright-rdma-latency.service "$(rdma_unit)"
  # A delay that each server keeps, so that they do not all ask at once.
  "$1" rackwright-rdma-latency.timer "$(timer_unit 'Measures RDMA latency to other servers, every five minutes' $'OnCalendar=*:0/5\nRandomizedDelaySec=240\nFixedRandomDelay=yes\nAccuracySec=1s')"
}

# is_started UNIT: whether a unit is to run by itself; the others are run by their timers.
is_started() { [[ $1 == *.timer || $1 == rackwright-rdma-responder-* ]]; }

is_wanted() { [[ $WANTED == *" $1 "* ]]; }
WANTED=' '
remember_unit() { WANTED+="$1 "; }

# unwanted_units: units of an environment that had RDMA, or more of it.
unwanted_units() {
  local path
  WANTED=' '
  each_unit remember_unit
  for path in "$UNITS"/rackwright-metrics-*.{service,timer} "$UNITS"/rackwright-rdma-*.{service,timer}; do
    [[ ! -e $path ]] || is_wanted "${path##*/}" || printf '%s\n' "${path##*/}"
  done
}

expect_unit() {
  expect_file "$UNITS/$1" "$2" metrics-unit
  if is_started "$1"; then
    systemctl is-enabled --quiet "$1" 2>/dev/null || finding metrics-disabled "$1 does not start with the server" true
    systemctl is-active --quiet "$1" 2>/dev/null || [[ $1 == rackwright-rdma-responder-* ]] || finding metrics-stopped "$1 does not run" true
  elif systemctl is-failed --quiet "$1" 2>/dev/null; then
    finding metrics-failed "$1 failed when it last ran: see \`journalctl -u $1\`" false
  fi
}

# folder_is_open: node_exporter reads as a user of its own.
folder_is_open() { [[ -d $METRICS_FOLDER && $(stat --format='%U %a' -- "$METRICS_FOLDER") == 'root 755' ]]; }

diagnose_units() {
  local unit
  folder_is_open || finding metrics-folder "$METRICS_FOLDER is not a folder of root that others can read" true
  is_copied "${COLLECTOR_FILES[@]}" || finding metrics-script "$LIBRARY does not hold the scripts of this version" true
  each_unit expect_unit
  while read -r unit; do finding metrics-unit-left "$unit is not wanted any more" true; done < <(unwanted_units)
}

# start_unit UNIT: enabled, and started anew where its file has changed.
start_unit() {
  is_started "$1" || return 0
  systemctl is-enabled --quiet "$1" 2>/dev/null || {
    run systemctl enable "$1"
    changed "enabled $1"
  }
  if [[ $UNITS_WRITTEN == *" $1 "* ]] || ! systemctl is-active --quiet "$1" 2>/dev/null; then
    run systemctl restart "$1"
    changed "started $1"
  fi
}

apply_units() {
  local unit
  folder_is_open || {
    run install --directory --owner=root --group=root --mode=755 "$METRICS_FOLDER"
    changed "made $METRICS_FOLDER readable for node_exporter"
  }
  copy_for_services "${COLLECTOR_FILES[@]}"
  while read -r unit; do
    run systemctl disable --now "$unit" || true
    rm -f -- "$UNITS/$unit"
    UNITS_WRITTEN+="$unit "
    changed "removed $unit"
  done < <(unwanted_units)
  each_unit ensure_unit
  [[ $UNITS_WRITTEN == ' ' ]] || run systemctl daemon-reload
  each_unit start_unit
}
