#!/usr/bin/env bash
# What the key of one server may do on the server that keeps its backups: add to its own repository, and read it. Run by sshd
# as the forced command of that key; rclone refuses to delete or to overwrite anything but locks (its flag --append-only).
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=backup-common.sh
. "$here/backup-common.sh"

usage() {
  cat <<'TEXT'
bash backup-door.sh NAME FOLDER

NAME     the server whose key this is
FOLDER   the folder of all repositories

What is asked for is in SSH_ORIGINAL_COMMAND: `ready` tells whether a backup can be taken now, and
`serve restic --stdio ...`, which restic sends, opens the repository. Everything else is refused.
TEXT
}

[[ $# == 2 && $1 =~ ^[a-z][a-z0-9-]{0,52}$ && $2 == /* ]] || {
  usage >&2
  exit "$EXIT_USAGE"
}
STEP=backup-door
name=$1 folder=$2

# A tier that is not mounted has no repository; a new one must not begin on the system's drive.
[[ -d $folder/$name/data ]] || fail "there is no repository of $name in $folder: is the tier mounted?"
exec 9>>"$folder/.locks/$name"
flock --nonblock 9 || fail "the repository of $name is in use: it is being checked, or another backup runs"

case ${SSH_ORIGINAL_COMMAND:-} in
  ready)
    read -r free size < <(df --block-size=1 --output=avail,size -- "$folder" | tail -n 1)
    # Room to tidy up in, which takes writing first.
    ((free * 50 >= size)) || fail "the tier that keeps backups is full: $((free / 1048576)) MiB of $((size / 1048576)) MiB are free in $folder"
    printf 'ready\n'
    ;;
  'serve restic --stdio'*)
    begin_session "$folder" "$name"
    status=0
    rclone serve restic --stdio --append-only --config /dev/null --log-level ERROR -- "$folder/$name" || status=$?
    end_session "$folder" "$name"
    exit "$status"
    ;;
  *) fail "this key opens the backup repository of $name and does nothing else" ;;
esac
