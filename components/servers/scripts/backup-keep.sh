#!/usr/bin/env bash
# Looks after the repositories on the server that keeps them: reads them back, tries to restore from them, and deletes what
# is older than is kept. Run once a day by the timer of backup-store.sh.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=metrics.sh
. "$here/metrics.sh"
# shellcheck source=backup-common.sh
. "$here/backup-common.sh"
# shellcheck source=backup-proof.sh
. "$here/backup-proof.sh"

usage() {
  cat <<'TEXT'
bash backup-keep.sh FLAGS

  --repository SERVER=CONTENT,CONTENT   a server's repository and what is in it; once for each
  --folder PATH                         the repositories are in this folder
  --bucket BUCKET/PATH                  or in the site's object store
  --keep-daily N, --keep-weekly N       how many snapshots are kept, of each content
  --metrics-folder PATH                 where the metrics go
  --settings PATH, --state PATH         default /etc/rackwright/backup and /var/lib/rackwright/backup

Nothing is deleted in a repository that is damaged, or whose snapshots say other times than those at which they came.

exit 0: all is well; 2: called wrongly; 4: something is not, it is said what
TEXT
}

FOLDER_OF_ALL='' BUCKET='' METRICS='' KEEP_DAILY='' KEEP_WEEKLY=''
REPOSITORIES=()

read_arguments() {
  local folder='(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+'
  while (($#)); do
    case $1 in
      --repository) matching_value "[a-z][a-z0-9-]{0,52}=($BACKUP_CONTENTS)(,($BACKUP_CONTENTS))*" 'SERVER=CONTENT,CONTENT' "$@" && REPOSITORIES+=("$VALUE") ;;
      --folder) matching_value "$folder" 'an absolute path' "$@" && FOLDER_OF_ALL=$VALUE ;;
      --bucket) matching_value '[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*' 'BUCKET/PATH' "$@" && BUCKET=$VALUE ;;
      --keep-daily) matching_value '[1-9][0-9]{0,3}' 'a number' "$@" && KEEP_DAILY=$VALUE ;;
      --keep-weekly) matching_value '[1-9][0-9]{0,3}' 'a number' "$@" && KEEP_WEEKLY=$VALUE ;;
      --metrics-folder) matching_value "$folder" 'an absolute path' "$@" && METRICS=$VALUE ;;
      --settings) matching_value "$folder" 'an absolute path' "$@" && SETTINGS=$VALUE ;;
      --state) matching_value "$folder" 'an absolute path' "$@" && BACKUP_STATE=$VALUE ;;
      -h | --help) usage && exit 0 ;;
      *) usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  ((${#REPOSITORIES[@]} > 0)) || usage_error '--repository is needed'
  [[ -n $FOLDER_OF_ALL || -n $BUCKET ]] || usage_error '--folder or --bucket is needed'
  [[ -n $KEEP_DAILY && -n $KEEP_WEEKLY ]] || usage_error '--keep-daily and --keep-weekly are needed'
}

status_file() { printf '%s/kept-%s.status' "$BACKUP_STATE" "${1/\//-}"; }

# ---------------------------------------------------------------- one repository

# keep NAME CONTENTS: status 1 where something is wrong; PROBLEM says what, and DAMAGED whether data are.
keep() {
  local name=$1 contents=$2 what
  PROBLEM='' DAMAGED=no
  # In a folder those of killed runs are gone already.
  [[ -z $BUCKET ]] || restic_of "$name" unlock --remove-all >/dev/null 2>&1 || true
  SNAPSHOTS=''
  if prove_integrity "$name" && read_list "$name"; then
    if times_are_honest "$name"; then retain "$name" || true; fi
    for what in ${contents//,/ }; do try_restore "$name" "$what" || true; done
  fi
  for what in ${contents//,/ }; do
    set_status "$(status_file "$name/$what")" what "$name/$what" last_try "$STARTED" error "$PROBLEM" damaged "$DAMAGED" place "${FOLDER_OF_ALL:+folder:$FOLDER_OF_ALL}${BUCKET:+bucket:$BUCKET}"
    describe_newest "$name" "$what"
  done
  [[ -z $PROBLEM ]] || log "failed: $name: $PROBLEM"
  [[ -z $PROBLEM ]]
}

problem() { PROBLEM+="${PROBLEM:+; }$1"; }

# retain NAME: older snapshots go, and what only they needed.
retain() {
  local said
  said=$(restic_of "$1" forget --group-by tags --keep-daily "$KEEP_DAILY" --keep-weekly "$KEEP_WEEKLY" --prune 2>&1) || {
    problem "old snapshots cannot be deleted: $(reason_of "$said")"
    return 1
  }
}

read_list() {
  list_snapshots "$1" || {
    problem 'the snapshots cannot be listed'
    return 1
  }
}

# describe_newest NAME CONTENT: when the newest snapshot was made.
describe_newest() {
  local newest
  newest=$(newest_of "$2")
  [[ -z $newest ]] || set_status "$(status_file "$1/$2")" newest "$(date --date="${newest%% *}" +%s)"
}

keep_under_lock() {
  local name=$1 status=0
  if [[ -n $BUCKET ]]; then
    PROBLEM=$(bucket_fault "$BUCKET" "$name")
    if [[ -n $PROBLEM ]]; then
      mark_all "$@"
      return 1
    fi
    keep "$@"
    return
  fi
  if [[ ! -d $FOLDER_OF_ALL/$name/data ]]; then
    PROBLEM="there is no repository of $name in $FOLDER_OF_ALL: is the tier mounted?"
    mark_all "$@"
    return 1
  fi
  exec 9>>"$FOLDER_OF_ALL/.locks/$name"
  # A backup that is on its way ends within its own time.
  if ! flock --wait "${RACKWRIGHT_BACKUP_WAIT_SECONDS:-14400}" 9; then
    PROBLEM="the repository of $name was in use for hours: see \`fuser -v $FOLDER_OF_ALL/.locks/$name\`"
    mark_all "$@"
    return 1
  fi
  begin_session "$FOLDER_OF_ALL" "$name"
  keep "$@" || status=$?
  end_session "$FOLDER_OF_ALL" "$name"
  exec 9>&-
  return "$status"
}

mark_all() {
  local what
  log "failed: $PROBLEM"
  for what in ${2//,/ }; do set_status "$(status_file "$1/$what")" what "$1/$what" last_try "$STARTED" error "$PROBLEM"; done
}

# ---------------------------------------------------------------- metrics

publish_kept() {
  local row what file value contents
  [[ -n $METRICS ]] || return 0
  # shellcheck disable=SC2034 # read by metrics.sh
  FOLDER=$METRICS
  gauge rackwright_backup_timestamp_seconds 'When the last backup that ended well began.'
  gauge rackwright_backup_verified_timestamp_seconds 'Since when all of a backup has been read back, and a part of it restored.'
  gauge rackwright_backup_failed '1 where the last try of a backup, or the last look at it, failed.'
  gauge rackwright_backup_damaged '1 where a backup has data that are not what was written.'
  for row in "${REPOSITORIES[@]}"; do
    IFS=, read -r -a contents <<<"${row#*=}"
    for what in "${contents[@]}"; do
      what=${row%%=*}/$what
      file=$(status_file "$what")
      value=$(status_value "$file" newest)
      ! is_number "$value" || sample rackwright_backup_timestamp_seconds "what=\"$what\"" "$value"
      value=$(verified_since "$file")
      ! is_number "$value" || sample rackwright_backup_verified_timestamp_seconds "what=\"$what\"" "$value"
      sample rackwright_backup_failed "what=\"$what\"" "$([[ -z $(status_value "$file" error) ]] && echo 0 || echo 1)"
      sample rackwright_backup_damaged "what=\"$what\"" "$([[ $(status_value "$file" damaged) == yes ]] && echo 1 || echo 0)"
    done
  done
  publish backup-store
}

read_arguments "$@"
STEP=backup-keep
STARTED=$(date +%s)
mkdir -p -- "$BACKUP_STATE"
failed=no
for row in "${REPOSITORIES[@]}"; do keep_under_lock "${row%%=*}" "${row#*=}" || failed=yes; done
publish_kept
[[ $failed == no ]] || exit "$EXIT_FAILED"
