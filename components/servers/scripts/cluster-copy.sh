# shellcheck shell=bash
# Copies the data of a k3s cluster that goes on working; sourced by backup-stage.sh, and the beginning of the script that a cold
# start runs. Each function prints why and ends with 1 where there is no whole copy.

# last_line TEXT: what a program said last, which is mostly why it ended.
last_line() { tail -n 1 <<<"${1:-no reason given}" | head --bytes=400 | tr --delete '[:cntrl:]'; }

# copy_sqlite FROM TO: one reading of the database, whatever is written meanwhile. SQLite's `.backup` begins anew with each
# write of another process, and may never end.
copy_sqlite() {
  local said found
  # sqlite3 would make an empty one.
  if [[ ! -s $1 ]]; then
    printf '%s is missing: k3s has not made its cluster on this server yet' "$1"
    return 1
  fi
  if ! said=$(sqlite3 -bail "$1" '.timeout 60000' "VACUUM INTO '$2'" 2>&1); then
    printf 'sqlite3 cannot copy %s: %s' "$1" "$(last_line "$said")"
    return 1
  fi
  found=$(sqlite3 -bail "$2" 'PRAGMA integrity_check' 2>&1 | head -n 1) || true
  [[ $found == ok ]] || {
    printf 'the copy of %s is not whole: %s' "$1" "$(last_line "$found")"
    return 1
  }
}

# is_whole_snapshot FILE: etcd ends a snapshot with the SHA-256 of all before it. What k3s compresses has checksums of its own.
is_whole_snapshot() {
  [[ -f $1 ]] || return 1
  [[ $1 != *.zip ]] || return 0
  [[ $(head --bytes=-32 -- "$1" | sha256sum) == "$(tail --bytes=32 -- "$1" | od --address-radix=n --output-duplicates --format=x1 | tr -d ' \n')  -" ]]
}

# copy_etcd FOLDER
copy_etcd() {
  local said snapshots
  if ! said=$(command k3s etcd-snapshot save --name rackwright --dir "$1" 2>&1); then
    printf 'k3s etcd-snapshot save failed: %s' "$(last_line "$said")"
    return 1
  fi
  snapshots=("$1"/rackwright-*)
  is_whole_snapshot "${snapshots[0]}" || {
    printf 'the snapshot that k3s etcd-snapshot save made does not have the checksum that etcd gave it'
    return 1
  }
}
