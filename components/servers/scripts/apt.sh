# shellcheck shell=bash
# Packages and package sources; sourced by the scripts that install.

readonly KEYRING_FOLDER=/etc/apt/keyrings
# Many mirrors sign with a key of their own. An administrator puts it here, as part of the system image or by hand;
# nothing in this program fetches a key that it cannot check.
readonly MIRROR_KEYS=("$KEYRING_FOLDER/rackwright-mirror.asc" "$KEYRING_FOLDER/rackwright-mirror.gpg")

# A row per package: name, wanted upstream version or nothing, and whether it is held.
PACKAGE_NAMES=() PACKAGE_VERSIONS=() PACKAGE_HOLDS=()

# package_flag "$@": --package NAME, or --held-package NAME or NAME=VERSION.
package_flag() {
  local name='[a-z0-9][a-z0-9.+-]+'
  if [[ $1 == --package ]]; then
    matching_value "$name" 'a package name' "$@"
    PACKAGE_HOLDS+=(no)
  else
    matching_value "$name(=[0-9][A-Za-z0-9.+~]*)?" 'NAME or NAME=VERSION' "$@"
    PACKAGE_HOLDS+=(yes)
  fi
  PACKAGE_NAMES+=("${VALUE%%=*}")
  if [[ $VALUE == *=* ]]; then PACKAGE_VERSIONS+=("${VALUE#*=}"); else PACKAGE_VERSIONS+=(''); fi
}

# installed_version NAME: prints the version of an installed package, or nothing.
installed_version() {
  # shellcheck disable=SC2016 # dpkg-query's own placeholders
  dpkg-query --show --showformat='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | awk '$1 == "installed" { print $2; exit }' || true
}

# is_release VERSION UPSTREAM: whether a package version is a packaging of that upstream version, whatever its suffix.
is_release() {
  local bare=${1#*:}
  [[ $bare == "$2" || $bare == "$2"-* ]]
}

# is_held NAME: apt is asked once, for it takes its time.
HELD=unknown
is_held() {
  [[ $HELD != unknown ]] || HELD=$(apt-mark showhold 2>/dev/null || true)
  [[ $'\n'$HELD$'\n' == *$'\n'"$1"$'\n'* ]]
}

# hold_packages NAME...: holds those that are not held yet.
hold_packages() {
  local name loose=()
  for name in "$@"; do is_held "$name" || loose+=("$name"); done
  ((${#loose[@]} > 0)) || return 0
  run apt-mark hold "${loose[@]}"
  HELD=unknown
  changed "held ${loose[*]}"
}

apt_get() {
  run apt-get --quiet --yes --option DPkg::Lock::Timeout="$APT_LOCK_SECONDS" --option Acquire::Retries=3 \
    --option Dpkg::Options::=--force-confdef --option Dpkg::Options::=--force-confold "$@"
}

# The lists may be days old on a host that has been up for long, and refer to files that the mirror no longer has.
UPDATED=no
apt_update() {
  [[ $UPDATED == no ]] || return 0
  apt_get update --error-on=any || fail 'the package lists cannot be read: is the mirror reachable from this host, and is it signed with a key that the host has? apt has said more above'
  UPDATED=yes
}

# candidate_of NAME: the version that apt would install now.
candidate_of() { apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" { print $2; exit }'; }

# pin_file NAME: where the pin of a package or family is.
pin_file() { printf '/etc/apt/preferences.d/rackwright-%s' "$1"; }

# pin_of UPSTREAM PACKAGE...: preferences that make apt take exactly this version, from older or newer.
pin_of() {
  local upstream=$1
  shift
  printf 'Package: %s\nPin: version %s-*\nPin-Priority: 1001' "$*" "$upstream"
}

# check_packages: findings about PACKAGE_NAMES.
check_packages() {
  local index name wanted found
  for index in "${!PACKAGE_NAMES[@]}"; do
    name=${PACKAGE_NAMES[index]} wanted=${PACKAGE_VERSIONS[index]}
    found=$(installed_version "$name")
    if [[ -z $found ]]; then
      finding package-missing "$name is not installed" true
    elif [[ -n $wanted ]] && ! is_release "$found" "$wanted"; then
      finding package-version "$name is $found, wanted is $wanted" true
    elif [[ ${PACKAGE_HOLDS[index]} == yes ]] && ! is_held "$name"; then
      finding package-not-held "$name is not held: the next upgrade would move it" true
    fi
  done
}

# A power cut in the middle of an installation leaves dpkg refusing everything until it is told to carry on.
finish_interrupted_dpkg() {
  if compgen -G '/var/lib/dpkg/updates/[0-9]*' >/dev/null || [[ -n $(dpkg --audit 2>/dev/null) ]]; then
    run dpkg --configure -a
    apt_get install --fix-broken
    changed 'finished an installation that had been cut off'
  fi
}

# install_packages: installs or moves what check_packages would find, then holds what is to be held.
install_packages() {
  local index name wanted found wanting=() holding=()
  for index in "${!PACKAGE_NAMES[@]}"; do
    name=${PACKAGE_NAMES[index]} wanted=${PACKAGE_VERSIONS[index]}
    found=$(installed_version "$name")
    if [[ -z $found ]] || { [[ -n $wanted ]] && ! is_release "$found" "$wanted"; }; then wanting+=("$index"); fi
  done
  if ((${#wanting[@]} > 0)); then
    finish_interrupted_dpkg
    apt_update
    local arguments=() candidate
    for index in "${wanting[@]}"; do
      name=${PACKAGE_NAMES[index]} wanted=${PACKAGE_VERSIONS[index]}
      candidate=$(candidate_of "$name")
      [[ -n $candidate ]] || fail "no package source of this host has $name${wanted:+ $wanted}: is it in the mirror?"
      [[ -z $wanted ]] || is_release "$candidate" "$wanted" || fail "the package sources have $name $candidate, wanted is $wanted: bring the mirror up to date"
      arguments+=("$name=$candidate")
    done
    apt_get install --no-install-recommends --allow-change-held-packages --allow-downgrades "${arguments[@]}"
    changed "installed ${arguments[*]}"
  fi
  for index in "${!PACKAGE_NAMES[@]}"; do
    [[ ${PACKAGE_HOLDS[index]} == no ]] || holding+=("${PACKAGE_NAMES[index]}")
  done
  hold_packages "${holding[@]}"
}

# mirror_key: the administrator's key for the mirror, or nothing.
mirror_key() {
  local file
  for file in "${MIRROR_KEYS[@]}"; do
    [[ ! -s $file ]] || { printf '%s' "$file" && return 0; }
  done
}

# key_fingerprints FILE: fingerprints of all primary keys in a key file.
key_fingerprints() { gpg --batch --show-keys --with-colons "$1" 2>/dev/null | awk -F: '$1 == "pub" { primary = 1 } $1 == "fpr" && primary { print $10; primary = 0 }'; }

# fetch_key URL FINGERPRINT FILE: fetches a vendor's key, and keeps it only when it is the one that is known.
fetch_key() {
  local url=$1 fingerprint=$2 file=$3 fresh
  [[ ! -s $file ]] || [[ $(key_fingerprints "$file") != "$fingerprint" ]] || return 0
  mkdir -p "$KEYRING_FOLDER"
  fresh=$(mktemp -d)
  run /usr/lib/apt/apt-helper download-file "$url" "$fresh/key" ||
    fail "the signing key $url cannot be fetched: if the mirror signs with a key of its own, put that at ${MIRROR_KEYS[0]}"
  [[ $(key_fingerprints "$fresh/key") == "$fingerprint" ]] ||
    fail "the key at $url is not the vendor's (wanted is $fingerprint): if the mirror signs with a key of its own, put that at ${MIRROR_KEYS[0]}"
  write_file "$file" 644 "$(cat "$fresh/key")"
  rm -r "$fresh"
  changed "fetched the signing key $file"
}
