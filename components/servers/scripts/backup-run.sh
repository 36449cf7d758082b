#!/usr/bin/env bash
# Makes the backups of one server that are due. Run by the timer of backup.sh every hour; it ends at once when nothing is due.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=metrics.sh
. "$here/metrics.sh"
# shellcheck source=backup-common.sh
. "$here/backup-common.sh"
# shellcheck source=checkpoint-metrics.sh
. "$here/checkpoint-metrics.sh"
# shellcheck source=cluster-copy.sh
. "$here/cluster-copy.sh"
# shellcheck source=backup-stage.sh
. "$here/backup-stage.sh"

usage() {
  cat <<'TEXT'
bash backup-run.sh FLAGS

  --server NAME                             whose backups these are
  --every-hours N                           how often; all servers of a site begin in the same hour
  --checkpoints JOB:PROCESSES:yes|no=PATH   checkpoints of a training job; once for each
  --cluster sqlite|etcd                     the data of the k3s control plane on this server
  --folder PATH                             repositories in a folder of this server's own cold tier
  --store USER@ADDRESS:PORT                 repositories on another server, through its backup-door.sh
  --bucket BUCKET/PATH                      repositories in the site's object store
  --metrics-folder PATH                     where the metrics go
  --settings PATH, --state PATH             default /etc/rackwright/backup and /var/lib/rackwright/backup
  --now                                     also what is not due

exit 0: all that was due is backed up; 2: called wrongly; 4: something was not, it is said why; tried again in an hour
TEXT
}

SERVER='' EVERY_HOURS='' CLUSTER='' PLACE='' PLACE_KIND='' METRICS='' NOW=no
JOBS=()

read_arguments() {
  local folder='(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+'
  while (($#)); do
    case $1 in
      --server) matching_value '[a-z][a-z0-9-]{0,52}' 'a server name' "$@" && SERVER=$VALUE ;;
      --every-hours) matching_value '[1-9][0-9]{0,3}' 'a number of hours' "$@" && EVERY_HOURS=$VALUE ;;
      --checkpoints) matching_value "[a-z][a-z0-9-]{0,52}:[0-9]{1,3}:(yes|no)=$folder" 'JOB:PROCESSES:yes|no=PATH' "$@" && JOBS+=("$VALUE") ;;
      --cluster) matching_value 'sqlite|etcd' 'sqlite or etcd' "$@" && CLUSTER=$VALUE ;;
      --folder | --store | --bucket)
        flag_value "$@"
        PLACE=$VALUE PLACE_KIND=${1#--}
        ;;
      --metrics-folder) matching_value "$folder" 'an absolute path' "$@" && METRICS=$VALUE ;;
      --settings) matching_value "$folder" 'an absolute path' "$@" && SETTINGS=$VALUE ;;
      --state) matching_value "$folder" 'an absolute path' "$@" && BACKUP_STATE=$VALUE ;;
      --now) NOW=yes && shift && continue ;;
      -h | --help) usage && exit 0 ;;
      *) usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  [[ -n $SERVER ]] || usage_error '--server is needed'
  [[ -n $EVERY_HOURS ]] || usage_error '--every-hours is needed'
  [[ -n $PLACE ]] || usage_error '--folder, --store or --bucket is needed'
}

# ---------------------------------------------------------------- where backups go

# way_to_store: ssh with this server's key and the store's known host key, and nothing of anybody's own configuration.
way_to_store() {
  local port=${PLACE##*:} login=${PLACE%:*}
  printf 'ssh -F none -i %s/key -o UserKnownHostsFile=%s/known_hosts -o GlobalKnownHostsFile=none -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4 -o LogLevel=ERROR -p %s %s' \
    "$SETTINGS" "$SETTINGS" "$port" "$login"
}

# place_is_ready: status 1, and why not in REASON.
REASON=''
place_is_ready() {
  local answer free size
  case $PLACE_KIND in
    folder)
      REPOSITORY=$PLACE/$SERVER
      if [[ ! -d $REPOSITORY/data ]]; then
        REASON="there is no repository of $SERVER in $PLACE: is the tier mounted?"
        return 1
      fi
      read -r free size < <(df --block-size=1 --output=avail,size -- "$PLACE" | tail -n 1)
      if ((free * 50 < size)); then
        REASON="the tier that keeps backups is full: $((free / 1048576)) MiB of $((size / 1048576)) MiB are free in $PLACE"
        return 1
      fi
      ;;
    store)
      # rclone is started on the other side; what restic says after the program is for it.
      RESTIC_OPTIONS=(--option "rclone.program=$(way_to_store)")
      REPOSITORY=rclone:$SERVER
      # shellcheck disable=SC2046 # words without blanks
      if ! answer=$($(way_to_store) ready </dev/null 2>&1) || [[ $answer != ready ]]; then
        REASON="the server that keeps backups did not take one: $(printable "${answer:0:400}")"
        return 1
      fi
      ;;
    bucket)
      REPOSITORY=rclone:cold:$PLACE/$SERVER
      REASON=$(bucket_fault "$PLACE" "$SERVER")
      [[ -z $REASON ]] || return 1
      ;;
  esac
}

# restic_here ARGUMENT...: as root, for only root can read what is backed up; in a folder under the repository's lock.
restic_here() {
  local status=0
  if [[ $PLACE_KIND != folder ]]; then
    restic_in "$(id -un)" "$REPOSITORY" --cache-dir "$BACKUP_STATE/cache" "$@"
    return
  fi
  (
    flock --nonblock 9 || fail "the repository of $SERVER is in use: it is being checked, or another backup runs"
    begin_session "$PLACE" "$SERVER"
    restic_in "$(id -un)" "$REPOSITORY" --cache-dir "$BACKUP_STATE/cache" "$@" || status=$?
    end_session "$PLACE" "$SERVER"
    exit "$status"
  ) 9>>"$PLACE/.locks/$SERVER"
}

# ---------------------------------------------------------------- one backup

status_file() { printf '%s/source-%s.status' "$BACKUP_STATE" "$1"; }

# slot_of SECONDS: backups are due once in each; the same on every server, so that the checkpoints of a job fit together.
slot_of() { printf '%d' "$(($1 / (EVERY_HOURS * 3600)))"; }

is_due() {
  local last
  last=$(status_value "$(status_file "$1")" last_success)
  [[ $NOW == yes || ! $last =~ ^[0-9]+$ ]] || (($(slot_of "$last") < $(slot_of "$STARTED")))
}

# number_in TEXT KEY: a number from restic's summary.
number_in() { grep --only-matching "\"$2\":[0-9]*" <<<"$1" | tail -n 1 | grep --only-matching '[0-9]*$' || true; }

back_up() {
  local what=$1 folder said status=0 began=$SECONDS reason
  set_status "$(status_file "$what")" what "$SERVER/$what" place "$PLACE_KIND:$PLACE" every_hours "$EVERY_HOURS" last_try "$STARTED"
  # A process of its own, in which any error ends it: what cannot be gathered is not the next one's failure.
  "stage_$what" >"$BACKUP_STATE/staged" 2>"$BACKUP_STATE/said" &
  wait $! || status=$?
  folder=$(<"$BACKUP_STATE/staged")
  if ((status != 0)); then
    remember_failure "$what" "$(sed -n 's/^[a-z-]*: failed: //p; $p' "$BACKUP_STATE/said" | tail -n 1)"
  elif [[ -z $folder ]]; then
    # Nothing to lose yet.
    set_status "$(status_file "$what")" error ''
  else
    said=$(restic_here backup --json --host "$SERVER" --tag "$what" --ignore-ctime -- "$folder" 2>&1) || status=$?
    if ((status == 0)); then
      set_status "$(status_file "$what")" last_success "$STARTED" snapshot "$(grep --only-matching '"snapshot_id":"[0-9a-f]*"' <<<"$said" | cut -d'"' -f4)" \
        bytes "$(number_in "$said" total_bytes_processed)" added_bytes "$(number_in "$said" data_added)" seconds "$((SECONDS - began))" error ''
      log "$what of $SERVER is backed up"
    else
      reason=$(reason_of "$said")
      remember_failure "$what" "${reason:-restic ended with status $status and gave no reason}"
    fi
  fi
  unstage "$what"
}

remember_failure() {
  FAILED=yes
  set_status "$(status_file "$1")" error "$2"
  log "failed: $1 of $SERVER: $2"
}

publish_backups() {
  local what last file
  [[ -n $METRICS ]] || return 0
  # shellcheck disable=SC2034 # read by metrics.sh
  FOLDER=$METRICS
  gauge rackwright_backup_timestamp_seconds 'When the last backup that ended well began.'
  gauge rackwright_backup_failed '1 where the last try of a backup failed.'
  for what in "${CONTENTS[@]}"; do
    file=$(status_file "$what")
    last=$(status_value "$file" last_success)
    ! is_number "$last" || sample rackwright_backup_timestamp_seconds "what=\"$SERVER/$what\"" "$last"
    [[ ! -e $file ]] || sample rackwright_backup_failed "what=\"$SERVER/$what\"" "$([[ -z $(status_value "$file" error) ]] && echo 0 || echo 1)"
  done
  # Not named as the others are: this one is written once an hour.
  publish backup-source
}

read_arguments "$@"
STEP=backup-run
STARTED=$(date +%s)
FAILED=no
mkdir -p -- "$BACKUP_STATE"
exec 8>>"$BACKUP_STATE/lock"
flock --nonblock 8 || fail 'another run is at work'
CONTENTS=()
((${#JOBS[@]} == 0)) || CONTENTS+=(checkpoints)
[[ -z $CLUSTER ]] || CONTENTS+=(cluster)
due=()
for what in "${CONTENTS[@]}"; do ! is_due "$what" || due+=("$what"); done
if ((${#due[@]} > 0)); then
  if place_is_ready; then
    for what in "${due[@]}"; do back_up "$what"; done
  else
    for what in "${due[@]}"; do
      set_status "$(status_file "$what")" what "$SERVER/$what" place "$PLACE_KIND:$PLACE" every_hours "$EVERY_HOURS" last_try "$STARTED"
      remember_failure "$what" "$REASON"
    done
  fi
fi
publish_backups
[[ $FAILED == no ]] || exit "$EXIT_FAILED"
