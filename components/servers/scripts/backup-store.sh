#!/usr/bin/env bash
# The repositories of backups: where they lie, who may add to them, and what looks after them.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=apt.sh
. "$here/apt.sh"
# shellcheck source=secrets.sh
. "$here/secrets.sh"
# shellcheck source=units.sh
. "$here/units.sh"
# shellcheck source=backup-common.sh
. "$here/backup-common.sh"
# shellcheck source=backup-units.sh
. "$here/backup-units.sh"

usage() {
  cat <<'TEXT'
bash backup-store.sh check|apply FLAGS

  --repository SERVER=CONTENT,CONTENT  a repository and what is in it, of checkpoints and cluster; once for each
  --remote SERVER                      one of them that the server fills by SSH, with a key of its own
  --folder PATH                        they are in this folder of the cold tier
  --bucket BUCKET/PATH                 or in the site's object store
  --keep-daily N, --keep-weekly N      how many snapshots are kept of each content
  --metrics-folder PATH                where scripts leave metrics for node_exporter; absent: nobody measures
  --package NAME                       installed; once for each
  --step NAME                          what to call this step in the output
  --revision HEX                       ignored; makes a changed script a changed command

apply reads from standard input the password of the repositories in a line `password VALUE`, and for each --remote a line
`key-SERVER TYPE BASE64` with its public key. What is not there is kept as the server has it.

A repository is made once. A password that does not open those that are there is refused.

check  exit 0: as wanted; 1: differs, the findings are on stdout as JSON
apply  exit 0: done; 4: failed, run it again once mended
TEXT
}

PLACE='' PLACE_KIND='' KEEP_DAILY='' KEEP_WEEKLY=''
REPOSITORIES=() REMOTES=() KEEP_FLAGS=() WRITABLE=()

readonly PROGRAMS=(backup-keep.sh backup-proof.sh backup-door.sh backup-common.sh metrics.sh lib.sh)
readonly NAME=rackwright-backup-keep
# sshd asks that the login's folder and all above the file belong to root or to the login.
readonly HOME_FOLDER=/var/lib/rackwright-backup
readonly AUTHORIZED=$HOME_FOLDER/.ssh/authorized_keys
readonly PUBLIC_KEY='^(ssh-ed25519) [A-Za-z0-9+/]+={0,2}$'

# passed_on REGEX WHAT "$@": a flag that backup-keep.sh gets as it is.
passed_on() {
  matching_value "$@"
  KEEP_FLAGS+=("$3" "$VALUE")
}

read_flags() {
  local path='(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+'
  while (($#)); do
    case $1 in
      --repository) passed_on "[a-z][a-z0-9-]{0,52}=($BACKUP_CONTENTS)(,($BACKUP_CONTENTS))*" 'SERVER=CONTENT,CONTENT' "$@" && REPOSITORIES+=("${VALUE%%=*}") ;;
      --remote) matching_value '[a-z][a-z0-9-]{0,52}' 'a server name' "$@" && REMOTES+=("$VALUE") ;;
      --folder) passed_on "$path" 'an absolute path' "$@" && PLACE=$VALUE PLACE_KIND=folder && WRITABLE+=("-$VALUE") ;;
      --bucket) passed_on '[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*' 'BUCKET/PATH' "$@" && PLACE=$VALUE PLACE_KIND=bucket ;;
      --keep-daily) passed_on '[1-9][0-9]{0,3}' 'a number' "$@" && KEEP_DAILY=$VALUE ;;
      --keep-weekly) passed_on '[1-9][0-9]{0,3}' 'a number' "$@" && KEEP_WEEKLY=$VALUE ;;
      --metrics-folder) passed_on "$path" 'an absolute path' "$@" && WRITABLE+=("-$VALUE") ;;
      --package) package_flag "$@" ;;
      -h | --help) usage && exit 0 ;;
      *) common_flag "$@" || usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  ((${#REPOSITORIES[@]} > 0)) || usage_error '--repository is needed'
  [[ -n $PLACE ]] || usage_error '--folder or --bucket is needed'
  [[ -n $KEEP_DAILY && -n $KEEP_WEEKLY ]] || usage_error '--keep-daily and --keep-weekly are needed'
  [[ $PLACE_KIND == folder || ${#REMOTES[@]} == 0 ]] || usage_error '--remote is for --folder'
  SECRETS=("password=$SETTINGS/password=root")
  local name
  for name in "${REMOTES[@]}"; do
    is_named "$name" "${REPOSITORIES[@]}" || usage_error "--remote $name has no --repository"
    SECRETS+=("key-$name=$SETTINGS/keys/$name=root")
  done
}

is_named() {
  local wanted=$1 name
  shift
  for name in "$@"; do [[ $name != "$wanted" ]] || return 0; done
  return 1
}

# owner_of NAME: those that come by SSH belong to the login that may do nothing else, the others to root.
owner_of() { if is_named "$1" "${REMOTES[@]}"; then printf '%s' "$BACKUP_USER"; else printf root; fi; }

repository_of() { if [[ $PLACE_KIND == folder ]]; then printf '%s/%s' "$PLACE" "$1"; else printf 'rclone:cold:%s/%s' "$PLACE" "$1"; fi; }

# ---------------------------------------------------------------- who may come in

# A shell is needed to run the forced command, and nothing else can be run with it.
wanted_keys() {
  local name
  printf '# Written by rackwright.'
  for name in "${REMOTES[@]}"; do
    printf '\nrestrict,command="/bin/bash %s/backup-door.sh %s %s" %s' "$LIBRARY" "$name" "$PLACE" "$(<"$SETTINGS/keys/$name")"
  done
}

# has_keys: a key is a line of ours before it goes into authorized_keys: a second line would be a key without bounds.
has_keys() {
  local name
  for name in "${REMOTES[@]}"; do
    [[ -s $SETTINGS/keys/$name && $(<"$SETTINGS/keys/$name") =~ $PUBLIC_KEY ]] || return 1
  done
}

has_login() { [[ $(getent passwd "$BACKUP_USER" | cut -d: -f6,7) == "$HOME_FOLDER:/bin/sh" ]]; }

diagnose_login() {
  ((${#REMOTES[@]} > 0)) || return 0
  has_login || finding backup-login "there is no login $BACKUP_USER as wanted" true
  if ! has_keys; then
    finding backup-keys "$SETTINGS/keys does not hold the keys of ${REMOTES[*]}" true
  else
    expect_file "$AUTHORIZED" "$(wanted_keys)" backup-keys
  fi
}

apply_login() {
  ((${#REMOTES[@]} > 0)) || return 0
  has_login || {
    if getent passwd "$BACKUP_USER" >/dev/null; then fail "the login $BACKUP_USER exists and is not of rackwright's making: rename it"; fi
    run useradd --system --user-group --home-dir "$HOME_FOLDER" --no-create-home --shell /bin/sh --password '*' "$BACKUP_USER"
    changed "made the login $BACKUP_USER"
  }
  has_keys || fail 'a public key on standard input is not an ssh-ed25519 key and nothing else'
  mkdir -p -- "$HOME_FOLDER/.ssh"
  chmod 755 "$HOME_FOLDER" "$HOME_FOLDER/.ssh"
  ensure_file "$AUTHORIZED" 644 "$(wanted_keys)" || true
}

# ---------------------------------------------------------------- repositories

opens() { restic_in "$1" "$2" --no-cache cat config >/dev/null 2>"$BACKUP_STATE/said"; }

# is_made NAME OWNER: whether its folder has a repository, which the owner can write to.
is_made() {
  [[ -f $PLACE/$1/config && $(stat --format='%U %a' -- "$PLACE/$1") == "$2 700" && $(stat --format=%U -- "$PLACE/.locks/$1" 2>/dev/null) == "$2" ]]
}

diagnose_repositories() {
  local name
  [[ $PLACE_KIND == folder ]] || return 0
  if ! on_own_filesystem "${PLACE%/*}"; then
    finding backup-tier "${PLACE%/*} is not mounted" false
    return 0
  fi
  for name in "${REPOSITORIES[@]}"; do
    is_made "$name" "$(owner_of "$name")" || finding backup-repository "$PLACE/$name is no repository of $(owner_of "$name")" true
  done
}

# own_folder PATH OWNER MODE: a run that was killed may have left it to somebody else.
own_folder() {
  [[ -d $1 && $(stat --format='%U %a' -- "$1") == "$2 $3" ]] || run install --directory --owner="$2" --group="$2" --mode="$3" "$1"
}

make_folders() {
  local name=$1 owner=$2 folder
  for folder in .locks .sessions .interrupted; do own_folder "$PLACE/$folder" root 711; done
  for folder in "$name" ".interrupted/$name" ".sessions/$name"; do own_folder "$PLACE/$folder" "$owner" 700; done
  [[ $(stat --format=%U -- "$PLACE/.locks/$name" 2>/dev/null) == "$owner" ]] || run install --owner="$owner" --group="$owner" --mode=600 /dev/null "$PLACE/.locks/$name"
}

apply_repositories() {
  local name owner said
  if [[ $PLACE_KIND == folder ]]; then
    on_own_filesystem "${PLACE%/*}" || fail "${PLACE%/*} is not mounted, and backups would be on the system's drive: apply the tier first"
    own_folder "$PLACE" root 755
  fi
  for name in "${REPOSITORIES[@]}"; do
    owner=$(owner_of "$name")
    if [[ $PLACE_KIND == folder ]]; then
      make_folders "$name" "$owner"
      is_made "$name" "$owner" && opens "$owner" "$(repository_of "$name")" && continue
      [[ ! -e $PLACE/$name/config ]] || fail "the repository $PLACE/$name does not open: $(reason_of "$(<"$BACKUP_STATE/said")")"
    else
      opens root "$(repository_of "$name")" && continue
      said=$(<"$BACKUP_STATE/said")
      [[ $said == *'Is there a repository'* || $said == *'does not exist'* ]] || fail "the repository $(repository_of "$name") does not open: $(reason_of "$said")"
    fi
    said=$(restic_in "$owner" "$(repository_of "$name")" --no-cache init 2>&1) || fail "the repository $(repository_of "$name") cannot be made: $(reason_of "$said")"
    changed "made the repository $(repository_of "$name")"
  done
}

# ---------------------------------------------------------------- the two verbs

wanted_service() { service_unit 'Looks after backups: reads them back, restores a part, deletes old ones' "backup-keep.sh ${KEEP_FLAGS[*]}" 86400 "${WRITABLE[*]}"; }
# In the middle of the day of most sites, away from the backups.
wanted_timer() { timer_unit 'Looks after backups, every day' $'OnCalendar=*-*-* 12:40\nRandomizedDelaySec=20min\nPersistent=yes'; }

diagnose() {
  check_packages
  each_secret expect_secret
  diagnose_login
  diagnose_repositories
  is_copied "${PROGRAMS[@]}" || finding backup-script "$LIBRARY does not hold the scripts of this version" true
  diagnose_timer backup "$NAME" "$(wanted_service)" "$(wanted_timer)"
  diagnose_runs kept-
}

# prove_password: one that does not open what is there never replaces the one that does.
prove_password() {
  local fresh=${SECRET_VALUES[password]:-} name
  [[ -n $fresh && -s $SETTINGS/password && $fresh != "$(<"$SETTINGS/password")" && $PLACE_KIND == folder ]] || return 0
  PASSWORD_FILE=$SETTINGS/password.fresh
  write_file "$PASSWORD_FILE" 400 "$fresh"
  for name in "${REPOSITORIES[@]}"; do
    is_made "$name" "$(owner_of "$name")" || continue
    opens "$(owner_of "$name")" "$PLACE/$name" || {
      rm -f -- "$PASSWORD_FILE"
      fail "the repository $PLACE/$name does not open: $(reason_of "$(<"$BACKUP_STATE/said")")"
    }
  done
  rm -f -- "$PASSWORD_FILE"
  PASSWORD_FILE=''
}

apply() {
  read_secrets
  install_packages
  (umask 077 && mkdir -p -- "$SETTINGS/keys" "$BACKUP_STATE")
  copy_for_services "${PROGRAMS[@]}"
  prove_password
  each_secret ensure_secret
  apply_login
  apply_repositories
  apply_timer "$NAME" "$(wanted_service)" "$(wanted_timer)"
}

read_verb "$@"
read_flags "${@:2}"
run_verb apply "$@"
