# shellcheck shell=bash
# shellcheck disable=SC2153,SC2154 # backup-run.sh, which sources this, reads the flags
# Gathers what is backed up in one folder that does not change meanwhile, with a manifest of checksums. Each stage_ function
# prints that folder, or nothing where there is nothing yet; it ends with a message where something is wrong.

readonly MANIFEST=manifest.sha256
readonly K3S=${RACKWRIGHT_K3S_DATA:-/var/lib/rancher/k3s}/server

# write_manifest FOLDER: checksums of all files below, by relative names.
write_manifest() {
  (cd -- "$1" && find . -type f ! -path "./.$MANIFEST" -printf '%P\0' | sort --zero-terminated | xargs --null --no-run-if-empty sha256sum --) >"$1/.$MANIFEST"
  mv -- "$1/.$MANIFEST" "$1/$MANIFEST"
}

# ---------------------------------------------------------------- checkpoints

# The folder must be on the checkpoints' own file system, for it holds links to their files: they stay while they are read,
# although training deletes its oldest checkpoint meanwhile.
checkpoint_stage() {
  local root=${JOBS[0]#*=}
  printf '%s/.backup' "${root%/*}"
}

# chosen_in ROOT PROCESSES LEADS: the newest whole checkpoint, and the newest that all servers of the job had. Together they
# make sure that the backups of all servers, made in the same minute, have one in common.
chosen_in() {
  local step name agreed newest=''
  while read -r step name; do
    whole_at "$1" "$name" "$step" "$2" "$3" >/dev/null || continue
    newest=$name
    break
  done < <(checkpoints_in "$1")
  [[ -n $newest ]] || return 0
  printf '%s\n' "$newest"
  agreed=$(first_line "$1/.agreed")
  [[ $agreed =~ $CHECKPOINT_NAME && $agreed != "$newest" && -d $1/$agreed ]] && printf '%s\n' "$agreed"
  return 0
}

# kept_sums CHECKPOINT JOB NAME: a checkpoint's checksums, relative to it. They are made once: it does not change any more.
# Its own manifest says what was written, and must still hold.
kept_sums() {
  local known
  known=$BACKUP_STATE/sums/$2/$3-$(stat --format=%Y -- "$1")
  if [[ ! -s $known ]]; then
    mkdir -p -- "${known%/*}"
    if [[ -e $1/.manifest.sha256 ]]; then
      (cd -- "$1" && sha256sum --check --strict --quiet .manifest.sha256 >&2) || return 1
    fi
    (cd -- "$1" && find . -type f -printf '%P\0' | sort --zero-terminated | xargs --null --no-run-if-empty sha256sum --) >"$known.new"
    mv -- "$known.new" "$known"
  fi
  cat -- "$known"
}

stage_checkpoints() {
  local stage line root job processes leads name count=0
  stage=$(checkpoint_stage)
  rm -rf -- "$stage"
  mkdir -m 700 -- "$stage"
  : >"$stage/$MANIFEST"
  for line in "${JOBS[@]}"; do
    root=${line#*=}
    IFS=: read -r job processes leads <<<"${line%%=*}"
    while read -r name; do
      mkdir -p -- "$stage/$job"
      cp --archive --link -- "$root/$name" "$stage/$job/$name" || fail "$root/$name was deleted while it was gathered: it is taken next time"
      kept_sums "$stage/$job/$name" "$job" "$name" >"$stage/.sums" || fail "$root/$name does not have the checksums that it was written with: its drive is at fault, or somebody changed it"
      sed "s|^\([0-9a-f]*  \)|\1$job/$name/|" "$stage/.sums" >>"$stage/$MANIFEST"
      count=$((count + 1))
    done < <(chosen_in "$root" "$processes" "$leads")
    forget_sums "$job" "$root"
  done
  rm -f -- "$stage/.sums"
  ((count == 0)) || printf '%s' "$stage"
}

# forget_sums JOB ROOT: of checkpoints that are gone.
forget_sums() {
  local file name
  for file in "$BACKUP_STATE/sums/$1"/*; do
    name=${file##*/}
    [[ ! -e $file || -d $2/${name%-*} ]] || rm -f -- "$file"
  done
}

# ---------------------------------------------------------------- the cluster

# Without its token and its encryption key nothing of the data can be read again.
stage_cluster() {
  local stage=$BACKUP_STATE/stage-cluster name said
  rm -rf -- "$stage"
  mkdir -m 700 -- "$stage"
  [[ -d $K3S/db ]] || fail "$K3S/db is missing: k3s has not made its cluster on this server yet"
  case $CLUSTER in
    sqlite) said=$(copy_sqlite "$K3S/db/state.db" "$stage/state.db") || fail "$said" ;;
    etcd) said=$(copy_etcd "$stage") || fail "$said" ;;
  esac
  for name in token cred tls; do
    [[ ! -e $K3S/$name ]] || cp --archive -- "$K3S/$name" "$stage/$name"
  done
  write_manifest "$stage"
  printf '%s' "$stage"
}

unstage() {
  case $1 in
    checkpoints) rm -rf -- "$(checkpoint_stage)" ;;
    cluster) rm -rf -- "$BACKUP_STATE/stage-cluster" ;;
  esac
}
