# shellcheck shell=bash
# shellcheck disable=SC2153,SC2154 # backup-keep.sh, which sources this, reads the flags
# Whether a repository is what was written to it, and gives it back; sourced by backup-keep.sh.

# All data are read back in a week: a seventh each day, chosen by restic from the packs' names.
readonly PARTS=7
# A backup is dated when it begins, and its snapshot comes when it ends.
readonly LONGEST_BACKUP_SECONDS=172800 CLOCK_SKEW_SECONDS=600
# Files of a snapshot that are restored and compared each week.
readonly RESTORED_FILES=5 RESTORE_EVERY_SECONDS=597600

# restic_of NAME ARGUMENT...
restic_of() {
  local name=$1
  shift
  if [[ -n $BUCKET ]]; then
    restic_in "$(id -un)" "rclone:cold:$BUCKET/$name" --no-cache "$@"
  else
    restic_in "$(stat --format=%U -- "$FOLDER_OF_ALL/$name")" "$FOLDER_OF_ALL/$name" --no-cache "$@"
  fi
}

# list_snapshots NAME: fills SNAPSHOTS with `TIME ID TAG FOLDER` lines, newest first.
list_snapshots() {
  local list
  list=$(restic_of "$1" snapshots --json 2>/dev/null) || return 1
  # Quotes inside of a value have a backslash before them, so that nothing in a value looks like a member.
  SNAPSHOTS=$(awk '{ gsub(/},{/, "}\n{"); print }' <<<"$list" |
    sed -n -E 's/.*"time":"([0-9T:.+Z-]+)".*"paths":\["([^"]+)"\].*"tags":\["([a-z]+)"\].*"id":"([0-9a-f]{64})".*/\1 \4 \3 \2/p' | sort --reverse)
}

# newest_of CONTENT: its newest snapshot's line.
newest_of() { awk -v tag="$1" '$3 == tag { print; exit }' <<<"$SNAPSHOTS"; }

# ---------------------------------------------------------------- integrity

# parts_due: the part of today, and those that were never read.
parts_due() {
  local part today=$((STARTED / 86400 % PARTS + 1))
  for ((part = 1; part <= PARTS; part++)); do
    if ((part == today)) || [[ -z $(status_value "$PARTS_READ" "part_$part") ]]; then printf '%d\n' "$part"; fi
  done
}

# prove_integrity NAME: names against checksums, then restic's own check of structure and of a part of the data.
prove_integrity() {
  local name=$1 bad part said due=()
  PARTS_READ=$BACKUP_STATE/read-$name.status
  if [[ -n $FOLDER_OF_ALL ]]; then
    bad=$(misnamed "$FOLDER_OF_ALL/$name" '')
    if [[ -n $bad ]]; then
      DAMAGED=yes
      problem "$(wc -l <<<"$bad") files are not what was written: $(head -n 3 <<<"$bad" | tr '\n' ' ')"
      return 1
    fi
  fi
  mapfile -t due < <(parts_due)
  ((${#due[@]} < PARTS)) || due=(all)
  for part in "${due[@]}"; do
    said=$(restic_of "$name" check "--read-data$([[ $part == all ]] || printf -- '-subset=%d/%d' "$part" "$PARTS")" 2>&1) || {
      # A password that does not fit, or a store that is away, says nothing of the data.
      ! is_damage "$said" || DAMAGED=yes
      problem "$(reason_of "$said")"
      return 1
    }
    remember_read "$part"
  done
}

is_damage() { [[ $1 != *'wrong password'* && $1 =~ (contains\ errors|does\ not\ match|ciphertext\ verification|invalid\ data|unexpected\ EOF|hash|mismatch|config|not\ valid|invalid\ character|no\ key\ found) ]]; }

remember_read() {
  local part
  if [[ $1 != all ]]; then
    set_status "$PARTS_READ" "part_$1" "$STARTED"
  else
    for ((part = 1; part <= PARTS; part++)); do set_status "$PARTS_READ" "part_$part" "$STARTED"; done
  fi
}

# times_are_honest NAME: a server adds to its repository, and can date what it adds. Retention goes by dates: a server in bad
# hands could have its good snapshots deleted in favour of others. When a file came, it cannot choose.
times_are_honest() {
  local name=$1 time id said came
  [[ -n $FOLDER_OF_ALL ]] || return 0
  if (($(grep --count . <<<"$SNAPSHOTS") != $(find "$FOLDER_OF_ALL/$name/snapshots" -type f | wc -l))); then
    problem 'there are snapshots that backup-run.sh did not make: see who has the key of this server. Nothing is deleted'
    return 1
  fi
  while read -r time id _; do
    [[ -n $id ]] || continue
    said=$(date --date="$time" +%s) came=$(stat --format=%Y -- "$FOLDER_OF_ALL/$name/snapshots/$id")
    if ((said > came + CLOCK_SKEW_SECONDS || said < came - LONGEST_BACKUP_SECONDS)); then
      problem "the snapshot ${id:0:8} says that it is of $time, and came on $(date --utc --date="@$came" +%FT%TZ): see who has the key of $name. Nothing is deleted"
      return 1
    fi
  done <<<"$SNAPSHOTS"
}

# ---------------------------------------------------------------- restoring

# try_restore NAME CONTENT: some files of the newest snapshot, against the manifest that was made beside the originals.
try_restore() {
  local name=$1 what=$2 file last id folder sums count=0 bytes=0 began sum path size
  file=$(status_file "$name/$what")
  last=$(status_value "$file" restored)
  read -r _ id _ folder < <(newest_of "$what") || true
  [[ -n ${id:-} ]] || return 0
  if [[ $last =~ ^[0-9]+$ ]] && ((STARTED - last < RESTORE_EVERY_SECONDS)); then return 0; fi
  sums=$(restic_of "$name" dump "$id" "$folder/manifest.sha256" 2>/dev/null) || sums=''
  if [[ -z $sums ]]; then
    problem "the manifest of $what cannot be restored from the snapshot ${id:0:8}"
    return 1
  fi
  began=$(date +%s%N)
  while read -r sum path; do
    if [[ $(restic_of "$name" dump "$id" "$folder/$path" 2>/dev/null | dd bs=1M 2>"$BACKUP_STATE/restored" | sha256sum) != "$sum "* ]]; then
      # shellcheck disable=SC2034 # read by backup-keep.sh
      DAMAGED=yes
      problem "$path of $what, restored from the snapshot ${id:0:8}, is not what was backed up"
      return 1
    fi
    size=$(awk '/ bytes? / { print $1 }' "$BACKUP_STATE/restored")
    count=$((count + 1)) bytes=$((bytes + size))
  done < <(shuf --head-count="$RESTORED_FILES" <<<"$sums")
  rm -f -- "$BACKUP_STATE/restored"
  set_status "$file" restored "$STARTED" restored_files "$count" restored_bytes "$bytes" restored_milliseconds "$((($(date +%s%N) - began) / 1000000))"
}

# verified_since FILE: the oldest of all that proves a backup; nothing where a proof is missing.
verified_since() {
  local name part value oldest
  oldest=$(status_value "$1" restored)
  name=$(status_value "$1" what)
  for ((part = 1; part <= PARTS; part++)); do
    value=$(status_value "$BACKUP_STATE/read-${name%%/*}.status" "part_$part")
    [[ $value =~ ^[0-9]+$ && $oldest =~ ^[0-9]+$ ]] || return 0
    ((value >= oldest)) || oldest=$value
  done
  printf '%s' "$oldest"
}
