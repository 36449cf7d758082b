# shellcheck shell=bash
# shellcheck disable=SC2153,SC2154 # the flags are read by storage-tier.sh, which sources this
# Makes a storage tier as wanted. A power cut between any two commands leaves what the next apply carries on from.

remember_unfinished() {
  mkdir -p "$STATE_FOLDER"
  write_file "$(unfinished_file)" 600 "$1"
}

forget_unfinished() {
  is_unfinished || return 0
  sync
  rm -f "$(unfinished_file)"
  sync "$STATE_FOLDER"
}

create_array() {
  local uuid options=() paths=() id
  uuid=$(unfinished_uuid)
  if [[ -z $uuid ]]; then
    uuid=$(tr -d - </proc/sys/kernel/random/uuid)
    uuid=${uuid:0:8}:${uuid:8:8}:${uuid:16:8}:${uuid:24:8}
    remember_unfinished "$uuid"
  fi
  [[ $LEVEL == raid1 ]] || options+=("--chunk=${CHUNK_KIB}K")
  [[ $LEVEL != raid10 ]] || options+=(--layout=n2)
  [[ $LEVEL == raid0 ]] || options+=(--bitmap=internal)
  for id in "${DRIVES[@]}"; do paths+=("$BY_ID/$id"); done
  # Without --run mdadm asks before it does anything doubtful; there is nobody to answer, which means no.
  run mdadm --create "/dev/md/$ARRAY_NAME" --metadata=1.2 --name="$ARRAY_NAME" --homehost="$HOMEHOST" --uuid="$uuid" \
    --level="$LEVEL" --raid-devices="${#DRIVES[@]}" "${options[@]}" "${paths[@]}" </dev/null
  run udevadm settle
  changed "created the $LEVEL array $ARRAY_NAME of ${#DRIVES[@]} drives"
}

# Our own superblocks, of an array whose creation was cut off and that never held a filesystem.
clear_cut_off_creation() {
  local index
  [[ -z $ARRAY ]] || run mdadm --stop "/dev/$ARRAY"
  for index in "${!STATES[@]}"; do
    [[ ${STATES[index]} != ours ]] || run mdadm --zero-superblock "${DEVICES[index]}"
  done
}

assemble_array() {
  local index members=()
  if [[ -n $ARRAY ]]; then
    unmount_dead
    run mdadm --stop "/dev/$ARRAY" || fail "/dev/$ARRAY cannot be stopped because something still uses it: reboot the server, then apply"
  fi
  for index in "${!STATES[@]}"; do
    [[ ${STATES[index]} != ours ]] || members+=("${DEVICES[index]}")
  done
  # --run starts a redundant array that lacks a member; mdadm still refuses when too many are gone.
  run mdadm --assemble --run "/dev/md/$ARRAY_NAME" --uuid="$ARRAY_UUID" "${members[@]}"
  run udevadm settle
  changed "assembled the array $ARRAY_NAME from ${#members[@]} of ${#DRIVES[@]} drives"
}

add_replacements() {
  local index device members events
  [[ $LEVEL != raid0 && $(array_attribute "$ARRAY" degraded) != 0 ]] || return 0
  # Slots of drives that died or were pulled out; a drive that is there and well is never taken out.
  run mdadm --manage "/dev/$ARRAY" --remove failed || true
  run mdadm --manage "/dev/$ARRAY" --remove detached || true
  members=$(array_members "$ARRAY" | awk '{ printf " %s ", $1 }')
  for index in "${!STATES[@]}"; do
    device=${DEVICES[index]}
    [[ ${STATES[index]} == blank || ${STATES[index]} == ours ]] || continue
    [[ $members != *" $(kernel_name "$device") "* ]] || continue
    if [[ ${STATES[index]} == ours ]]; then
      events=$(mdadm --detail "/dev/$ARRAY" | awk -F' : ' '$1 ~ /Events$/ { print $2 }')
      (($(member_events "$device") <= events)) ||
        refuse "${DRIVES[index]} has newer data than the running array: find out by hand which of the two is right"
    fi
    run mdadm --manage "/dev/$ARRAY" --add "$device"
    changed "added ${DRIVES[index]} to the array $ARRAY_NAME; it rebuilds in the background"
  done
}

mkfs_options() {
  printf '%s\n' -L "$(wanted_label)" -m "uuid=$(wanted_fs_uuid)"
  ! has_stripes || printf '%s\n' -d "su=${CHUNK_KIB}k,sw=$DATA_DRIVES"
}

mkfs_command() { printf 'mkfs.xfs %s %s' "$(mkfs_options | tr '\n' ' ')" "$1"; }

make_filesystem() {
  local options=()
  mapfile -t options < <(mkfs_options)
  [[ $LEVEL != single ]] || is_unfinished || remember_unfinished "$(wanted_fs_uuid)"
  # -f only over our own filesystem whose making was cut off.
  ! filesystem_is_ours_and_half_made || options+=(-f)
  run mkfs.xfs "${options[@]}" "$BASE_DEVICE"
  run udevadm settle
  changed "made the filesystem $(wanted_label) on $BASE_DEVICE"
}

filesystem_is_ours_and_half_made() { [[ $FS_TYPE == xfs && $FS_UUID == "$(wanted_fs_uuid)" ]] && filesystem_is_half_made; }

unmount_dead() {
  [[ -n $(mounted_device) ]] || return 0
  run umount "$MOUNT" || fail "$MOUNT does not answer and cannot be unmounted because something still uses it (see \`fuser -vm $MOUNT\`): stop that or reboot the server, then apply"
  changed "unmounted $MOUNT, which did not answer"
}

# The tier moved to another mount point: our own entry in fstab says where it was.
unmount_former() {
  local former
  former=$(marked_line /etc/fstab "$(fstab_marker)" | awk '{ print $2 }')
  [[ -n $former && $former != "$MOUNT" ]] && findmnt --mountpoint "$former" >/dev/null || return 0
  run umount "$former" || fail "$former cannot be unmounted because something still uses it: stop that, then apply"
  changed "unmounted $former, where the tier was before"
}

mount_tier() {
  if [[ -n $(mounted_device) ]] && ! mount_answers; then unmount_dead; fi
  unmount_former
  if set_marked_line /etc/fstab "$(fstab_marker)" noatime,nofail,x-systemd.device-timeout= "$(fstab_line)"; then
    changed "wrote the entry for $MOUNT in /etc/fstab"
    run systemctl daemon-reload
  fi
  if ! is_mounted; then
    mkdir -p -- "$MOUNT"
    run mount "$MOUNT"
    changed "mounted $MOUNT"
  fi
}

make_folders() {
  local folder path
  for folder in "${FOLDERS[@]}"; do
    path=$MOUNT/$folder
    [[ ! -L $path && (! -e $path || -d $path) ]] || fail "$path is not a folder: move it away, then apply"
    if [[ -d $path ]] && folder_is_right "$path"; then continue; fi
    mkdir -p -- "$path"
    chown "$FOLDER_OWNER" -- "$path"
    chmod "$FOLDER_MODE" -- "$path"
    changed "gave $path to $FOLDER_OWNER"
  done
}

remember_array() {
  [[ $(marked_line /etc/mdadm/mdadm.conf "$(mdadm_marker)") == "$(mdadm_line)" ]] || {
    initramfs_outdated
    set_marked_line /etc/mdadm/mdadm.conf "$(mdadm_marker)" 'ARRAY /dev/md/' "$(mdadm_line)"
    initramfs_outdated
    changed "wrote the array's UUID into /etc/mdadm/mdadm.conf"
  }
}

# refuse_if_blocked WHAT_WAS_DONE
refuse_if_blocked() { ((${#BLOCKERS[@]} == 0)) || refuse "${BLOCKERS[@]}" "$1"; }

apply() {
  local missing
  missing=$(missing_tools)
  [[ -z $missing ]] || fail "not installed:$missing; apply the base environment first"
  diagnose
  refuse_if_blocked 'nothing was touched'
  if [[ $LEVEL != single ]]; then
    if creation_was_cut_off; then
      clear_cut_off_creation
      create_array
    elif [[ $(count_of ours) == 0 ]]; then
      create_array
    elif [[ -z $ARRAY ]] || ! array_runs "$ARRAY"; then
      assemble_array
    fi
    diagnose
    refuse_if_blocked 'the array runs; nothing else was touched'
    [[ -n $BASE_DEVICE ]] || fail "the array $ARRAY_NAME does not run after it was made or assembled: see \`mdadm --examine\` of its drives"
    add_replacements
  fi
  filesystem_of "$BASE_DEVICE"
  if [[ -z $FS_TYPE ]] || filesystem_is_ours_and_half_made; then make_filesystem; fi
  forget_unfinished
  [[ $LEVEL == single ]] || remember_array
  mount_tier
  make_folders
  if on_flash && ! systemctl --quiet is-enabled fstrim.timer 2>/dev/null; then
    run systemctl enable --now fstrim.timer
    changed 'enabled fstrim.timer'
  fi
}
