# shellcheck shell=bash
# shellcheck disable=SC2153 # collect-metrics.sh, which sources this, reads the flags
# The state of a server's arrays and tiers, and its driver, as metrics.

readonly ARRAY_STATES='ok degraded rebuilding failed missing'
# A drive that hangs must not hold up what can be told of the others.
readonly PATIENCE=(timeout --kill-after=5 20)

# Kernel name of each assembled array of ours, by its name.
declare -A ARRAYS=()
find_arrays() {
  local block name
  for block in /sys/block/md*; do
    [[ -e $block/md ]] || continue
    name=$("${PATIENCE[@]}" mdadm --detail --export "/dev/${block##*/}" 2>/dev/null | awk -F= '$1 == "MD_NAME" { print $2; exit }') || true
    [[ $name != "$HOMEHOST:"* ]] || ARRAYS[${name#"$HOMEHOST:"}]=${block##*/}
  done
}

# array_verdict ARRAY LEVEL: the state of an assembled array; nothing where mdadm does not answer.
array_verdict() {
  local status=0
  "${PATIENCE[@]}" mdadm --detail --test "/dev/$1" >/dev/null 2>&1 || status=$?
  ((status < 100)) || return 0
  if ! array_runs "$1" || ((status > 1)) || [[ $2 == raid0 && $status != 0 ]]; then
    printf failed
  elif ((status == 0)); then
    printf ok
  elif [[ $(array_attribute "$1" sync_action) =~ ^(recover|reshape)$ ]]; then
    printf rebuilding
  else
    printf degraded
  fi
}

working_members() { array_members "$1" | awk '$1 != "-" && $2 ~ /in_sync/ && $2 !~ /faulty/ { count++ } END { print count + 0 }'; }

collect_array() {
  local tier=$1 level=$2 drives=$3 name=$4 array state verdict=missing working=0 labels
  labels="tier=\"$tier\",array=\"$name\""
  array=${ARRAYS[$name]:-}
  if [[ -n $array ]]; then
    verdict=$(array_verdict "$array" "$level")
    working=$(working_members "$array")
  fi
  sample rackwright_array_members_expected "$labels" "$drives"
  if [[ -z $verdict ]]; then
    log "mdadm gives no answer about $name"
    return 0
  fi
  sample rackwright_array_members_working "$labels" "$working"
  for state in $ARRAY_STATES; do
    sample rackwright_array_state "$labels,state=\"$state\"" "$([[ $state == "$verdict" ]] && printf 1 || printf 0)"
  done
}

# is_mounted_on PATH: whether a file system is mounted there and answers; one that lost its drives stays mounted for a while.
is_mounted_on() {
  awk -v path="$1" '$5 == path { found = 1 } END { exit !found }' /proc/self/mountinfo &&
    "${PATIENCE[@]}" stat --file-system -- "$1" >/dev/null 2>&1 && "${PATIENCE[@]}" ls --almost-all -- "$1" >/dev/null 2>&1
}

collect_storage() {
  local line tier level drives name mount
  gauge rackwright_array_state '1 for the state that the array of a tier is in.'
  gauge rackwright_array_members_expected 'Members that the array of a tier should have.'
  gauge rackwright_array_members_working 'Members of the array of a tier that work.'
  gauge rackwright_tier_mounted '1 where a tier is mounted where it should be.'
  if have mdadm; then
    find_arrays
  elif [[ " ${TIERS[*]} " == *:raid* ]]; then
    log 'mdadm is not installed: nothing can be told of the arrays'
  fi
  for line in "${TIERS[@]}"; do
    IFS=: read -r tier level drives name mount <<<"$line"
    if [[ $level != single ]] && have mdadm; then collect_array "$tier" "$level" "$drives" "$name"; fi
    sample rackwright_tier_mounted "tier=\"$tier\",mountpoint=\"$mount\"" "$(is_mounted_on "$mount" && printf 1 || printf 0)"
  done
}

collect_driver() {
  local version
  gauge rackwright_driver_info 'The NVIDIA driver that the kernel runs.'
  version=$(cat /sys/module/nvidia/version 2>/dev/null || true)
  [[ ! $version =~ ^([0-9]{3})(\.[0-9]+)+$ ]] || sample rackwright_driver_info "version=\"$version\",branch=\"${BASH_REMATCH[1]}\"" 1
}
