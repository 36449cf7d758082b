# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154 # monitoring.sh, which sources this, reads the flags, and apt.sh the rest
# Exporters and, on the server that keeps the measurements, Prometheus, Alertmanager and Grafana as services of the
# distribution, on sites without a cluster; sourced by monitoring.sh.

SERVICES=()
# A row for each file: how many services were named before it, then PATH=BASE64.
FILES=()
DATA_FOLDERS=()

readonly GRAFANA_KEY=B53AE77BADB630A683046005963FA27710458545
readonly GRAFANA_KEY_FILE=$KEYRING_FOLDER/grafana.asc
readonly GRAFANA_LIST=/etc/apt/sources.list.d/rackwright-grafana.sources

# ---------------------------------------------------------------- folders for data

# on_a_tier PATH: whether the folder would be on a mounted file system of its own, not on the system's drive.
on_a_tier() {
  local folder=$1
  while [[ ! -d $folder ]]; do folder=${folder%/*}; done
  [[ $(stat --format=%d -- "$folder") != $(stat --format=%d /) ]]
}

is_given_to() { [[ -d $1 && $(stat --format='%U %a' -- "$1") == "$2 750" ]]; }

check_data() {
  local row
  for row in "${DATA_FOLDERS[@]}"; do
    is_given_to "${row%=*}" "${row##*=}" || finding data-folder "${row%=*} is missing or does not belong to ${row##*=}" true
  done
}

apply_data() {
  local row path user
  for row in "${DATA_FOLDERS[@]}"; do
    path=${row%=*} user=${row##*=}
    on_a_tier "$path" || fail "$path would be on the system's drive: its tier is not mounted. Apply the tier first"
    is_given_to "$path" "$user" || {
      # Others must be able to pass through the folder above.
      mkdir -p -- "${path%/*}"
      chmod 755 "${path%/*}"
      run install --directory --owner="$user" --group="$user" --mode=750 "$path"
      changed "gave $path to $user"
    }
  done
}

# ---------------------------------------------------------------- Grafana's packages

grafana_stanza() {
  local key
  key=$(mirror_key)
  printf 'Types: deb\nURIs: %s\nSuites: stable\nComponents: main\nSigned-By: %s' "$GRAFANA_SOURCE" "${key:-$GRAFANA_KEY_FILE}"
}

apply_grafana_source() {
  [[ -n $GRAFANA_SOURCE ]] || return 0
  [[ -n $(mirror_key) ]] || fetch_key "$GRAFANA_SOURCE/gpg.key" "$GRAFANA_KEY" "$GRAFANA_KEY_FILE"
  if ensure_file "$GRAFANA_LIST" 644 "$(grafana_stanza)"; then UPDATED=no; fi
}

# ---------------------------------------------------------------- files and services

# each_file_of NUMBER COMMAND: COMMAND PATH CONTENT for the files that follow the service of that number; 0: those before any.
each_file_of() {
  local row content
  for row in "${FILES[@]}"; do
    [[ ${row%% *} == "$1" ]] || continue
    row=${row#* }
    content=$(base64 --decode <<<"${row#*=}" 2>/dev/null | gzip --decompress --stdout 2>/dev/null) || fail "the content of ${row%%=*} on the command line is no gzip in base64"
    "$2" "${row%%=*}" "$content"
  done
}

expect_service_file() { expect_file "$1" "$2" service-file; }

# A unit's own settings need a restart; what a program reads by itself a reload where it knows how.
ensure_service_file() {
  if ensure_file "$1" 644 "$2"; then
    if [[ $1 == /etc/systemd/* ]]; then CHANGE=restart; else CHANGE=${CHANGE:-reload-or-restart}; fi
  fi
}

diagnose_services() {
  local number service
  [[ -z $GRAFANA_SOURCE ]] || expect_file "$GRAFANA_LIST" "$(grafana_stanza)" apt-source
  check_packages
  check_data
  each_secret expect_secret
  each_file_of 0 expect_service_file
  for number in "${!SERVICES[@]}"; do
    service=${SERVICES[number]}
    each_file_of "$((number + 1))" expect_service_file
    systemctl is-enabled --quiet "$service" 2>/dev/null || finding service-disabled "$service does not start at boot" true
    systemctl is-active --quiet "$service" 2>/dev/null || finding service-inactive "$service is not running" true
  done
}

apply_services() {
  local number actions=() reload=no
  RESTART_ALL=no
  # The programs run as users of their own and read what is below.
  umask 022
  run install --directory --mode=755 /etc/rackwright
  apply_grafana_source
  install_packages
  apply_data
  each_secret ensure_secret
  for ((number = 0; number <= ${#SERVICES[@]}; number++)); do
    CHANGE=''
    each_file_of "$number" ensure_service_file
    [[ $CHANGE != restart ]] || reload=yes
    [[ $RESTART_ALL == no ]] || CHANGE=restart
    actions+=("$CHANGE")
  done
  [[ $reload == no ]] || run systemctl daemon-reload
  for number in "${!SERVICES[@]}"; do start_service "${SERVICES[number]}" "${actions[number + 1]}"; done
}

# start_service NAME ACTION: enabled, and running with its present files; ACTION is restart, reload-or-restart or nothing.
start_service() {
  local service=$1 action=$2
  systemctl is-enabled --quiet "$service" 2>/dev/null || {
    run systemctl enable "$service"
    changed "enabled $service"
  }
  if [[ -n $action ]] || ! systemctl is-active --quiet "$service" 2>/dev/null; then
    run systemctl "${action:-restart}" "$service" || fail "$service does not start: see \`journalctl -u $service\`"
    changed "started $service with its present settings"
  fi
}
