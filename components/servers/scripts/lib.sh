# shellcheck shell=bash
# Common ground of the host scripts; sourced, never run.
#
# Each script has two verbs. `check` prints what differs as one JSON document; `apply` mends it, prints its
# progress on stderr and what it changed as one JSON document on stdout. Neither needs jq or python.

set -Eeuo pipefail

readonly EXIT_DIFFERS=1 EXIT_USAGE=2 EXIT_REFUSED=3 EXIT_FAILED=4
readonly STATE_FOLDER=/var/lib/rackwright
readonly LOCK_FILE=/run/rackwright.lock LOCK_SECONDS=3600 LOCK_TIMED_OUT=75
# shellcheck disable=SC2034 # used by the scripts that install packages
readonly APT_LOCK_SECONDS=900

# sshd hands non-root logins a PATH without the folders where mdadm, mkfs and blkid live.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
# Messages of tools are read by this program, so they must not be translated.
export PATH LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l

STEP=${0##*/}
STEP=${STEP%.sh}
VERB=''
VALUE=''
FINDINGS=()
BLOCKERS=()
CHANGES=()
REBOOT_REQUIRED=false
# Further members of what apply prints, each with a comma before it.
ALSO_REPORTED=''

# ---------------------------------------------------------------- messages

log() { printf '%s: %s\n' "$STEP" "$*" >&2; }

usage_error() {
  printf '%s: %s\n%s\n' "$STEP" "$*" "Run \`bash $0 --help\` for the flags." >&2
  exit "$EXIT_USAGE"
}

# Nothing was touched, because touching it might lose data.
refuse() {
  local line
  for line in "$@"; do log "refused: $line"; done
  exit "$EXIT_REFUSED"
}

fail() {
  local line
  for line in "$@"; do log "failed: $line"; done
  exit "$EXIT_FAILED"
}

on_unexpected_error() {
  local status=$? line=$1 command=$2
  ((BASH_SUBSHELL == 0)) || exit "$status"
  log "failed: line $line: \`$command\` ended with status $status; running apply again is safe"
  exit "$EXIT_FAILED"
}
trap 'on_unexpected_error "$LINENO" "$BASH_COMMAND"' ERR

# ---------------------------------------------------------------- JSON

# Prints its argument as a JSON string. Bytes that are no UTF-8 are dropped: they come from drive labels and the like.
json_string() {
  local text=$1 escaped='' char code
  if [[ $text == *[$'\x80'-$'\xff']* ]]; then
    text=$(printf '%s.' "$text" | iconv -c -f UTF-8 -t UTF-8 2>/dev/null || true)
    text=${text%.}
  fi
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  if [[ $text == *[$'\x01'-$'\x1f\x7f']* ]]; then
    while IFS= read -r -n1 -d '' char; do
      case $char in
        $'\n') escaped+='\n' ;;
        $'\r') escaped+='\r' ;;
        $'\t') escaped+='\t' ;;
        [$'\x01'-$'\x1f\x7f'])
          printf -v code '\\u%04x' "'$char"
          escaped+=$code
          ;;
        *) escaped+=$char ;;
      esac
    done < <(printf '%s' "$text")
    text=$escaped
  fi
  printf '"%s"' "$text"
}

join_by_comma() {
  local IFS=,
  printf '%s' "$*"
}

# finding ID MESSAGE MENDABLE: something differs; MENDABLE says whether `apply` would put it right.
finding() {
  FINDINGS+=("{\"id\":$(json_string "$1"),\"message\":$(json_string "$2"),\"mendable\":$3}")
}

# blocker ID MESSAGE: a finding that `apply` cannot mend, and in whose presence it touches nothing.
blocker() {
  BLOCKERS+=("$2")
  finding "$1" "$2" false
}

# changed TEXT: apply has just done TEXT.
changed() {
  log "$1"
  CHANGES+=("$(json_string "$1")")
}

report_check() {
  local ok=true
  ((${#FINDINGS[@]} == 0)) || ok=false
  printf '{"step":%s,"ok":%s,"findings":[%s]}\n' "$(json_string "$STEP")" "$ok" "$(join_by_comma "${FINDINGS[@]}")"
  [[ $ok == true ]] || exit "$EXIT_DIFFERS"
}

report_apply() {
  printf '{"step":%s,"changed":[%s],"rebootRequired":%s%s}\n' "$(json_string "$STEP")" "$(join_by_comma "${CHANGES[@]}")" "$REBOOT_REQUIRED" "$ALSO_REPORTED"
}

# Text from a drive or a tool, fit for a terminal.
printable() { printf '%s' "${1//[^[:print:]]/?}"; }

# ---------------------------------------------------------------- flags

# flag_value "$@": puts the value that follows a flag into VALUE. No subshell, where a usage error could not end the run.
flag_value() {
  (($# >= 2)) || usage_error "$1 needs a value"
  VALUE=$2
}

# matching_value REGEX WHAT "$@": flag_value, and the whole value must match REGEX.
matching_value() {
  local pattern=$1 what=$2
  shift 2
  flag_value "$@"
  [[ $VALUE =~ ^($pattern)$ ]] || usage_error "$1: must be $what, got '$VALUE'"
}

# Takes the first argument of the script.
read_verb() {
  case ${1:-} in
    check | apply) VERB=$1 ;;
    -h | --help | help)
      usage
      exit 0
      ;;
    '') usage_error 'a verb is needed: check or apply' ;;
    *) usage_error "unknown verb '$1': must be check or apply" ;;
  esac
}

# Flags that all scripts share. Returns 1 when $1 is none of them.
common_flag() {
  case $1 in
    # The revision only makes the command line differ when the script does, so that a new script is run.
    --revision) matching_value '[0-9a-f]{12}' 'twelve hexadecimal digits' "$@" ;;
    --step)
      matching_value '[a-z0-9][a-z0-9-]{0,79}' 'a step name of lower-case letters, digits and hyphens' "$@"
      STEP=$VALUE
      ;;
    *) return 1 ;;
  esac
}

# ---------------------------------------------------------------- preconditions

require_root() {
  [[ $(id -u) == 0 ]] || fail 'must run as root: use root, or a login with password-less sudo'
}

have() { command -v "$1" >/dev/null 2>&1; }

# Runs the script again under the host's lock. One apply at a time; checks share.
take_lock() {
  [[ ${RACKWRIGHT_LOCKED:-} != yes ]] || return 0
  local mode=-x status=0
  [[ $VERB == apply ]] || mode=-s
  RACKWRIGHT_LOCKED=yes flock -o "$mode" -w "$LOCK_SECONDS" -E "$LOCK_TIMED_OUT" "$LOCK_FILE" bash "$0" "$@" || status=$?
  if ((status == LOCK_TIMED_OUT)); then
    fail "another run has held $LOCK_FILE for $LOCK_SECONDS s: see \`fuser -v $LOCK_FILE\`"
  fi
  exit "$status"
}

# ---------------------------------------------------------------- files

# Runs a command with its stdout on stderr, for stdout carries one JSON document and nothing else.
run() {
  log "+ $*"
  "$@" >&2
}

# file_is FILE CONTENT: whether FILE holds exactly CONTENT and a final newline.
file_is() {
  [[ -f $1 ]] && [[ $(cat -- "$1" && printf .) == "$2"$'\n.' ]]
}

# write_file FILE MODE CONTENT: replaces FILE at once, so that a power cut leaves the old or the new one. What a run that was
# killed had begun goes.
write_file() {
  local file=$1 mode=$2 content=$3 fresh
  mkdir -p -- "$(dirname -- "$file")"
  rm -f -- "$file".unfinished-??????
  fresh=$(mktemp -- "$file.unfinished-XXXXXX")
  printf '%s\n' "$content" >"$fresh"
  chmod "$mode" "$fresh"
  sync "$fresh"
  mv -f -- "$fresh" "$file"
  sync "$(dirname -- "$file")"
}

# ensure_file FILE MODE CONTENT: writes FILE only when it differs. Status 1: it was right already.
ensure_file() {
  ! file_is "$1" "$3" || return 1
  write_file "$1" "$2" "$3"
  changed "wrote $1"
}

# expect_file FILE CONTENT ID: a finding when FILE is not as wanted.
expect_file() {
  if [[ ! -e $1 ]]; then
    finding "$3" "$1 is missing" true
  elif ! file_is "$1" "$2"; then
    finding "$3" "$1 has other content than wanted" true
  fi
}

# marked_line FILE MARKER: the line that follows the comment `# MARKER`, which is how a line of ours is known.
marked_line() {
  [[ -f $1 ]] || return 0
  awk -v marker="# $2" 'found { print; exit } $0 == marker { found = 1 }' "$1"
}

# set_marked_line FILE MARKER SHAPE LINE: replaces the line of ours, or appends it. SHAPE is text that each line of ours
# has, so that a neighbour is kept where somebody removed our line and left the comment. Status 1: it was right already.
set_marked_line() {
  local file=$1 marker=$2 shape=$3 line=$4 rest='' mode=644
  [[ $(marked_line "$file" "$marker") != "$line" ]] || return 1
  if [[ -f $file ]]; then
    rest=$(awk -v marker="# $marker" -v shape="$shape" '
      skip { skip = 0; if (index($0, shape)) next }
      $0 == marker { skip = 1; next }
      { print }' "$file")
    mode=$(stat -c %a -- "$file")
  fi
  write_file "$file" "$mode" "${rest:+$rest$'\n'}# $marker"$'\n'"$line"
}

# ---------------------------------------------------------------- what services run

# Outside of the login's home, which may not be there when the server boots.
readonly LIBRARY=/usr/local/lib/rackwright

# is_copied FILE...: whether services would run the same scripts as are beside this one.
is_copied() {
  local file here=${BASH_SOURCE[0]%/*}
  for file in "$@"; do cmp --silent "$here/$file" "$LIBRARY/$file" || return 1; done
}

# copy_for_services FILE...: copies what differs. A service runs its copies itself, and then nothing differs.
copy_for_services() {
  local file here=${BASH_SOURCE[0]%/*}
  for file in "$@"; do
    is_copied "$file" || {
      write_file "$LIBRARY/$file" 644 "$(<"$here/$file")"
      changed "copied $file to $LIBRARY"
    }
  done
}

# ---------------------------------------------------------------- initramfs

# The initramfs carries copies of configuration. The mark outlives a power cut between the change and the rebuild.
readonly INITRAMFS_MARK=$STATE_FOLDER/initramfs-outdated

initramfs_outdated() {
  mkdir -p "$STATE_FOLDER"
  : >"$INITRAMFS_MARK"
  sync "$STATE_FOLDER"
}

# another_apply_waits: whether another apply stands in line for the host's lock.
another_apply_waits() {
  local inode
  inode=$(stat -c %i "$LOCK_FILE" 2>/dev/null) || return 1
  awk -v inode="$inode" '
    $2 == "->" && $5 == "WRITE" { count = split($7, place, ":"); if (place[count] == inode) found = 1 }
    END { exit !found }' /proc/locks
}

# A rebuild takes a minute or more, so the last apply in line does it for all. Installing a package may have done it too.
refresh_initramfs() {
  [[ -e $INITRAMFS_MARK ]] || return 0
  if [[ ! /boot/initrd.img-$(uname -r) -nt $INITRAMFS_MARK ]]; then
    if another_apply_waits; then
      log 'leaving the initramfs to the apply that waits'
      return 0
    fi
    if have update-initramfs; then
      run update-initramfs -u
      changed 'rebuilt the initramfs'
    else
      log 'update-initramfs is not installed: rebuild the initramfs by hand if this host has one'
    fi
  fi
  rm -f "$INITRAMFS_MARK"
}

# check_initramfs: a finding when a rebuild is due and nobody is about to do it.
check_initramfs() {
  [[ ! -e $INITRAMFS_MARK || /boot/initrd.img-$(uname -r) -nt $INITRAMFS_MARK ]] || another_apply_waits ||
    finding initramfs 'the initramfs does not have the current configuration' true
}

# ---------------------------------------------------------------- the two verbs

# run_verb MEND "$@": what every script does once its flags are read. `diagnose` collects findings; MEND changes the host.
run_verb() {
  local mend=$1 left
  shift
  require_root
  take_lock "$@"
  if [[ $VERB == check ]]; then
    diagnose
    report_check
    return 0
  fi
  # Also when apply ends early: an apply before it may have left the rebuild to it.
  trap refresh_initramfs EXIT
  "$mend"
  trap - EXIT
  refresh_initramfs
  FINDINGS=() BLOCKERS=()
  diagnose
  for left in "${FINDINGS[@]}"; do log "still differs: $left"; done
  report_apply
}
