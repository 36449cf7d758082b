#!/usr/bin/env bash
# One storage tier of a server: an MD array (or a single drive), XFS on it, mounted by UUID at every boot.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=drives.sh
. "$here/drives.sh"
# shellcheck source=tier-diagnosis.sh
. "$here/tier-diagnosis.sh"
# shellcheck source=tier-mending.sh
. "$here/tier-mending.sh"

usage() {
  cat <<'TEXT'
bash storage-tier.sh check|apply FLAGS

  --tier hot|warm|cold
  --level single|raid0|raid1|raid5|raid6|raid10
  --drive ID          a name under /dev/disk/by-id; once for each drive, in the order of the array
  --array-name NAME   at most 20 characters; the array is called rackwright:NAME in its superblocks
  --mount PATH        where the tier is mounted
  --chunk-kib N       64, 128, 256, 512 or 1024 (default 512)
  --data-drives N     drives that carry data, for XFS's stripe width (default: from level and drives)
  --folder PATH       a folder below the mount that workloads use, given to their user 10001; once for each (default: none)
  --step NAME         what to call this step in the output
  --revision HEX      ignored; makes a changed script a changed command

An array is created only when every drive is blank: no signature, partition, holder or mount, and nothing but zeros
in its first and last MiB. An array of ours is assembled. A drive that holds anything else is refused, untouched.
No verb wipes a drive.

check  exit 0: as wanted; 1: differs, the findings are on stdout as JSON
apply  exit 0: done; 3: refused to protect data, nothing was touched; 4: failed, run it again once mended
TEXT
}

TIER='' LEVEL='' ARRAY_NAME='' MOUNT='' CHUNK_KIB=512 DATA_DRIVES=''
DRIVES=() FOLDERS=()

read_flags() {
  while (($#)); do
    case $1 in
      --tier) matching_value 'hot|warm|cold' 'hot, warm or cold' "$@" && TIER=$VALUE ;;
      --level) matching_value 'single|raid0|raid1|raid5|raid6|raid10' 'single, raid0, raid1, raid5, raid6 or raid10' "$@" && LEVEL=$VALUE ;;
      --drive) matching_value '[A-Za-z0-9][A-Za-z0-9._:+-]{2,120}' 'a name under /dev/disk/by-id, without the folder' "$@" && DRIVES+=("$VALUE") ;;
      --array-name) matching_value '[a-z][a-z0-9-]{0,19}' 'at most 20 lower-case letters, digits and hyphens' "$@" && ARRAY_NAME=$VALUE ;;
      --mount) matching_value '(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+' 'an absolute path of letters, digits, dots, hyphens and underscores' "$@" && MOUNT=$VALUE ;;
      --chunk-kib) matching_value '64|128|256|512|1024' '64, 128, 256, 512 or 1024' "$@" && CHUNK_KIB=$VALUE ;;
      --data-drives) matching_value '[1-9][0-9]?' 'a number from 1 to 99' "$@" && DATA_DRIVES=$VALUE ;;
      --folder) matching_value '[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*' 'a path below the mount of letters, digits, dots, hyphens and underscores' "$@" && FOLDERS+=("$VALUE") ;;
      -h | --help) usage && exit 0 ;;
      *) common_flag "$@" || usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  [[ -n $TIER ]] || usage_error '--tier is needed'
  [[ -n $LEVEL ]] || usage_error '--level is needed'
  [[ -n $MOUNT ]] || usage_error '--mount is needed'
  [[ -n $ARRAY_NAME ]] || usage_error '--array-name is needed'
  local count=${#DRIVES[@]} least=2 duplicate
  case $LEVEL in
    single) least=1 ;;
    raid5) least=3 ;;
    raid6) least=4 ;;
  esac
  ((count >= least)) || usage_error "$LEVEL needs at least $least --drive, got $count"
  [[ $LEVEL != single || $count == 1 ]] || usage_error "single takes one --drive, got $count"
  duplicate=$(printf '%s\n' "${DRIVES[@]}" | sort | uniq -d | head -n1)
  [[ -z $duplicate ]] || usage_error "--drive $duplicate is given twice"
  [[ -n $DATA_DRIVES ]] || DATA_DRIVES=$(data_drives "$LEVEL" "$count")
}

# data_drives LEVEL COUNT: how many drives' worth of data one stripe holds. md's near-2 layout of an odd number of
# drives repeats after all of them, and its preferred width is then all of them.
data_drives() {
  case $1 in
    single | raid1) printf 1 ;;
    raid0) printf '%s' "$2" ;;
    raid5) printf '%s' "$(($2 - 1))" ;;
    raid6) printf '%s' "$(($2 - 2))" ;;
    raid10) if (($2 % 2)); then printf '%s' "$2"; else printf '%s' "$(($2 / 2))"; fi ;;
  esac
}

read_verb "$@"
read_flags "${@:2}"
run_verb apply "$@"
