#!/usr/bin/env bash
# Every GPU of a server cut into the same MIG instances, now and after every boot.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"

usage() {
  cat <<'TEXT'
bash mig.sh check|apply FLAGS

  --profile PROFILE   such as 1g.10gb, as `nvidia-smi mig -lgip` prints it
  --instances NUMBER  of the profile on each GPU
  --gpu-count NUMBER  GPUs in the server
  --step NAME         what to call this step in the output
  --revision HEX      ignored; makes a changed script a changed command

Instances do not survive a boot, so that a service of the same flags makes them before the cluster's own starts.

check  exit 0: as wanted; 1: differs, the findings are on stdout as JSON
apply  exit 0: done; 3: refused, because a GPU is in use; 4: failed, run it again once mended
TEXT
}

PROFILE='' INSTANCES=0 GPU_COUNT=0
readonly UNIT=/etc/systemd/system/rackwright-mig.service

read_flags() {
  while (($#)); do
    case $1 in
      --profile) matching_value '[0-9]+g\.[0-9]+gb(\+me)?' 'a MIG profile such as 1g.10gb' "$@" && PROFILE=$VALUE ;;
      --instances) matching_value '[1-7]' 'a number from 1 to 7' "$@" && INSTANCES=$VALUE ;;
      --gpu-count) matching_value '[0-9]{1,2}' 'a number of GPUs' "$@" && GPU_COUNT=$VALUE ;;
      -h | --help) usage && exit 0 ;;
      *) common_flag "$@" || usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  [[ -n $PROFILE ]] || usage_error '--profile is needed'
  ((INSTANCES > 0)) || usage_error '--instances is needed'
  ((GPU_COUNT > 0)) || usage_error '--gpu-count is needed'
}

# layout: a line for each GPU: its index, the devices of the wanted profile on it, and those of others.
layout() {
  nvidia-smi -L 2>/dev/null | awk -v wanted="$PROFILE" '
    /^GPU [0-9]+:/ { if (gpu != "") print gpu, right, wrong; gpu = $2; sub(":", "", gpu); right = 0; wrong = 0 }
    /^[[:space:]]+MIG / { if ($2 == wanted) right++; else wrong++ }
    END { if (gpu != "") print gpu, right, wrong }'
}

# modes: a line for each GPU: its index, MIG mode now, and after the next reset.
modes() { nvidia-smi --query-gpu=index,mig.mode.current,mig.mode.pending --format=csv,noheader,nounits 2>/dev/null | tr -d ' ' | tr ',' ' '; }

boot_unit() {
  cat <<TEXT
# Written by rackwright.
[Unit]
Description=MIG instances of $PROFILE
After=nvidia-persistenced.service nvidia-fabricmanager.service
Before=k3s.service k3s-agent.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/bash $LIBRARY/mig.sh apply --step $STEP --profile $PROFILE --instances $INSTANCES --gpu-count $GPU_COUNT

[Install]
WantedBy=multi-user.target
TEXT
}

diagnose() {
  local gpu right wrong current pending count=0
  have nvidia-smi || {
    finding driver-missing 'nvidia-smi is not there: the driver is installed first' false
    return 0
  }
  while read -r gpu current pending; do
    [[ $current == Enabled ]] || finding mig-mode "GPU $gpu has MIG mode $(printable "${current:-unknown}")${pending:+, after a reset $(printable "$pending")}" true
  done < <(modes)
  while read -r gpu right wrong; do
    count=$((count + 1))
    ((right == INSTANCES && wrong == 0)) || finding mig-layout "GPU $gpu has $right of $INSTANCES instances of $PROFILE, and $wrong of other profiles" true
  done < <(layout)
  ((count == GPU_COUNT)) || finding gpu-count "nvidia-smi shows $count GPUs, the environment says $GPU_COUNT" false
  expect_file "$UNIT" "$(boot_unit)" mig-unit
  is_copied mig.sh lib.sh || finding mig-unit "$LIBRARY does not hold the script of this version" true
  systemctl is-enabled --quiet rackwright-mig.service 2>/dev/null || finding mig-unit 'rackwright-mig.service does not start with the server' true
}

# in_use: programs that hold a GPU, by name.
in_use() { nvidia-smi --query-compute-apps=process_name --format=csv,noheader 2>/dev/null | sort -u | tr '\n' ' ' || true; }

partition() {
  local gpu right wrong current pending users list waiting=''
  while read -r gpu current pending; do
    [[ $current != Enabled ]] || continue
    run nvidia-smi -i "$gpu" -mig 1 || fail "GPU $gpu cannot be put into MIG mode: does the card have it, and is it the one that the environment names?"
    changed "put GPU $gpu into MIG mode"
  done < <(modes)
  while read -r gpu current pending; do [[ $current == Enabled ]] || waiting+="${waiting:+, }$gpu"; done < <(modes)
  [[ -z $waiting ]] || fail "MIG mode of GPU $waiting takes effect after a reset: reboot the server, then apply again"
  list=$(printf ",$PROFILE%.0s" $(seq "$INSTANCES"))
  while read -r gpu right wrong; do
    ((right != INSTANCES || wrong != 0)) || continue
    if ((right + wrong > 0)); then
      run nvidia-smi mig -i "$gpu" -dci || true
    fi
    # Instances without a compute instance are not listed and would be in the way.
    run nvidia-smi mig -i "$gpu" -dgi || true
    run nvidia-smi mig -i "$gpu" -cgi "${list#,}" -C ||
      fail "GPU $gpu cannot be cut into $INSTANCES instances of $PROFILE: \`nvidia-smi mig -lgip\` tells what fits"
    changed "cut GPU $gpu into $INSTANCES instances of $PROFILE"
  done < <(layout)
}

apply() {
  local users
  have nvidia-smi || fail 'nvidia-smi is not there: apply the GPU driver first'
  if [[ $(modes | awk '$2 != "Enabled"') != '' || $(layout | awk -v wanted="$INSTANCES" '$2 != wanted || $3 != 0') != '' ]]; then
    users=$(in_use)
    [[ -z ${users// /} ]] || refuse "the GPUs are in use by $(printable "$users"): cutting them would end it. Drain the node, then apply again"
    partition
  fi
  copy_for_services mig.sh lib.sh
  if ensure_file "$UNIT" 644 "$(boot_unit)"; then run systemctl daemon-reload; fi
  systemctl is-enabled --quiet rackwright-mig.service 2>/dev/null || {
    run systemctl enable rackwright-mig.service
    changed 'enabled rackwright-mig.service'
  }
}

read_verb "$@"
read_flags "${@:2}"
run_verb apply "$@"
