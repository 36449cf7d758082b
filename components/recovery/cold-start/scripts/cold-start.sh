#!/usr/bin/env bash
# What a cold start takes from a running server and puts onto a blank one. Runs as root; archives go through standard
# output and input, everything else to standard error.
set -Eeuo pipefail

usage() {
  cat <<'TEXT'
bash cold-start.sh VERB ARGUMENTS

  host-keys                         tar of the SSH server's host keys
  packages NAME[=VERSION]...        gathers what installs these packages on a server that has nothing of them; a line for
                                    each: name, version, and why it could not be gathered
  collect                           tar of what `packages` gathered, which is removed
  k3s-data                          copies the cluster's data as it is at one moment; says why where it cannot be copied
  k3s                               tar of that copy and of the cluster's own secrets; empty where there are none
  k3s-files                         tar of k3s's binary, images and checksums; empty where there are none
  cluster NAME                      reads the tar of `k3s`, and lays it into a folder of this name for a person to restore from
  image NAME SHA256                 reads an image's archive, and lays it where k3s takes images in when it starts
  images                            SHA-256 of every image that lies there already, as sha256sum has it
  manifests FOLDER...               tar of the manifest.sha256 files below these folders
  data FOLDER                       tar of a folder; ends with 5 where files changed meanwhile
  sums FOLDER                       SHA-256 of every file of a folder, as sha256sum has it
  install-host-keys SHA256          reads the tar of `host-keys`, and restarts the SSH server with them
  use-mirror PORT                   apt asks the proxy on this port of loopback, for everything; reads its certificate
  leave-mirror                      apt asks as before
  installed NAME...                 name and version of those of these packages that are installed
  restore FOLDER                    reads the tar of `data`; files that are there already stay as they are
  compare FOLDER                    reads the output of `sums`, and prints a line for each file that is missing or differs
  sets MOUNT HOME                   names of the sets in a folder of a tier
  set-keys SET                      the keys file of a set
  receive-set MOUNT HOME NAME       reads the tar of a set, and keeps it without a name
  name-set HOME NAME KEEP           gives it its name, and removes the oldest beyond KEEP, whose names it prints
TEXT
}

log() { printf 'cold-start: %s\n' "$*" >&2; }

fail() {
  printf 'cold-start: %s\n' "$*" >&2
  exit 4
}

# ---------------------------------------------------------------- one at a time

readonly TURN=${COLD_START_TURN:-/run/lock/rackwright-cold-start}
readonly TURN_SECONDS=${COLD_START_TURN_SECONDS:-60}

# A start before this one that was cut off may still be at work here, or wait for a client that is gone. It is given time to
# end, and is ended then: each verb may be ended anywhere.
take_turn() {
  local held process
  exec 9<>"$TURN"
  if flock --wait "$TURN_SECONDS" 9; then return 0; fi
  for held in /proc/[0-9]*/fd/9; do
    process=${held#/proc/}
    process=${process%%/*}
    [[ $process != "$$" && $held -ef $TURN ]] || continue
    log "process $process of an earlier start is ended"
    kill -KILL "$process" 2>/dev/null || true
  done
  flock --wait "$TURN_SECONDS" 9 || fail "another start is at work on this server: see \`fuser -v $TURN\`"
}

# whole SHA256 FILE: what came over a connection that broke ends as if it were all.
whole() { [[ $(sha256sum <"$2") == "$1 "* ]] || fail 'what was sent did not come whole: the connection broke'; }

# ---------------------------------------------------------------- SSH host keys

readonly SSH_FOLDER=${COLD_START_SSH_FOLDER:-/etc/ssh}

host_keys() {
  compgen -G "$SSH_FOLDER/ssh_host_*_key" >/dev/null || fail "$SSH_FOLDER has no host keys"
  (cd "$SSH_FOLDER" && tar --create --owner=0 --group=0 ssh_host_*_key ssh_host_*_key.pub)
}

install_host_keys() {
  local fresh key name
  fresh=$(mktemp -d "$SSH_FOLDER/.host-keys.XXXXXX")
  # shellcheck disable=SC2064 # the folder's name as it is now
  trap "rm -rf -- '$fresh'" EXIT
  cat >"$fresh/.sent"
  whole "$1" "$fresh/.sent"
  tar --extract --directory "$fresh" --no-same-owner --file "$fresh/.sent"
  compgen -G "$fresh/ssh_host_*_key" >/dev/null || fail 'the archive has no host keys'
  for key in "$fresh"/ssh_host_*_key; do
    chmod 600 "$key"
    ssh-keygen -y -P '' -f "$key" >/dev/null || fail "${key##*/} is no private key"
  done
  # Keys of other kinds that the installer made would be offered beside them.
  for key in "$SSH_FOLDER"/ssh_host_*_key; do
    name=${key##*/}
    [[ -e $fresh/$name || ! -e $key ]] || rm -f -- "$key" "$key.pub"
  done
  for key in "$fresh"/ssh_host_*_key; do
    sync "$key"
    mv -f -- "$key.pub" "$SSH_FOLDER/"
    mv -f -- "$key" "$SSH_FOLDER/"
  done
  sync "$SSH_FOLDER"
  systemctl reload-or-restart ssh.service 2>/dev/null || systemctl reload-or-restart sshd.service || fail 'the SSH server could not be told of its keys'
}

# ---------------------------------------------------------------- packages

readonly PROXY_FILE=${COLD_START_APT_FOLDER:-/etc/apt}/apt.conf.d/99rackwright-cold-start CERTIFICATE_FILE=${COLD_START_APT_FOLDER:-/etc/apt}/rackwright-cold-start.pem

# Where packages are gathered until they are collected.
readonly WORK=${COLD_START_WORK:-/var/lib/rackwright}/cold-start
readonly GATHERING=$WORK/gathering

# apt with lists and archives of its own below WORK: the server's are not touched.
own_apt() {
  "$1" -o Dir::State::lists="$WORK/lists" -o Dir::Cache::archives="$WORK/archives" -o Dir::Cache::pkgcache='' -o Dir::Cache::srcpkgcache='' \
    -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root -o Dir::State::status="$WORK/status" "${@:2}"
}

# place URL: the file of the set that stands for an address.
place() {
  local url=$1
  [[ $url =~ ^(https?)://([A-Za-z0-9.:_-]+|\[[0-9a-f:]+\](:[0-9]+)?)/(.+)$ ]] || return 1
  [[ /${BASH_REMATCH[4]}/ != */../* ]] || return 1
  printf '%s/mirror/%s/%s/%s' "$GATHERING" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[4]}"
}

keep() {
  local file
  file=$(place "$1") || fail "apt has an address that cannot be kept: $1"
  mkdir -p -- "${file%/*}"
  cp -- "$2" "$file"
}

# fetch_index BASE NAME RELEASE TO: an index as its Release file lists it; compressed in one way or another, whatever is there.
fetch_index() {
  local base=$1 name=$2 release=$3 extension sum fresh=$WORK/index found=1
  for extension in .zst .xz .bz2 .gz ''; do
    [[ -n $extension || $found == 1 ]] || continue
    sum=$(awk -v name="$name$extension" '/^SHA256:/ { here = 1; next } /^[^ ]/ { here = 0 } here && $3 == name { print $1; exit }' "$release")
    [[ -n $sum ]] || continue
    rm -f -- "$fresh"
    own_apt /usr/lib/apt/apt-helper download-file "$base$name$extension" "$fresh" "SHA256:$sum" >/dev/null 2>&1 || continue
    keep "$base$name$extension" "$fresh"
    found=0
  done
  return "$found"
}

# The lists that apt has fetched, as the sources have them: signed by whoever signs them.
keep_lists() {
  local uri meta list base name release file
  while IFS=$'\t' read -r uri meta list; do
    base=${uri%"$meta"}
    # On some systems apt keeps its lists compressed, and says so in their names.
    name=${list%"${meta//\//_}"*}
    release=
    for file in InRelease Release Release.gpg; do
      [[ -f $name$file ]] || continue
      keep "$base$file" "$name$file"
      release=${release:-$name$file}
    done
    [[ -n $release ]] || fail "$base has no signed list of its files"
    fetch_index "$base" "$meta" "$release" || fail "$uri cannot be fetched as $base lists it"
  done < <(own_apt apt-get indextargets --format $'$(URI)\t$(METAKEY)\t$(FILENAME)' 'Created-By: Packages')
}

# A status file with nothing but the packages that no source has: those the system image has to bring. What they depend on
# is theirs to bring as well.
system_status() {
  local real=/var/lib/dpkg/status
  own_apt apt-cache dumpavail | awk '/^Package: / { print $2 }' | sort -u >"$WORK/available"
  awk -v names="$WORK/available" '
    BEGIN { while ((getline name < names) > 0) available[name] = 1 }
    /^Package: / { kept = !($2 in available) }
    kept && !/^(Pre-Depends|Depends|Recommends|Breaks|Conflicts):/' "$real" >"$WORK/status.new"
  mv "$WORK/status.new" "$WORK/status"
}

# candidates NAME...: name and version of what apt would install of each. One question for all, for apt reads its lists each time.
candidates() { own_apt apt-cache policy "$@" 2>/dev/null | awk '/^[^ ].*:$/ { name = substr($1, 1, length($1) - 1) } $1 == "Candidate:" && $2 != "(none)" { print name, $2 }'; }

version_of() {
  # shellcheck disable=SC2016 # dpkg-query's own placeholders
  dpkg-query --show --showformat='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | awk '$1 == "installed" { print $2; exit }' || true
}

is_release() {
  local bare=${1#*:}
  [[ $bare == "$2" || $bare == "$2"-* ]]
}

readonly INSTALL=(install --yes --no-install-recommends --allow-change-held-packages --allow-downgrades)

# resolve NAME=VERSION...: what is fetched to install these on a blank server, into WORK/uris.
resolve() { own_apt apt-get --quiet --quiet --print-uris "${INSTALL[@]}" "$@" >"$WORK/uris"; }

gather() {
  local package name wanted candidate found wanting=() manual=() uri file
  umask 077
  rm -rf -- "$WORK"
  mkdir -p "$WORK/lists/partial" "$WORK/archives/partial" "$GATHERING/mirror"
  : >"$WORK/status"
  own_apt apt-get --quiet update --error-on=any >&2 || fail 'the package lists cannot be read: is the mirror reachable from this server? apt has said more above'
  system_status
  keep_lists
  candidates "${@%%=*}" >"$WORK/candidates"
  for package in "$@"; do
    name=${package%%=*} wanted=
    [[ $package != *=* ]] || wanted=${package#*=}
    found=$(version_of "$name")
    candidate=$(awk -v name="$name" '$1 == name { print $2; exit }' "$WORK/candidates")
    if ! grep -Fxq -- "$name" "$WORK/available"; then
      printf '%s\t%s\t%s\n' "$name" "$found" 'no package source of the server has it'
    elif [[ -z $candidate ]] || { [[ -n $wanted ]] && ! is_release "$candidate" "$wanted"; }; then
      printf '%s\t%s\t%s\n' "$name" "$found" "the package sources have ${candidate:-no version} of it, wanted is ${wanted:-any}"
    else
      wanting+=("$name=$candidate")
      printf '%s\t%s\t\n' "$name" "$candidate"
    fi
  done
  ((${#wanting[@]} > 0)) || return 0
  # What steps found to be needed on this very server, such as its kernel's headers: apt counts as manual what it was asked for.
  mapfile -t manual < <(apt-mark showmanual 2>/dev/null | grep -Fx -f "$WORK/available" || true)
  if ((${#manual[@]} > 0)); then
    mapfile -t manual < <(candidates "${manual[@]}" | tr ' ' '=')
    if ! resolve "${wanting[@]}" "${manual[@]}"; then
      log 'what was installed by hand cannot be installed all together on a blank server: it is left out'
      manual=()
    fi
  fi
  resolve "${wanting[@]}" "${manual[@]}" || fail "these packages cannot be installed together on a blank server: ${wanting[*]}"
  own_apt apt-get --quiet --quiet --download-only "${INSTALL[@]}" "${wanting[@]}" "${manual[@]}" >&2 || fail 'not every package could be downloaded: apt has said more above'
  while read -r uri file _; do
    uri=${uri#\'} uri=${uri%\'}
    [[ $uri != http* ]] || keep "$uri" "$WORK/archives/$file"
  done <"$WORK/uris"
}

# Under its own name once it is all there: `collect` takes no half of it.
packages() {
  gather "$@"
  mv -- "$GATHERING" "$WORK/set"
}

collect() {
  [[ -d $WORK/set ]] || fail "$WORK holds nothing that was gathered"
  tar --create --directory "$WORK/set" mirror
  rm -rf -- "$WORK"
}

use_mirror() {
  local certificate
  [[ $1 =~ ^[0-9]{1,5}$ ]] || fail "no port: $1"
  certificate=$(cat)
  put "$PROXY_FILE" "$(
    printf '// A cold start is under way: it serves what was saved, and takes this file away when it is done.\n'
    printf 'Acquire::http::Proxy "http://127.0.0.1:%s";\nAcquire::https::Proxy "http://127.0.0.1:%s";\n' "$1" "$1"
    printf 'Acquire::http::Proxy-Auto-Detect "";\nAcquire::https::Proxy-Auto-Detect "";\nAcquire::Languages "none";\n'
    [[ -z $certificate ]] || printf 'Acquire::https::CAInfo "%s";\n' "$CERTIFICATE_FILE"
  )"
  if [[ -n $certificate ]]; then put "$CERTIFICATE_FILE" "$certificate"; fi
}

# put FILE TEXT: replaces a file at once.
put() {
  local fresh
  fresh=$(mktemp -- "$1.XXXXXX")
  printf '%s\n' "$2" >"$fresh"
  chmod 644 "$fresh"
  mv -f -- "$fresh" "$1"
}

leave_mirror() { rm -f -- "$PROXY_FILE" "$CERTIFICATE_FILE"; }

installed() {
  local name version
  for name in "$@"; do
    version=$(version_of "$name")
    [[ -z $version ]] || printf '%s\t%s\n' "$name" "$version"
  done
}

# ---------------------------------------------------------------- the cluster

readonly K3S=${COLD_START_K3S_FOLDER:-/var/lib/rancher/k3s}

readonly CLUSTER=$WORK-k3s

# Laid out as backups of it are, so that one runbook restores either. cluster-copy.sh stands before this script.
k3s_data() {
  local db=$K3S/server/db said
  umask 077
  rm -rf -- "$CLUSTER"
  [[ -d $db ]] || return 0
  mkdir -p -- "$CLUSTER"
  if [[ ! -f $db/state.db ]]; then
    said=$(copy_etcd "$CLUSTER") && return 0
  elif ! command -v sqlite3 >/dev/null; then
    said='sqlite3 is not installed on the server (the step of backups installs it)'
  else
    said=$(copy_sqlite "$db/state.db" "$CLUSTER/state.db") && return 0
  fi
  rm -rf -- "$CLUSTER"
  printf '%s\n' "$said"
}

k3s() {
  local name
  umask 077
  for name in token tls cred; do
    [[ -e $K3S/server/$name ]] || continue
    mkdir -p -- "$CLUSTER"
    cp --archive -- "$K3S/server/$name" "$CLUSTER/"
  done
  [[ -d $CLUSTER ]] || return 0
  sums "$CLUSTER" >"$WORK-k3s.sha256"
  mv -- "$WORK-k3s.sha256" "$CLUSTER/manifest.sha256"
  tar --create --directory "$CLUSTER" .
  rm -rf -- "$CLUSTER"
}

k3s_files() {
  local sums=/var/lib/rackwright/k3s.sha256 binary=/usr/local/bin/k3s
  local images=$K3S/agent/images/k3s-airgap-images-amd64.tar.zst
  [[ -f $sums && -f $binary && -f $images ]] || return 0
  # Under the names that the release's page has.
  tar --create --transform 's,.*/k3s\.sha256$,sha256sum-amd64.txt,' --transform 's,.*/,,' --absolute-names "$sums" "$binary" "$images"
}

# image NAME SHA256: takes its place whole, for k3s would take in half of one.
image() {
  local folder=$K3S/agent/images
  [[ $1 =~ ^[A-Za-z0-9._%-]+\.tar$ ]] || fail "no name for an image: $1"
  mkdir -p "$folder"
  # shellcheck disable=SC2064 # the file's name as it is now
  trap "rm -f -- '$folder/.$1.part'" EXIT
  cat >"$folder/.$1.part"
  whole "$2" "$folder/.$1.part"
  sync "$folder/.$1.part"
  mv -f -- "$folder/.$1.part" "$folder/$1"
}

# Beside what k3s has, never into it.
cluster() {
  [[ $1 =~ ^[0-9TZ-]+$ ]] || fail "no name of a set: $1"
  restore "${WORK%/*}/k3s-saved/$1"
}

images() {
  [[ ! -d $K3S/agent/images ]] || (cd "$K3S/agent/images" && find . -maxdepth 1 -name '[!.]*.tar' -type f -printf '%f\0' | xargs -0 -r sha256sum --)
}

# ---------------------------------------------------------------- data

manifests() {
  local folder
  for folder in "$@"; do
    [[ -d $folder ]] || continue
    find "$folder" -xdev -name .partial -prune -o -type f -name manifest.sha256 -print0
  done | tar --create --null --verbatim-files-from --files-from - --absolute-names --transform 's,^/,,'
}

readonly STAGING=.rackwright-restore CHANGED=5

data() {
  [[ -d $1 ]] || fail "$1 is no folder"
  local status=0
  tar --create --directory "$1" --one-file-system --numeric-owner --xattrs --acls --exclude "./$STAGING" . || status=$?
  # What tar says of files that change under its hands.
  if ((status == 1)); then exit "$CHANGED"; fi
  return "$status"
}

sums() {
  [[ -d $1 ]] || fail "$1 is no folder"
  (cd "$1" && find . -xdev -path "./$STAGING" -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum --)
}

# Files take their places whole, by their names alone: a run that is cut off leaves none that is half written. What is there
# may be newer than what was saved, and is never written over.
restore() {
  mkdir -p -- "${1%/*}"
  umask 077
  mkdir -p -- "$1/$STAGING"
  find "$1/$STAGING" -xdev -mindepth 1 -delete
  tar --extract --directory "$1/$STAGING" --numeric-owner --xattrs --acls
  sync -f "$1"
  # Newer releases of cp end with 1 where they left a file alone; `compare` tells what is there in the end.
  cp --archive --link --no-clobber -- "$1/$STAGING/." "$1/" || true
  rm -rf -- "${1:?}/$STAGING"
  sync -f "$1"
}

# A line for each file that is missing or differs. sha256sum says so by its exit status too, which is no failure here.
compare() {
  local status=0
  [[ -d $1 ]] || fail "$1 is no folder"
  cd "$1"
  LC_ALL=C sha256sum --check --quiet 2>&1 || status=$?
  ((status <= 1)) || fail "the files of $1 could not be read"
}

# ---------------------------------------------------------------- sets on a tier of this server

readonly UNFINISHED=.unfinished-

mounted() { mountpoint --quiet "$1" || fail "$1 is not mounted: a set would land on the system's drive"; }

sets() {
  mounted "$1"
  [[ ! -d $2 ]] || find "$2" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*Z' -printf '%f\n' | LC_ALL=C sort
}

set_keys() { cat -- "$1/keys.json"; }

receive_set() {
  local place=$2/$UNFINISHED$3
  mounted "$1"
  [[ ! -e $2/$3 ]] || fail "there is a set $3 already"
  umask 077
  mkdir -p -- "$2"
  find "$2" -mindepth 1 -maxdepth 1 -name "$UNFINISHED*" -exec rm -rf -- {} +
  mkdir -- "$place"
  tar --extract --directory "$place" --no-same-owner || {
    rm -rf -- "$place"
    fail 'nothing of the set was kept, and earlier sets are as they were'
  }
}

name_set() {
  local old names
  sync -f "$1"
  mv -T -- "$1/$UNFINISHED$2" "$1/$2"
  sync -f "$1"
  mapfile -t names < <(find "$1" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*Z' -printf '%f\n' | LC_ALL=C sort | head -n "-$3")
  for old in "${names[@]}"; do
    # Renamed first: half a set under its own name would be taken for a damaged one.
    mv -T -- "$1/$old" "$1/$UNFINISHED$old"
    rm -rf -- "${1:?}/$UNFINISHED$old"
    printf '%s\n' "$old"
  done
}

(($# > 0)) || {
  usage >&2
  exit 2
}
[[ $(id -u) == 0 || -n ${COLD_START_UNPRIVILEGED:-} ]] || fail 'must run as root: use root, or a login with password-less sudo'
case $1 in
  host-keys | packages | collect | k3s-data | k3s | k3s-files | cluster | image | images | manifests | data | sums | install-host-keys | use-mirror | leave-mirror | installed | restore | compare | sets | set-keys | receive-set | name-set)
    [[ ! $1 =~ ^(packages|collect|k3s-data|k3s|cluster|image|install-host-keys|use-mirror|leave-mirror|restore|receive-set|name-set)$ ]] || take_turn
    "${1//-/_}" "${@:2}"
    ;;
  -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
