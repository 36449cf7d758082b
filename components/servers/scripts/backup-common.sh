# shellcheck shell=bash
# What the programs that make and keep backups share; sourced by backup-run.sh, backup-keep.sh, backup-door.sh and the steps.

# Contents of a backup, which are restic's tags as well.
# shellcheck disable=SC2034 # read by the scripts that source this
readonly BACKUP_CONTENTS='checkpoints|cluster'
# shellcheck disable=SC2034
readonly BACKUP_USER=rackwright-backup
SETTINGS=/etc/rackwright/backup
BACKUP_STATE=$STATE_FOLDER/backup

# ---------------------------------------------------------------- what is remembered between runs: KEY=VALUE, a line each

# status_value FILE KEY: the value, or nothing.
status_value() { awk -F= -v key="$2" '$1 == key { print substr($0, length(key) + 2); exit }' "$1" 2>/dev/null || true; }

# set_status FILE KEY VALUE...: replaces values and keeps the others.
set_status() {
  local file=$1 line key text=''
  local -A fresh=()
  shift
  while (($#)); do
    fresh[$1]=$(printable "${2//$'\n'/; }")
    shift 2
  done
  if [[ -f $file ]]; then
    while IFS= read -r line; do
      key=${line%%=*}
      [[ -n ${fresh[$key]+set} ]] || text+=$line$'\n'
    done <"$file"
  fi
  for key in "${!fresh[@]}"; do text+="$key=${fresh[$key]}"$'\n'; done
  write_file "$file" 644 "$(sort <<<"${text%$'\n'}")"
}

# ---------------------------------------------------------------- restic

# restic_in OWNER REPOSITORY ARGUMENT...: restic as the user that the repository's files belong to. The password is on its
# standard input, where neither other users nor a list of processes see it.
restic_in() {
  local owner=$1 repository=$2
  shift 2
  local become=()
  [[ $owner == "$(id -un)" ]] || become=(setpriv --reuid="$owner" --regid="$owner" --clear-groups)
  "${become[@]}" env --ignore-environment PATH="$PATH" HOME=/nonexistent TMPDIR="${TMPDIR:-/tmp}" RCLONE_CONFIG="$STORE_CONFIG" \
    restic --quiet --repo "$repository" "${RESTIC_OPTIONS[@]}" "$@" <"${PASSWORD_FILE:-$SETTINGS/password}"
}
RESTIC_OPTIONS=()

# reason_of TEXT: what restic or ssh had to say, as one line that a person can act upon.
reason_of() {
  local said
  said=$(printable "$(grep --invert-match --extended-regexp '^(reading repository password|repository [0-9a-f]+ opened|created new cache|subprocess|$)' <<<"$1" | tail -n 3 | tr '\n' ' ')")
  case $1 in
    *'wrong password'*) printf 'the repository does not open with the password that this server has: rackwright:backupPassword is not the one that the repository was made with' ;;
    *'Is there a repository at'*) printf 'there is no repository: %s' "${said:0:300}" ;;
    *) printf '%s' "${said:0:400}" ;;
  esac
}

# ---------------------------------------------------------------- repositories in the object store

readonly STORE_CONFIG=/etc/rackwright/rclone.conf

# bucket_fault BUCKET/PATH NAME: why NAME's repository cannot be used now; nothing where it can. Asked before restic is, which
# tries for a quarter of an hour and then says little.
bucket_fault() {
  local said status=0
  said=$(timeout 120 env --ignore-environment PATH="$PATH" HOME=/nonexistent rclone --config "$STORE_CONFIG" --contimeout 15s --timeout 30s --retries 2 --low-level-retries 2 \
    lsf --max-depth 1 --files-only "cold:$1/$2" 2>&1 </dev/null) || status=$?
  # rclone ends with 3 where there is no such folder.
  if ((status != 0 && status != 3)); then
    said=${said:-rclone gave no reason}
    said=$(printable "${said//$'\n'/; }")
    printf 'the object store does not answer as it should: %s' "${said:0:400}"
  elif ! grep --quiet --line-regexp config <<<"$said"; then
    printf 'there is no repository of %s in %s of the object store' "$2" "$1"
  fi
}

# ---------------------------------------------------------------- repositories in a folder

# on_own_filesystem FOLDER: whether it is on a mounted tier and not on the system's drive.
on_own_filesystem() { [[ -d $1 && $(stat --format=%d -- "$1") != $(stat --format=%d /) ]]; }

# misnamed FOLDER NEWER: files that restic names by their checksum and that have another, cut off or changed. NEWER: only those
# that were written after that file, or everything where it is empty.
misnamed() {
  local newer=()
  [[ -z $2 ]] || newer=(-newer "$2")
  find "$1/index" "$1/snapshots" "$1/keys" -type f "${newer[@]}" -print0 2>/dev/null | sort --zero-terminated |
    xargs --null --no-run-if-empty sha256sum -- | awk '{ file = substr($0, 67); name = file; sub(".*/", "", name); if ($1 != name) print file }'
}

# begin_session FOLDER NAME: to be called under the repository's lock. What a session that was cut off left half written was
# never part of a backup, and would keep restic from reading the rest. It is set aside, not deleted.
begin_session() {
  local folder=$1 name=$2
  local marker=$folder/.sessions/$name/open
  [[ ! -e $marker ]] || set_aside "$folder" "$name"
  # Fresh, and through no link that somebody put there.
  rm -f -- "$marker"
  (set -o noclobber && : >"$marker")
  # Nobody else is at work under this lock: these are of a run that was killed.
  find "$folder/$name/locks" -type f -delete 2>/dev/null || true
}

end_session() {
  set_aside "$1" "$2"
  rm -f -- "$1/.sessions/$2/open"
}

set_aside() {
  local folder=$1 name=$2 file
  while IFS= read -r file; do
    mv -- "$file" "$folder/.interrupted/$name/"
    log "set aside ${file##*/}, which a run that was cut off had begun"
  done < <(misnamed "$folder/$name" "$folder/.sessions/$name/open")
}
