#!/usr/bin/env bash
# The site's S3-compatible object store as a server's cold tier, by way of rclone.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"

usage() {
  cat <<'TEXT'
bash object-store.sh check|apply FLAGS

  --endpoint URL    the store, http or https
  --bucket NAME
  --region NAME     default us-east-1
  --step NAME       what to call this step in the output
  --revision HEX    ignored; makes a changed script a changed command

apply reads the keys from standard input, the access key's id on the first line and the secret key on the second. They
never are on a command line. With nothing on standard input the keys that the server has are kept.
The bucket is then `rclone --config /etc/rackwright/rclone.conf ls cold:NAME`.

check  exit 0: as wanted; 1: differs, the findings are on stdout as JSON
apply  exit 0: done; 4: failed, run it again once mended
TEXT
}

ENDPOINT='' BUCKET='' REGION=us-east-1
ACCESS_KEY_ID='' SECRET_ACCESS_KEY=''
readonly CONFIG=/etc/rackwright/rclone.conf

read_flags() {
  while (($#)); do
    case $1 in
      --endpoint) matching_value 'https?://[][A-Za-z0-9.:_/~%-]+' 'an http or https URL without a user' "$@" && ENDPOINT=$VALUE ;;
      --bucket) matching_value '[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]' 'a bucket name' "$@" && BUCKET=$VALUE ;;
      --region) matching_value '[A-Za-z0-9][A-Za-z0-9._-]{0,62}' 'a region name' "$@" && REGION=$VALUE ;;
      -h | --help) usage && exit 0 ;;
      *) common_flag "$@" || usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  [[ -n $ENDPOINT ]] || usage_error '--endpoint is needed'
  [[ -n $BUCKET ]] || usage_error '--bucket is needed'
}

# setting NAME: a value from our rclone configuration.
setting() { awk -F' = ' -v name="$1" '$1 == name { print $2; exit }' "$CONFIG" 2>/dev/null || true; }

wanted_config() {
  printf '# Written by rackwright.\n[cold]\ntype = s3\nprovider = Other\nenv_auth = false\naccess_key_id = %s\nsecret_access_key = %s\nendpoint = %s\nregion = %s\nacl = private\nno_check_bucket = true' \
    "$ACCESS_KEY_ID" "$SECRET_ACCESS_KEY" "$ENDPOINT" "$REGION"
}

# Keys are taken from the terminal's or the connection's standard input; a key with blanks is a mistake of copying.
read_keys() {
  local id='' secret=''
  if [[ ! -t 0 ]]; then
    IFS= read -r -t 30 id || true
    IFS= read -r -t 30 secret || true
  fi
  if [[ -z $id ]]; then
    id=$(setting access_key_id) secret=$(setting secret_access_key)
    [[ -n $id ]] || usage_error 'the keys are expected on standard input, the id on the first line and the secret on the second'
  fi
  [[ $id =~ ^[[:graph:]]+$ ]] || usage_error 'the first line on standard input is not an access key id'
  [[ $secret =~ ^[[:graph:]]+$ ]] || usage_error 'the second line on standard input is not a secret access key'
  ACCESS_KEY_ID=$id SECRET_ACCESS_KEY=$secret
}

# answer CONFIG: empty when the bucket can be listed, else rclone's reason. rclone prints no keys. Its library also heeds AWS_*
# variables of whoever runs this, which have nothing to do with the site's store.
answer() {
  local said
  said=$(timeout 120 env --ignore-environment PATH="$PATH" HOME=/root rclone --config "$1" --contimeout 15s --timeout 30s --retries 2 --low-level-retries 2 \
    lsf --max-depth 1 --dirs-only "cold:$BUCKET" 2>&1 >/dev/null </dev/null) || {
    said=${said:-rclone gave no reason}
    said=$(printable "${said//$'\n'/; }")
    printf '%s' "${said:0:400}"
  }
}

diagnose() {
  local reason
  if ! have rclone; then
    finding tools-missing 'rclone is not installed; the base environment installs it' true
  elif [[ ! -f $CONFIG ]]; then
    finding object-store-config "$CONFIG is missing" true
  else
    [[ $(stat -c '%a %U' "$CONFIG") == '600 root' ]] || finding object-store-mode "$CONFIG holds keys and can be read by others than root" true
    ACCESS_KEY_ID=$(setting access_key_id) SECRET_ACCESS_KEY=$(setting secret_access_key)
    file_is "$CONFIG" "$(wanted_config)" || finding object-store-config "$CONFIG is not as wanted" true
    reason=$(answer "$CONFIG")
    [[ -z $reason ]] || finding object-store-unreachable "the bucket $BUCKET at $ENDPOINT cannot be listed: $reason" false
  fi
}

apply() {
  local reason
  read_keys
  have rclone || fail 'rclone is not installed: apply the base environment first'
  # Keys that do not open the store never replace those that do.
  write_file "$CONFIG.fresh" 600 "$(wanted_config)"
  reason=$(answer "$CONFIG.fresh")
  if [[ -n $reason ]]; then
    rm -f "$CONFIG.fresh"
    fail "the bucket $BUCKET at $ENDPOINT cannot be listed: $reason"
  fi
  if file_is "$CONFIG" "$(wanted_config)" && [[ $(stat -c '%a %U' "$CONFIG") == '600 root' ]]; then
    rm -f "$CONFIG.fresh"
  else
    mv -f "$CONFIG.fresh" "$CONFIG"
    sync "$(dirname "$CONFIG")"
    changed "wrote $CONFIG"
  fi
}

read_verb "$@"
read_flags "${@:2}"
run_verb apply "$@"
