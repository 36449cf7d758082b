# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153,SC2154 # gpu-driver.sh, which sources this, reads the flags and uses the constants
# Which NVIDIA packages are there, which of them are ours, and how they are pinned and held.

# Everything of the driver, whichever repository it comes from. The container toolkit has versions of its own.
readonly DRIVER_FAMILY='nvidia-open nvidia-open-* nvidia-driver-* nvidia-dkms-* nvidia-kernel-* nvidia-firmware-* nvidia-headless-* nvidia-utils-* nvidia-compute-utils-* nvidia-persistenced nvidia-modprobe nvidia-settings nvidia-fabricmanager nvidia-fabricmanager-* libnvidia-* xserver-xorg-video-nvidia-* cuda-drivers cuda-drivers-*'
readonly TOOLKIT_FAMILY='nvidia-container-toolkit nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1'

readonly UNATTENDED=$'// Written by rackwright: a driver that moves while its module is loaded fails until the next boot.\nUnattended-Upgrade::Package-Blacklist { "^nvidia-"; "^libnvidia-"; "^cuda-"; "^linux-image"; "^linux-headers"; "^linux-generic"; "^linux-modules-nvidia"; };'
readonly UNATTENDED_FILE=/etc/apt/apt.conf.d/52rackwright-unattended-upgrades

# driver_pins: the other repository's driver is never taken, for the two do not mix; ours is taken at one version.
driver_pins() {
  local other=Ubuntu
  [[ $SOURCE == nvidia ]] || other=NVIDIA
  printf '# Drivers of the other repository are never taken: the two do not mix.\nPackage: %s\nPin: release o=%s\nPin-Priority: -1' "$DRIVER_FAMILY" "$other"
  [[ $SOURCE != nvidia ]] || printf '\n\n%s' "$(pin_of "$VERSION" "$DRIVER_FAMILY")"
}

toolkit_pins() { pin_of "$TOOLKIT" "$TOOLKIT_FAMILY"; }

# installed_driver_packages: lines `name version` of all installed packages of the driver.
installed_driver_packages() {
  # shellcheck disable=SC2016,SC2086 # dpkg-query's own placeholders; the family is a list of patterns
  dpkg-query --show --showformat='${db:Status-Status} ${Package} ${Version}\n' $DRIVER_FAMILY linux-modules-nvidia-* 2>/dev/null |
    awk '$1 == "installed" && $2 !~ /^libnvidia-container/ { print $2, $3 }' || true
}

# kernel_packages: installed packages that bring new kernels, with their headers. A held driver needs a held kernel.
kernel_packages() {
  # shellcheck disable=SC2016 # dpkg-query's own placeholders
  dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' 'linux-image-*' 'linux-headers-*' 'linux-generic*' 'linux-virtual*' 2>/dev/null |
    awk '$1 == "installed" && $2 !~ /-[0-9]+\.[0-9]+\.[0-9]+-/ && $2 !~ /-[0-9]+\.[0-9]+\.[0-9]+$/ { print $2 }' || true
}

# driver_version: the version that the server is to run. Ubuntu's archive keeps only its newest release of a branch, so
# there the branch is wanted, and what is installed of it is held.
driver_version() {
  local found
  if [[ $SOURCE == nvidia ]]; then
    printf '%s' "$VERSION"
  else
    found=$(installed_version "nvidia-driver-$BRANCH-server-open")
    [[ -z $found ]] || printf '%s' "${found%%-*}"
  fi
}

# settle_fabric_manager: the package's name has the branch in some repositories and not in others; takes the one there is.
settle_fabric_manager() {
  local index name other
  for index in "${!PACKAGE_NAMES[@]}"; do
    name=${PACKAGE_NAMES[index]}
    case $name in
      nvidia-fabricmanager) other=nvidia-fabricmanager-$BRANCH ;;
      nvidia-fabricmanager-*) other=nvidia-fabricmanager ;;
      *) continue ;;
    esac
    if [[ -n $(installed_version "$other") ]]; then
      PACKAGE_NAMES[index]=$other
    elif [[ -z $(installed_version "$name") ]] && ! has_release "$name" "${PACKAGE_VERSIONS[index]}" && has_release "$other" "${PACKAGE_VERSIONS[index]}"; then
      PACKAGE_NAMES[index]=$other
    fi
  done
}

# has_release NAME UPSTREAM: whether a package source offers that release.
has_release() {
  local version
  while read -r version; do
    if [[ -z $2 ]] || is_release "$version" "$2"; then return 0; fi
  done < <(apt-cache madison "$1" 2>/dev/null | awk -F'|' '{ gsub(/ /, "", $2); print $2 }')
  return 1
}

# foreign_drivers: one line for each driver on the server that this program did not bring.
foreign_drivers() {
  local name version
  if [[ -x /usr/bin/nvidia-uninstall ]]; then
    printf "%s\n" "NVIDIA's .run installer put a driver there (remove it by hand: /usr/bin/nvidia-uninstall)"
  fi
  # Where our pins are, the driver is ours, and apt moves it to another branch by itself.
  [[ ! -e $(pin_file nvidia-driver) ]] || return 0
  while read -r name version; do
    case $name in
      *-"$BRANCH" | *-"$BRANCH"-open) [[ $SOURCE != nvidia ]] || continue ;;
      *-"$BRANCH"-server | *-"$BRANCH"-server-*) [[ $SOURCE != ubuntu ]] || continue ;;
    esac
    if [[ $name =~ -[0-9]{3}(-|$) ]]; then
      printf '%s\n' "$name $version (remove it by hand: apt-get remove --autoremove '$name')"
    fi
  done < <(installed_driver_packages)
}

# module_version: of the loaded kernel module; nothing when none is loaded.
module_version() { cat /sys/module/nvidia/version 2>/dev/null || true; }

nouveau_is_loaded() { grep -q '^nouveau ' /proc/modules; }

secure_boot_is_on() {
  local variable
  for variable in /sys/firmware/efi/efivars/SecureBoot-*; do
    [[ -r $variable ]] || continue
    [[ $(tail -c1 "$variable" | od -An -tu1 | tr -d ' ') == 1 ]] && return 0
  done
  return 1
}
