#!/usr/bin/env bash
# Backups of what exists on this server and nowhere else: checkpoints of training jobs, and the data of the cluster's control
# plane. Made by restic on a timer; where they go, this server may add and read, and delete nothing.
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
bash backup.sh check|apply FLAGS

  --server NAME             this server
  --every-hours N           how often
  --checkpoints JOB:N:L=PATH  checkpoints of a training job, N of whose processes are on this server; L says whether it is
                            the job's first server, yes or no; once for each
  --cluster sqlite|etcd     back up the k3s control plane too, whose data is in one of these
  --folder PATH             repositories are in a folder of this server's own cold tier
  --store ADDRESS:PORT      repositories are on another server
  --store-key TYPE=BASE64   that server's host key
  --bucket BUCKET/PATH      repositories are in the site's object store
  --metrics-folder PATH     where scripts leave metrics for node_exporter; absent: nobody measures
  --package NAME            installed; once for each
  --step NAME               what to call this step in the output
  --revision HEX            ignored; makes a changed script a changed command

apply reads the password of the repositories from standard input, in a line `password VALUE`; with nothing there, what the
server has is kept. It prints this server's public key, which backup-store.sh on the other server is given.

check  exit 0: as wanted; 1: differs, the findings are on stdout as JSON
apply  exit 0: done; 4: failed, run it again once mended
TEXT
}

SERVER='' EVERY_HOURS='' PLACE='' STORE='' STORE_KEY=''
RUN_FLAGS=() WRITABLE=()

readonly PROGRAMS=(backup-run.sh backup-stage.sh cluster-copy.sh backup-common.sh checkpoint-metrics.sh metrics.sh lib.sh)
readonly NAME=rackwright-backup
readonly KEY=$SETTINGS/key KNOWN_HOSTS=$SETTINGS/known_hosts

# passed_on REGEX WHAT "$@": a flag that backup-run.sh gets as it is.
passed_on() {
  matching_value "$@"
  RUN_FLAGS+=("$3" "$VALUE")
}

read_flags() {
  local path='(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+'
  while (($#)); do
    case $1 in
      --server) passed_on '[a-z][a-z0-9-]{0,52}' 'a server name' "$@" && SERVER=$VALUE ;;
      --every-hours) passed_on '[1-9][0-9]{0,3}' 'a number of hours' "$@" && EVERY_HOURS=$VALUE ;;
      --checkpoints)
        passed_on "[a-z][a-z0-9-]{0,52}:[0-9]{1,3}:(yes|no)=$path" 'JOB:PROCESSES:yes|no=PATH' "$@"
        VALUE=${VALUE#*=}
        WRITABLE+=("-${VALUE%/*}")
        ;;
      --cluster) passed_on 'sqlite|etcd' 'sqlite or etcd' "$@" && WRITABLE+=(-/var/lib/rancher/k3s) ;;
      --folder) passed_on "$path" 'an absolute path' "$@" && PLACE=$VALUE && WRITABLE+=("-$VALUE") ;;
      --store)
        matching_value '[][A-Za-z0-9.:-]+:[0-9]{1,5}' 'ADDRESS:PORT' "$@" && PLACE=$VALUE STORE=$VALUE
        RUN_FLAGS+=(--store "$BACKUP_USER@$VALUE")
        ;;
      --store-key) matching_value '(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa)=[A-Za-z0-9+/]+={0,2}' 'TYPE=BASE64' "$@" && STORE_KEY=${VALUE/=/ } ;;
      --bucket) passed_on '[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*' 'BUCKET/PATH' "$@" && PLACE=$VALUE ;;
      --metrics-folder) passed_on "$path" 'an absolute path' "$@" && WRITABLE+=("-$VALUE") ;;
      --package) package_flag "$@" ;;
      -h | --help) usage && exit 0 ;;
      *) common_flag "$@" || usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  [[ -n $SERVER ]] || usage_error '--server is needed'
  [[ -n $EVERY_HOURS ]] || usage_error '--every-hours is needed'
  [[ -n $PLACE ]] || usage_error '--folder, --store or --bucket is needed'
  [[ -z $STORE || -n $STORE_KEY ]] || usage_error '--store-key is needed for --store'
  SECRETS=("password=$SETTINGS/password=root")
}

# ssh writes a port other than its own into the name.
wanted_hosts() {
  local address=${STORE%:*} port=${STORE##*:}
  [[ $port == 22 ]] || address="[$address]:$port"
  printf '%s %s' "$address" "$STORE_KEY"
}

wanted_service() { service_unit "Backups of $SERVER that are due" "backup-run.sh ${RUN_FLAGS[*]}" "$((EVERY_HOURS * 3600))" "${WRITABLE[*]}"; }
# The same minute on every server, so that checkpoints of one job fit together. What is not due ends at once.
wanted_timer() { timer_unit 'Backups, every hour what is due' $'OnCalendar=*:10\nAccuracySec=1s\nPersistent=yes'; }

key_is_kept() { [[ -s $KEY && $(stat --format='%a %U' -- "$KEY") == '600 root' && -s $KEY.pub ]]; }

diagnose() {
  check_packages
  each_secret expect_secret
  if [[ -n $STORE ]]; then
    key_is_kept || finding backup-key "$KEY is missing, or can be read by others than root" true
    expect_file "$KNOWN_HOSTS" "$(wanted_hosts)" backup-host-key
  fi
  is_copied "${PROGRAMS[@]}" || finding backup-script "$LIBRARY does not hold the scripts of this version" true
  diagnose_timer backup "$NAME" "$(wanted_service)" "$(wanted_timer)"
  diagnose_runs source-
}

apply() {
  read_secrets
  install_packages
  (umask 077 && mkdir -p -- "$SETTINGS" "$BACKUP_STATE")
  each_secret ensure_secret
  if [[ -n $STORE ]]; then
    key_is_kept || {
      rm -f -- "$KEY" "$KEY.pub"
      run ssh-keygen -q -t ed25519 -N '' -C "backups of $SERVER" -f "$KEY"
      changed "made the key $KEY"
    }
    ensure_file "$KNOWN_HOSTS" 600 "$(wanted_hosts)" || true
    ALSO_REPORTED=",\"publicKey\":$(json_string "$(cut -d' ' -f1,2 "$KEY.pub")")"
  fi
  copy_for_services "${PROGRAMS[@]}"
  apply_timer "$NAME" "$(wanted_service)" "$(wanted_timer)"
}

read_verb "$@"
read_flags "${@:2}"
run_verb apply "$@"
