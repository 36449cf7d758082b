#!/usr/bin/env bash
# The NVIDIA driver of a server: one release, pinned and held, with open kernel modules and what belongs to it.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=apt.sh
. "$here/apt.sh"
# shellcheck source=driver-packages.sh
. "$here/driver-packages.sh"
# shellcheck source=power-limit.sh
. "$here/power-limit.sh"

usage() {
  cat <<'TEXT'
bash gpu-driver.sh check|apply FLAGS

  --branch 580                  driver branch
  --version 580.173.02          driver release
  --source nvidia|ubuntu        nvidia: modules built by DKMS; ubuntu: Ubuntu's pre-signed ones, for Secure Boot
  --held-package NAME[=VERSION] a package to install and hold; once for each
  --package NAME                a package to install; once for each
  --fabric-manager yes|no       yes on NVSwitch machines only
  --persistence yes|no          keep the driver's state while no process uses a GPU
  --container-toolkit VERSION   release of the container toolkit; without it none is set up
  --gpu-count N                 GPUs that nvidia-smi must show
  --gpu-name NAME               their name, as nvidia-smi prints it
  --power-limit-watts N         power limit of every GPU, now and after every boot; without it none is set
  --step NAME                   what to call this step in the output
  --revision HEX                ignored; makes a changed script a changed command

check  exit 0: as wanted; 1: differs, the findings are on stdout as JSON
apply  exit 0: done, `rebootRequired` says whether the server must be rebooted; 4: failed, run it again once mended
TEXT
}

BRANCH='' VERSION='' SOURCE='' FABRIC_MANAGER=no PERSISTENCE=yes TOOLKIT='' GPU_COUNT='' GPU_NAME='' POWER_LIMIT=''

readonly NOUVEAU=$'# Written by rackwright.\nblacklist nouveau\noptions nouveau modeset=0'
readonly NOUVEAU_FILE=/etc/modprobe.d/rackwright-nouveau.conf
# Distributions start the daemon without persistence mode, and only when udev sees a card.
readonly PERSISTENCED=$'# Written by rackwright.\n[Service]\nExecStartPost=-/usr/bin/nvidia-smi -pm 1\n[Install]\nWantedBy=multi-user.target'
readonly PERSISTENCED_FILE=/etc/systemd/system/nvidia-persistenced.service.d/rackwright.conf

read_flags() {
  while (($#)); do
    case $1 in
      --branch) matching_value '[0-9]{3}' 'a branch such as 580' "$@" && BRANCH=$VALUE ;;
      --version) matching_value '[0-9]{3}(\.[0-9]+)+' 'a release such as 580.173.02' "$@" && VERSION=$VALUE ;;
      --source) matching_value 'nvidia|ubuntu' 'nvidia or ubuntu' "$@" && SOURCE=$VALUE ;;
      --package | --held-package) package_flag "$@" ;;
      --fabric-manager) matching_value 'yes|no' 'yes or no' "$@" && FABRIC_MANAGER=$VALUE ;;
      --persistence) matching_value 'yes|no' 'yes or no' "$@" && PERSISTENCE=$VALUE ;;
      --container-toolkit) matching_value '[0-9]+(\.[0-9]+)+' 'a release such as 1.20.0' "$@" && TOOLKIT=$VALUE ;;
      --gpu-count) matching_value '[1-9][0-9]?' 'a number from 1 to 99' "$@" && GPU_COUNT=$VALUE ;;
      --gpu-name) matching_value '[A-Za-z0-9][A-Za-z0-9 ._/-]*' 'a name as nvidia-smi prints it' "$@" && GPU_NAME=$VALUE ;;
      --power-limit-watts) matching_value '[0-9]{1,4}(\.[0-9]+)?' 'watts, such as 300' "$@" && POWER_LIMIT=$VALUE ;;
      -h | --help) usage && exit 0 ;;
      *) common_flag "$@" || usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  [[ -n $BRANCH ]] || usage_error '--branch is needed'
  [[ -n $VERSION ]] || usage_error '--version is needed'
  [[ -n $SOURCE ]] || usage_error '--source is needed'
  [[ $VERSION == "$BRANCH".* ]] || usage_error "--version $VERSION is not of branch $BRANCH"
}

# ---------------------------------------------------------------- what the driver says

# query_gpus FIELDS: a line per GPU. Status 1: nvidia-smi is missing or does not reach the driver; REASON says why.
query_gpus() {
  REASON='nvidia-smi is not installed'
  have nvidia-smi || return 1
  GPU_LINES=$(timeout 120 nvidia-smi --query-gpu="$1" --format=csv,noheader 2>&1) && [[ -n $GPU_LINES ]] && return 0
  REASON=$(printable "$(head -n1 <<<"$GPU_LINES")")
  return 1
}

# trim TEXT: without blanks at either end.
trim() {
  local text=${1#"${1%%[![:space:]]*}"}
  printf '%s' "${text%"${text##*[![:space:]]}"}"
}

check_gpus() {
  local name version mode wanted loaded count=0 names='' versions='' modes=''
  wanted=$(driver_version)
  loaded=$(module_version)
  if [[ -n $loaded && -n $wanted && $loaded != "$wanted" ]]; then
    finding module-version "the kernel runs driver $loaded, installed is $wanted: reboot the server" false
  fi
  if [[ -r /proc/driver/nvidia/version ]] && ! grep -q 'Open Kernel Module' /proc/driver/nvidia/version; then
    finding module-closed 'the loaded kernel module is the proprietary one, wanted is the open one: reboot the server if it was just changed' false
  fi
  if ! query_gpus name,driver_version,persistence_mode; then
    finding driver-silent "nvidia-smi gives no answer: ${REASON:-no message}. After an installation the server must be rebooted; else see dmesg" false
    return 0
  fi
  while IFS=, read -r name version mode; do
    count=$((count + 1)) name=$(trim "$name") version=$(trim "$version") mode=$(trim "$mode")
    [[ $names == *"|$name|"* ]] || names+="|$name|"
    [[ $versions == *"|$version|"* ]] || versions+="|$version|"
    [[ $modes == *"|$mode|"* ]] || modes+="|$mode|"
  done <<<"$GPU_LINES"
  [[ -z $GPU_COUNT || $count == "$GPU_COUNT" ]] ||
    finding gpu-count "nvidia-smi shows $count GPUs, the environment says $GPU_COUNT: is a card loose or dead, or the file wrong?" false
  [[ -z $GPU_NAME || $names == "|$GPU_NAME|" ]] ||
    finding gpu-name "nvidia-smi shows $(readable_list "$names"), the environment says $GPU_NAME" false
  [[ -n $loaded || -z $wanted || $versions == "|$wanted|" ]] ||
    finding module-version "nvidia-smi reports driver $(readable_list "$versions"), installed is $wanted: reboot the server" false
  [[ $PERSISTENCE == no || $modes == '|Enabled|' ]] || finding persistence-mode 'persistence mode is off on some GPUs' true
}

# readable_list '|a||b|': a, b
readable_list() {
  local text=${1//||/, }
  printable "${text//|/}"
}

# ---------------------------------------------------------------- what differs

check_service() {
  systemctl --quiet is-active "$1" 2>/dev/null || finding service-inactive "$1 is not running" true
  systemctl --quiet is-enabled "$1" 2>/dev/null || finding service-disabled "$1 does not start at boot" true
}

# runtimes: the container runtimes on this server that need to know the toolkit.
runtimes() {
  ! have dockerd || printf 'docker /etc/docker/daemon.json\n'
  ! have containerd || have dockerd || printf 'containerd /etc/containerd\n'
}

check_runtimes() {
  local runtime place
  [[ -n $TOOLKIT ]] || return 0
  while read -r runtime place; do
    grep -rqs nvidia "$place" || finding runtime-not-configured "$runtime does not know NVIDIA's runtime" true
  done < <(runtimes)
}

# held_together: what must not move by itself: every package of the driver at our release, and the kernel's.
held_together() {
  local name version wanted
  wanted=$(driver_version)
  while read -r name version; do
    ! is_release "$version" "$wanted" || printf '%s\n' "$name"
  done < <(installed_driver_packages)
  kernel_packages
}

check_holds() {
  local name loose=()
  while read -r name; do
    is_held "$name" || loose+=("$name")
  done < <(held_together)
  ((${#loose[@]} == 0)) ||
    finding package-not-held "not held, so the next upgrade would move them away from the driver: ${loose[*]}" true
}

diagnose() {
  local foreign manager wanted
  if ! have apt-get; then
    finding tools-missing 'apt is not there: only Ubuntu and Debian are supported' false
    return 0
  fi
  foreign=$(foreign_drivers)
  [[ -z $foreign ]] || finding driver-foreign "another driver is installed: ${foreign//$'\n'/; }" false
  expect_file "$(pin_file nvidia-driver)" "$(driver_pins)" apt-pin
  [[ -z $TOOLKIT ]] || expect_file "$(pin_file container-toolkit)" "$(toolkit_pins)" apt-pin
  expect_file "$UNATTENDED_FILE" "$UNATTENDED" unattended-upgrades
  expect_file "$NOUVEAU_FILE" "$NOUVEAU" nouveau
  check_initramfs
  ! nouveau_is_loaded || finding nouveau-loaded 'nouveau drives the GPUs: reboot the server' false
  settle_fabric_manager
  check_packages
  check_holds
  if [[ $FABRIC_MANAGER == yes ]]; then
    check_service nvidia-fabricmanager
    manager=$(installed_version nvidia-fabricmanager)$(installed_version "nvidia-fabricmanager-$BRANCH")
    wanted=$(driver_version)
    [[ -z $manager || -z $wanted ]] || is_release "$manager" "$wanted" ||
      finding fabric-manager-version "the fabric manager is $manager and refuses to start beside driver $wanted" true
  fi
  if [[ $PERSISTENCE == yes ]]; then
    expect_file "$PERSISTENCED_FILE" "$PERSISTENCED" persistence
    check_service nvidia-persistenced
  fi
  if [[ $SOURCE == nvidia ]] && secure_boot_is_on; then
    finding secure-boot "Secure Boot is on and DKMS modules are not signed by a key that the firmware knows: set software.driver.source to ubuntu, or enrol a key at the console" false
  fi
  check_runtimes
  check_gpus
  check_power_limit
}

# ---------------------------------------------------------------- mending

install_kernel_headers() {
  local release flavour name
  [[ $SOURCE == nvidia ]] || return 0
  release=$(uname -r) flavour=${release##*-}
  for name in "linux-headers-$release" "linux-headers-$flavour"; do
    [[ -z $(installed_version "$name") ]] || continue
    apt_update
    if [[ -z $(candidate_of "$name") ]]; then
      log "no package source has $name"
      continue
    fi
    apt_get install --no-install-recommends "$name"
    changed "installed $name"
  done
}

enable_service() {
  systemctl --quiet is-enabled "$1" 2>/dev/null && systemctl --quiet is-active "$1" 2>/dev/null && return 0
  run systemctl enable "$1"
  if run systemctl start "$1"; then
    changed "enabled and started $1"
  else
    # Without a loaded driver it cannot start; after the reboot that is due it does.
    log "$1 does not start yet"
    REBOOT_REQUIRED=true
  fi
}

configure_runtimes() {
  local runtime place
  [[ -n $TOOLKIT ]] || return 0
  while read -r runtime place; do
    grep -rqs nvidia "$place" || {
      run nvidia-ctk runtime configure --runtime="$runtime"
      run systemctl restart "$runtime"
      changed "made NVIDIA's runtime known to $runtime and restarted it"
    }
  done < <(runtimes)
}

apply() {
  local foreign loaded together
  have apt-get || fail 'apt is not there: only Ubuntu and Debian are supported'
  foreign=$(foreign_drivers)
  [[ -z $foreign ]] || fail 'another driver is installed, and two do not mix. Nothing was changed.' "${foreign//$'\n'/; }"
  ! [[ $SOURCE == nvidia ]] || ! secure_boot_is_on || log 'warning: Secure Boot is on; modules that DKMS builds will not load unless their key is enrolled at the console'
  if ensure_file "$(pin_file nvidia-driver)" 644 "$(driver_pins)"; then UPDATED=no; fi
  if [[ -n $TOOLKIT ]] && ensure_file "$(pin_file container-toolkit)" 644 "$(toolkit_pins)"; then UPDATED=no; fi
  ensure_file "$UNATTENDED_FILE" 644 "$UNATTENDED" || true
  if ! file_is "$NOUVEAU_FILE" "$NOUVEAU"; then
    initramfs_outdated
    ensure_file "$NOUVEAU_FILE" 644 "$NOUVEAU"
    initramfs_outdated
  fi
  install_kernel_headers
  settle_fabric_manager
  install_packages
  mapfile -t together < <(held_together)
  hold_packages "${together[@]}"
  if nouveau_is_loaded; then
    REBOOT_REQUIRED=true
  elif [[ -z $(module_version) ]]; then
    run modprobe nvidia || log 'the kernel module nvidia cannot be loaded now'
  fi
  if [[ $PERSISTENCE == yes ]]; then
    if ensure_file "$PERSISTENCED_FILE" 644 "$PERSISTENCED"; then
      run systemctl daemon-reload
      run systemctl reenable nvidia-persistenced
      run systemctl restart nvidia-persistenced || REBOOT_REQUIRED=true
    fi
    enable_service nvidia-persistenced
  fi
  [[ $FABRIC_MANAGER == no ]] || enable_service nvidia-fabricmanager
  configure_runtimes
  apply_power_limit
  loaded=$(module_version)
  if { [[ -n $loaded ]] && [[ $loaded != "$(driver_version)" ]]; } || ! query_gpus driver_version; then REBOOT_REQUIRED=true; fi
}

read_verb "$@"
read_flags "${@:2}"
run_verb apply "$@"
