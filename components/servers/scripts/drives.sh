# shellcheck shell=bash
# shellcheck disable=SC2034 # the functions answer in variables that storage-tier.sh reads
# What is on a drive, and in which state an MD array is; sourced by storage-tier.sh. Nothing here writes to a drive.

readonly BY_ID=/dev/disk/by-id
readonly EDGE_BYTES=1048576
# Arrays of ours carry this as the homehost part of their name, so that no array made by hand is taken for ours.
readonly HOMEHOST=rackwright

# kernel_name DEVICE: nvme0n1 for /dev/nvme0n1.
kernel_name() { printf '%s' "${1##*/}"; }

# resolve_drive ID: sets DEVICE to the whole drive that the id names. Status 1: no such drive now.
resolve_drive() {
  DEVICE=''
  [[ -L $BY_ID/$1 ]] || return 1
  DEVICE=$(readlink -f -- "$BY_ID/$1")
  [[ -b $DEVICE ]]
}

# uses_of DEVICE: one line for each way in which the running system uses the drive or a part of it.
uses_of() {
  local device=$1 name sysfs part holder numbers target swap
  name=$(kernel_name "$device")
  sysfs=/sys/class/block/$name
  [[ ! -e $sysfs/partition ]] || printf 'is itself a partition\n'
  for part in "$sysfs/$name"*; do
    [[ ! -e $part/partition ]] || printf 'partition %s\n' "${part##*/}"
  done
  for holder in "$sysfs"/holders/* "$sysfs/$name"*/holders/*; do
    [[ ! -e $holder ]] || printf 'in use by %s\n' "${holder##*/}"
  done
  while read -r numbers; do
    target=$(awk -v numbers="$numbers" '$3 == numbers { print $5; exit }' /proc/self/mountinfo)
    [[ -z $target ]] || printf 'mounted on %s\n' "$target"
  done < <(cat "$sysfs/dev" "$sysfs/$name"*/dev 2>/dev/null)
  while read -r swap _; do
    [[ $swap != "$device" && $swap != "$device"[0-9p]* ]] || printf 'in use as swap (%s)\n' "$swap"
  done < <(tail -n +2 /proc/swaps)
  [[ $(cat "$sysfs/ro") == 0 ]] || printf 'is read-only\n'
}

# signatures_of DEVICE: one line for each signature that wipefs or blkid knows. Fails when the drive cannot be read.
signatures_of() {
  local device=$1 found line status=0
  found=$(wipefs --no-act --noheadings --output TYPE,LABEL "$device" 2>&1) || {
    printf 'cannot be read: %s\n' "$(printable "$found")"
    return 0
  }
  while IFS= read -r line; do
    [[ -z $line ]] || printf '%s signature\n' "$(printable "${line%"${line##*[![:space:]]}"}")"
  done <<<"$found"
  [[ -z $found ]] || return 0
  blkid --probe --output export "$device" >/dev/null 2>&1 || status=$?
  # blkid: 2 is nothing found, 8 is several contradicting signatures.
  case $status in
    0 | 8) printf 'signature known to blkid: %s\n' "$(printable "$(blkid --probe --output full "$device" 2>&1 || true)")" ;;
    2) ;;
    *) printf 'cannot be probed by blkid (status %s)\n' "$status" ;;
  esac
}

# raw_data_of DEVICE: one line for each edge of the drive that is not all zero, for not all data has a known signature.
raw_data_of() {
  local device=$1 size
  size=$(blockdev --getsize64 "$device")
  if ((size < 2 * EDGE_BYTES)); then
    printf 'is too small (%s bytes)\n' "$size"
    return 0
  fi
  cmp --silent --bytes="$EDGE_BYTES" "$device" /dev/zero || printf 'data without a known signature in the first MiB\n'
  cmp --silent --bytes="$EDGE_BYTES" --ignore-initial="$((size - EDGE_BYTES)):0" "$device" /dev/zero ||
    printf 'data without a known signature in the last MiB\n'
}

# how_to_declare_blank ID: what an operator runs by hand, once sure that the drive may be lost.
how_to_declare_blank() {
  local path=$BY_ID/$1
  printf '%s' "If nothing on it is needed, declare it blank by hand: \`blkdiscard --force $path\` on flash," \
    " or \`wipefs --all $path\` and \`blkdiscard --zeroout --length 1MiB $path\` (and the same for the last MiB) on a rotating drive."
}

# examine_member DEVICE: reads the MD superblock into MEMBER_*. Status 1: it has none.
examine_member() {
  local key value
  MEMBER_NAME='' MEMBER_UUID='' MEMBER_LEVEL='' MEMBER_DEVICES=''
  while IFS='=' read -r key value; do
    case $key in
      MD_NAME) MEMBER_NAME=$value ;;
      MD_UUID) MEMBER_UUID=$value ;;
      MD_LEVEL) MEMBER_LEVEL=$value ;;
      MD_DEVICES) MEMBER_DEVICES=$value ;;
    esac
  done < <(mdadm --examine --export "$1" 2>/dev/null || true)
  [[ -n $MEMBER_UUID ]]
}

# member_events DEVICE: the superblock's event count; the member with the higher one has the newer data.
member_events() { mdadm --examine "$1" 2>/dev/null | awk -F' : ' '$1 ~ /Events$/ { print $2; exit }'; }

# array_of DEVICE: kernel name of the MD array that holds the drive, running or not.
array_of() {
  local holder
  for holder in "/sys/class/block/$(kernel_name "$1")"/holders/md*; do
    [[ ! -e $holder ]] || { printf '%s' "${holder##*/}" && return 0; }
  done
}

# array_named NAME: kernel name of the assembled array of ours that is called NAME, wherever its members are.
array_named() {
  local block
  for block in /sys/block/md*; do
    [[ -e $block/md ]] || continue
    if mdadm --detail --export "/dev/${block##*/}" 2>/dev/null | grep -Fxq "MD_NAME=$HOMEHOST:$1"; then
      printf '%s' "${block##*/}"
      return 0
    fi
  done
}

# array_attribute ARRAY FILE: a value from the array's folder in sysfs, or nothing.
array_attribute() { cat "/sys/block/$1/md/$2" 2>/dev/null || true; }

# array_members ARRAY: a line `kernel-name state` for each member; a drive that is gone has the name -.
array_members() {
  local slot name
  for slot in "/sys/block/$1"/md/dev-*; do
    [[ -e $slot/state ]] || continue
    name=-
    [[ ! -e $slot/block ]] || name=${slot##*/dev-}
    printf '%s %s\n' "$name" "$(cat "$slot/state" 2>/dev/null || printf faulty)"
  done
}

# array_runs ARRAY: whether the array serves reads and writes.
array_runs() {
  case $(array_attribute "$1" array_state) in
    clean | active | active-idle | write-pending | read-auto | readonly) return 0 ;;
    *) return 1 ;;
  esac
}

# filesystem_of DEVICE: sets FS_TYPE, FS_UUID and FS_LABEL, empty when there is none.
filesystem_of() {
  local key value
  FS_TYPE='' FS_UUID='' FS_LABEL=''
  while IFS='=' read -r key value; do
    case $key in
      TYPE) FS_TYPE=$value ;;
      UUID) FS_UUID=$value ;;
      LABEL) FS_LABEL=$value ;;
    esac
  done < <(blkid --probe --output export "$1" 2>/dev/null || true)
}
