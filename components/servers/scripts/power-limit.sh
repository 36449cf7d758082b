# shellcheck shell=bash
# shellcheck disable=SC2154 # gpu-driver.sh, which sources this, reads the flags and asks nvidia-smi
# The power limit of a server's GPUs; sourced by gpu-driver.sh. The driver forgets it at every boot, so a unit sets it again.

readonly POWER_UNIT=rackwright-power-limit.service
readonly POWER_UNIT_FILE=/etc/systemd/system/$POWER_UNIT

power_unit() {
  cat <<TEXT
# Written by rackwright.
[Unit]
Description=GPU power limit of $POWER_LIMIT W
After=nvidia-persistenced.service
Before=k3s.service k3s-agent.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/nvidia-smi -pl $POWER_LIMIT

[Install]
WantedBy=multi-user.target
TEXT
}

# same_watts A B: 300 is 300.00.
same_watts() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a ~ /^[0-9.]+$/ && a + 0 == b + 0) }'; }

# power_limits: a line for each GPU: index, its limit now, and the least and the most that the card takes, in watts.
power_limits() { timeout 120 nvidia-smi --query-gpu=index,power.limit,power.min_limit,power.max_limit --format=csv,noheader,nounits 2>/dev/null | tr -d ' ' | tr ',' ' ' || true; }

check_power_limit() {
  local index limit least most range
  if [[ -z $POWER_LIMIT ]]; then
    [[ ! -e $POWER_UNIT_FILE ]] || finding power-limit-left "$POWER_UNIT_FILE sets a power limit that the environment no longer has" true
    return 0
  fi
  expect_file "$POWER_UNIT_FILE" "$(power_unit)" power-limit-unit
  systemctl --quiet is-enabled "$POWER_UNIT" 2>/dev/null || finding power-limit-unit "$POWER_UNIT does not start with the server" true
  while read -r index limit least most; do
    ! same_watts "$limit" "$POWER_LIMIT" || continue
    range=''
    if out_of_range "$least" "$most"; then range=", and the card takes $(printable "$least") to $(printable "$most") W only"; fi
    finding power-limit "GPU $(printable "$index") has a power limit of $(printable "$limit") W, wanted is $POWER_LIMIT W$range" "$([[ -z $range ]] && printf true || printf false)"
  done < <(power_limits)
}

# out_of_range LEAST MOST: whether the card says that it takes other limits only.
out_of_range() { awk -v wanted="$POWER_LIMIT" -v least="$1" -v most="$2" 'BEGIN { number = "^[0-9.]+$"; exit !((least ~ number && wanted + 0 < least + 0) || (most ~ number && wanted + 0 > most + 0)) }'; }

apply_power_limit() {
  local index limit least most said
  if [[ -z $POWER_LIMIT ]]; then
    [[ -e $POWER_UNIT_FILE ]] || return 0
    run systemctl disable "$POWER_UNIT" || true
    rm -f "$POWER_UNIT_FILE"
    run systemctl daemon-reload
    changed "removed $POWER_UNIT_FILE; the cards have their own limits again after the next boot"
    return 0
  fi
  while read -r index limit least most; do
    ! same_watts "$limit" "$POWER_LIMIT" || continue
    if out_of_range "$least" "$most"; then
      fail "GPU $index takes a power limit of $(printable "$least") to $(printable "$most") W, wanted is $POWER_LIMIT W: correct servers.<name>.gpus.powerLimitWatts"
    fi
    said=$(timeout 120 nvidia-smi -i "$index" -pl "$POWER_LIMIT" 2>&1) ||
      fail "GPU $index does not take a power limit of $POWER_LIMIT W: $(printable "$(head -n1 <<<"$said")")"
    changed "set the power limit of GPU $index to $POWER_LIMIT W"
  done < <(power_limits)
  if ensure_file "$POWER_UNIT_FILE" 644 "$(power_unit)"; then run systemctl daemon-reload; fi
  systemctl --quiet is-enabled "$POWER_UNIT" 2>/dev/null || {
    run systemctl enable "$POWER_UNIT"
    changed "enabled $POWER_UNIT"
  }
}
