# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154 # the flags are read and the findings printed by storage-tier.sh, which sources this
# What a storage tier looks like and how it differs from what is wanted. Nothing here writes.

# Per drive, in the order of DRIVES. STATE: missing, blank, ours or foreign.
STATES=() DEVICES=()
ARRAY_UUID='' ARRAY='' BASE_DEVICE=''
FS_TYPE='' FS_UUID='' FS_LABEL=''

# Written before the first write to a blank drive and removed when the filesystem is whole: it holds the UUID that the
# array gets. An array or drive without a filesystem is ours to format only while it is there.
unfinished_file() { printf '%s/%s.unfinished' "$STATE_FOLDER" "$ARRAY_NAME"; }
unfinished_uuid() { cat "$(unfinished_file)" 2>/dev/null || true; }
is_unfinished() { [[ -e $(unfinished_file) ]]; }

# uuid_from TEXT: a UUID that follows from TEXT, so that a filesystem of ours is known even after the host was reinstalled.
uuid_from() {
  local hash
  hash=$(printf '%s' "$1" | sha256sum)
  printf '%s-%s-8%s-a%s-%s' "${hash:0:8}" "${hash:8:4}" "${hash:13:3}" "${hash:17:3}" "${hash:20:12}"
}

wanted_fs_uuid() {
  if [[ $LEVEL == single ]]; then uuid_from "$ARRAY_NAME ${DRIVES[0]}"; else uuid_from "$ARRAY_NAME $ARRAY_UUID"; fi
}

wanted_label() { printf 'rw-%s' "$TIER"; }

# Reads the drives; reports those that are in the way.
inspect_drives() {
  local id device found index other
  STATES=() DEVICES=() ARRAY_UUID='' ARRAY='' BASE_DEVICE=''
  for id in "${DRIVES[@]}"; do
    if ! resolve_drive "$id"; then
      STATES+=(missing) && DEVICES+=('')
      continue
    fi
    device=$DEVICE
    DEVICES+=("$device")
    for index in "${!STATES[@]}"; do
      [[ ${DEVICES[index]} != "$device" ]] || blocker drive-twice "$id and ${DRIVES[index]} are the same drive"
    done
    if is_ours "$device" "$id"; then
      STATES+=(ours)
      continue
    fi
    found=$(uses_of "$device" && signatures_of "$device")
    if [[ -z $found ]] && ! is_unfinished; then found=$(raw_data_of "$device"); fi
    if [[ -z $found ]]; then
      STATES+=(blank)
    else
      STATES+=(foreign)
      blocker drive-not-blank "$id holds data that is not ours, so it is left untouched: ${found//$'\n'/; }. $(how_to_declare_blank "$id")"
    fi
  done
  for other in "${!STATES[@]}"; do
    [[ ${STATES[other]} != ours || -n $ARRAY ]] || ARRAY=$(array_of "${DEVICES[other]}")
  done
  if [[ $LEVEL == single ]]; then
    [[ ${STATES[0]} == foreign ]] || BASE_DEVICE=${DEVICES[0]}
  elif [[ -n $ARRAY ]] && array_runs "$ARRAY"; then
    BASE_DEVICE=/dev/$ARRAY
  fi
}

# is_ours DEVICE ID: a member of our array, or for a single drive our filesystem.
is_ours() {
  if [[ $LEVEL == single ]]; then
    filesystem_of "$1"
    [[ $FS_TYPE == xfs && $FS_UUID == "$(uuid_from "$ARRAY_NAME $2")" ]]
    return
  fi
  examine_member "$1" && [[ $MEMBER_NAME == "$HOMEHOST:$ARRAY_NAME" ]] || return 1
  if [[ -z $ARRAY_UUID ]]; then
    ARRAY_UUID=$MEMBER_UUID
  elif [[ $ARRAY_UUID != "$MEMBER_UUID" ]]; then
    blocker array-mixed "$2 belongs to another array that is also called $ARRAY_NAME (UUID $MEMBER_UUID, the first drive's is $ARRAY_UUID)"
  fi
  [[ $MEMBER_LEVEL == "$LEVEL" ]] ||
    blocker array-level "the array on $2 is $MEMBER_LEVEL, wanted is $LEVEL: copy the data away, stop the array and zero its superblocks by hand, then apply"
  [[ $MEMBER_DEVICES == "${#DRIVES[@]}" ]] || is_unfinished ||
    blocker array-size "the array on $2 has $MEMBER_DEVICES drives, wanted are ${#DRIVES[@]}: growing or shrinking an array is done by hand with mdadm --grow, then the file follows"
}

count_of() {
  local state count=0
  for state in "${STATES[@]}"; do [[ $state != "$1" ]] || count=$((count + 1)); done
  printf '%s' "$count"
}

# drives_in STATE: the ids in that state, for a message.
drives_in() {
  local index names=()
  for index in "${!STATES[@]}"; do [[ ${STATES[index]} != "$1" ]] || names+=("${DRIVES[index]}"); done
  printf '%s' "${names[*]}"
}

id_of_kernel_name() {
  local index
  for index in "${!DEVICES[@]}"; do
    [[ ${DEVICES[index]} != "/dev/$1" ]] || { printf '%s' "${DRIVES[index]}" && return 0; }
  done
}

# How far creation got before it was cut off: some superblocks of the UUID that we had chosen, no data yet.
creation_was_cut_off() {
  is_unfinished && [[ -n $ARRAY_UUID && $ARRAY_UUID == "$(unfinished_uuid)" ]] && (($(count_of blank) > 0))
}

# ---------------------------------------------------------------- what differs

diagnose() {
  local missing
  FINDINGS=() BLOCKERS=()
  missing=$(missing_tools)
  if [[ -n $missing ]]; then
    finding tools-missing "not installed:$missing; the base environment installs them" true
    return 0
  fi
  inspect_drives
  FS_TYPE='' FS_UUID='' FS_LABEL=''
  if [[ $LEVEL == single ]]; then diagnose_single; else diagnose_array; fi
  if [[ -n $BASE_DEVICE ]]; then diagnose_filesystem; fi
  diagnose_mount
  if is_mounted && mount_answers; then diagnose_folders; fi
  if [[ -n $BASE_DEVICE && $LEVEL != single && -n $ARRAY_UUID ]]; then diagnose_mdadm_conf; fi
  diagnose_trim
}

missing_tools() {
  local tool tools=(wipefs blkid blockdev findmnt mkfs.xfs xfs_info xfs_db cmp udevadm)
  [[ $LEVEL == single ]] || tools+=(mdadm)
  for tool in "${tools[@]}"; do have "$tool" || printf ' %s' "$tool"; done
}

diagnose_single() {
  case ${STATES[0]} in
    missing) blocker drive-missing "${DRIVES[0]} is not there: is the drive plugged in, and is this its name under $BY_ID?" ;;
    blank) finding filesystem-missing "${DRIVES[0]} is blank" true ;;
  esac
}

diagnose_array() {
  local ours missing blank taken
  ours=$(count_of ours) missing=$(count_of missing) blank=$(count_of blank)
  if ((ours == 0)); then
    taken=$(array_named "$ARRAY_NAME")
    if [[ -n $taken ]]; then
      blocker array-elsewhere "an array called $ARRAY_NAME runs on other drives (/dev/$taken): are the drives in the file the right ones?"
    elif ((missing > 0)); then
      blocker drive-missing "not there: $(drives_in missing): the array is created when all its drives are there"
    elif ((blank == ${#DRIVES[@]})); then
      finding array-missing "there is no array yet; all ${#DRIVES[@]} drives are blank" true
    fi
  elif creation_was_cut_off; then
    finding array-unfinished 'creating the array was cut off before anything was stored in it' true
  elif [[ -n $ARRAY ]] && array_runs "$ARRAY"; then
    diagnose_running_array
  elif [[ $LEVEL == raid0 ]] && ((ours < ${#DRIVES[@]})); then
    array_is_lost
  else
    finding array-inactive "the array is not running${ARRAY:+ (/dev/$ARRAY is $(array_attribute "$ARRAY" array_state))}; $ours of ${#DRIVES[@]} drives are there" true
    ((missing == 0)) || finding drive-missing "not there: $(drives_in missing)" false
  fi
}

array_is_lost() {
  local gone
  gone=$(drives_in missing)
  blocker array-lost "RAID 0 has lost ${gone:-a member (${DRIVES[*]} should all hold it)} and with it everything on the $TIER tier. \
If the drive can be plugged in again, do that. If not: replace it, put the new name into the environment, run \`umount $MOUNT\` and \
\`mdadm --stop ${ARRAY:+/dev/$ARRAY}\` by hand, declare the drives that are left blank by hand (\`blkdiscard --force\` on flash, else \
\`mdadm --zero-superblock\`; they are $(drives_in ours)), and apply: the tier is made again empty and is filled from the tier that holds its source."
}

diagnose_running_array() {
  local name state id status=0 members='' action
  [[ $(array_attribute "$ARRAY" level) == raid1 || $(array_attribute "$ARRAY" chunk_size) == "$((CHUNK_KIB * 1024))" ]] ||
    finding array-chunk "the chunk is $(($(array_attribute "$ARRAY" chunk_size) / 1024)) KiB, wanted is $CHUNK_KIB KiB: it can only change with a new array" false
  while read -r name state; do
    members+=" $name "
    id=$(id_of_kernel_name "$name")
    if [[ $name == - ]]; then
      finding member-gone 'a member of the array has been pulled out or has died' false
    elif [[ -z $id ]]; then
      finding member-unknown "/dev/$name is a member of the array but not in the environment" false
    elif [[ $state == *faulty* ]]; then
      finding member-faulty "$id has failed: replace the drive and put the new name into the environment" false
    fi
  done < <(array_members "$ARRAY")
  mdadm --detail --test "/dev/$ARRAY" >/dev/null 2>&1 || status=$?
  action=$(array_attribute "$ARRAY" sync_action)
  if [[ $LEVEL == raid0 ]]; then
    ((status == 0)) || array_is_lost
  elif ((status == 0)); then
    :
  elif [[ $action == recover ]]; then
    finding array-rebuilding "the array is rebuilding onto a new member ($(array_attribute "$ARRAY" sync_completed) sectors)" false
  elif ((status == 1)); then
    finding array-degraded "the array runs without $(array_attribute "$ARRAY" degraded) of its ${#DRIVES[@]} drives" "$(has_candidate "$members")"
  else
    blocker array-failed "the array has lost more drives than $LEVEL survives (mdadm --detail --test ends with $status)"
  fi
  (($(count_of missing) == 0)) || finding drive-missing "not there: $(drives_in missing)" false
  [[ $(array_attribute "$ARRAY" degraded) != 0 ]] || (($(count_of blank) == 0)) ||
    finding drive-unused "$(drives_in blank) is not a member and the array is complete: exchange by hand with mdadm --add and mdadm --replace OLD --with NEW" false
}

# has_candidate MEMBERS: true when a drive of the environment could take the place of a lost member.
has_candidate() {
  local index
  for index in "${!STATES[@]}"; do
    [[ ${STATES[index]} != blank ]] || { printf true && return 0; }
    [[ ${STATES[index]} != ours || $1 == *" $(kernel_name "${DEVICES[index]}") "* ]] || { printf true && return 0; }
  done
  printf false
}

diagnose_filesystem() {
  filesystem_of "$BASE_DEVICE"
  if [[ -z $FS_TYPE ]]; then
    if [[ $LEVEL == single ]]; then
      : # the drive is blank, which has been said
    elif [[ $(unfinished_uuid) == "$ARRAY_UUID" && -z $(signatures_of "$BASE_DEVICE") ]]; then
      finding filesystem-missing 'the array has no filesystem yet' true
    else
      blocker filesystem-gone "the array has no known filesystem, and it is not fresh from an apply that was cut off, so it may hold data. If it is empty: $(mkfs_command "$BASE_DEVICE")"
    fi
  elif [[ $FS_TYPE != xfs || $FS_UUID != "$(wanted_fs_uuid)" ]] && [[ $LEVEL != single && $(unfinished_uuid) == "$ARRAY_UUID" ]]; then
    # The drives' edges were blank, but where the array's data begins an earlier array of theirs has left a filesystem.
    blocker filesystem-earlier "the fresh array shows what was on its drives before: $(printable "$FS_TYPE ${FS_LABEL:-without a label}"), UUID $(printable "$FS_UUID"). If that is not needed, run \`wipefs --all /dev/md/$ARRAY_NAME\` by hand, then apply"
  elif [[ $FS_TYPE != xfs || $FS_UUID != "$(wanted_fs_uuid)" ]]; then
    blocker filesystem-foreign "$BASE_DEVICE holds a filesystem that is not ours: $(printable "$FS_TYPE ${FS_LABEL:-without a label}"), UUID $(printable "$FS_UUID")"
  elif filesystem_is_half_made; then
    finding filesystem-unfinished 'making the filesystem was cut off' true
  elif is_mounted; then
    diagnose_geometry
  fi
}

filesystem_is_half_made() {
  is_unfinished && [[ $(xfs_db -r -c 'sb 0' -c 'print inprogress' "$BASE_DEVICE" 2>/dev/null) != 'inprogress = 0' ]]
}

has_stripes() { [[ $LEVEL != single && $LEVEL != raid1 ]]; }

diagnose_geometry() {
  local info block unit width
  info=$(xfs_info "$MOUNT" 2>/dev/null | tr '\n' ' ')
  [[ $info =~ data[[:space:]]+=[[:space:]]+bsize=([0-9]+).*[[:space:]]sunit=([0-9]+)[[:space:]]+swidth=([0-9]+)\ blks.*naming ]] || {
    finding filesystem-unreadable "xfs_info cannot read $MOUNT" false
    return 0
  }
  block=${BASH_REMATCH[1]} unit=$((BASH_REMATCH[2] * BASH_REMATCH[1] / 1024)) width=$((BASH_REMATCH[3] * BASH_REMATCH[1] / 1024))
  ! has_stripes || ((unit == CHUNK_KIB && width == CHUNK_KIB * DATA_DRIVES)) ||
    finding filesystem-geometry "XFS has stripe unit $unit KiB and width $width KiB, wanted are $CHUNK_KIB and $((CHUNK_KIB * DATA_DRIVES)) (block $block bytes)" false
}

# ---- mount and boot

# With nofail nothing waits for the mount, so that a long timeout costs no boot time; one that is too short leaves the
# tier unmounted when drives spin up late, and whoever writes to it then fills the system drive.
readonly MOUNT_OPTIONS=noatime,nofail,x-systemd.device-timeout=300

fstab_marker() { printf 'rackwright: tier %s' "$TIER"; }
fstab_line() { printf 'UUID=%s %s xfs %s 0 0' "$(wanted_fs_uuid)" "$MOUNT" "$MOUNT_OPTIONS"; }
mdadm_marker() { printf 'rackwright: array %s' "$ARRAY_NAME"; }
mdadm_line() { printf 'ARRAY /dev/md/%s metadata=1.2 UUID=%s' "$ARRAY_NAME" "$ARRAY_UUID"; }

# Workloads run as this user. What others put there gets its group, so that they can read it. A kubelet that finds other
# rights on a volume than these gives all files in it to the group, which takes minutes for weights.
readonly FOLDER_OWNER=10001:10001 FOLDER_MODE=2770

is_mounted() { [[ -n $BASE_DEVICE && $(mounted_device) == "$BASE_DEVICE" ]]; }
mounted_device() { findmnt --raw --noheadings --mountpoint "$MOUNT" --output SOURCE 2>/dev/null | tail -n1 || true; }
mount_answers() { timeout 20 stat --file-system -- "$MOUNT" >/dev/null 2>&1 && timeout 20 ls -A -- "$MOUNT" >/dev/null 2>&1; }

diagnose_mount() {
  local other source
  other=$(awk -v mount="$MOUNT" -v ours="$(marked_line /etc/fstab "$(fstab_marker)")" '$1 !~ /^#/ && $2 == mount && $0 != ours' /etc/fstab 2>/dev/null)
  [[ -z $other ]] || blocker mount-point-taken "/etc/fstab has another entry for $MOUNT: $(printable "$other")"
  [[ -z $BASE_DEVICE || -z $FS_UUID || $(marked_line /etc/fstab "$(fstab_marker)") == "$(fstab_line)" ]] ||
    finding fstab "/etc/fstab has no current entry for $MOUNT" true
  source=$(mounted_device)
  if [[ -n $source && $source != "$BASE_DEVICE" && ! -e $source ]]; then
    finding mount-dead "$MOUNT is still mounted from $source, which is gone" true
  elif [[ -n $source && -n $BASE_DEVICE && $source != "$BASE_DEVICE" ]]; then
    blocker mount-point-taken "$source is mounted on $MOUNT, wanted is $BASE_DEVICE"
  elif [[ -z $source ]]; then
    if [[ -d $MOUNT && -n $(ls -A -- "$MOUNT") ]]; then
      blocker mount-point-holds-files "$MOUNT is not mounted and holds files that mounting would hide: move them away"
    fi
    [[ -z $FS_UUID ]] || finding mount "$MOUNT is not mounted" true
  elif ! mount_answers; then
    finding mount-dead "$MOUNT is mounted but does not answer: its drives were lost for a while" true
  fi
}

# What is in the folders belongs to others; only the folders themselves are looked at.
diagnose_folders() {
  local folder path
  for folder in "${FOLDERS[@]}"; do
    path=$MOUNT/$folder
    if [[ -L $path || (-e $path && ! -d $path) ]]; then
      finding folder-taken "$path is not a folder: move it away" false
    elif [[ ! -e $path ]]; then
      finding folder-missing "$path is missing" true
    elif ! folder_is_right "$path"; then
      finding folder-owner "$path is $(stat -c '%u:%g with mode %a' -- "$path"), wanted is $FOLDER_OWNER with mode $FOLDER_MODE" true
    fi
  done
}

folder_is_right() { [[ $(stat -c '%u:%g %a' -- "$1") == "$FOLDER_OWNER $FOLDER_MODE" ]]; }

diagnose_mdadm_conf() {
  [[ $(marked_line /etc/mdadm/mdadm.conf "$(mdadm_marker)") == "$(mdadm_line)" ]] ||
    finding mdadm-conf "/etc/mdadm/mdadm.conf has no current ARRAY line, so the array may come up under another name" true
  check_initramfs
}

on_flash() {
  local device
  for device in "${DEVICES[@]}"; do
    [[ -z $device || $(cat "/sys/class/block/$(kernel_name "$device")/queue/rotational") != 0 ]] || return 0
  done
  return 1
}

diagnose_trim() {
  ! on_flash || systemctl --quiet is-enabled fstrim.timer 2>/dev/null ||
    finding fstrim-timer 'fstrim.timer is not enabled: flash is never told which blocks are free' true
}
