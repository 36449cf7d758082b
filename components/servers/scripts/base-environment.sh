#!/usr/bin/env bash
# What every server gets first: package sources, base packages, CUDA paths, RDMA settings.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=apt.sh
. "$here/apt.sh"

usage() {
  cat <<'TEXT'
bash base-environment.sh check|apply FLAGS

  --os ubuntu-22.04|debian-12   what the server runs; anything else is refused
  --package NAME                installed; once for each package
  --held-package NAME=VERSION   installed at this upstream version, pinned and held
  --apt-mirror URL              base of the site's mirror: URL/ubuntu or URL/debian, URL/cuda, URL/nvidia-container-toolkit
  --internet-access yes|no      no: with a mirror, the distribution's own sources are switched off
  --repository NAME             nvidia-cuda or nvidia-container-toolkit; once for each
  --cuda-toolkit none|12.2|...  paths for every login and service; the package itself is given by --package
  --rdma none|roce|infiniband   kernel modules and limits for RDMA
  --step NAME                   what to call this step in the output
  --revision HEX                ignored; makes a changed script a changed command

A mirror that signs with a key of its own needs that key at /etc/apt/keyrings/rackwright-mirror.asc (or .gpg).

check  exit 0: as wanted; 1: differs, the findings are on stdout as JSON
apply  exit 0: done; 4: failed, run it again once mended
TEXT
}

OS='' APT_MIRROR='' INTERNET=no CUDA=none RDMA=none
REPOSITORIES=()

readonly CUDA_KEY=EB693B3035CD5710E231E123A4B469963BF863CC
readonly TOOLKIT_KEY=C95B321B61E88C1809C4F759DDCAE044F796ECB0
readonly SOURCES_FOLDER=/etc/apt/sources.list.d
readonly NO_DISTRIBUTION_CUDA=$'# Ubuntu\'s own CUDA is 11.5: it knows no Ada or Hopper GPU and collides with NVIDIA\'s.\nPackage: nvidia-cuda-toolkit nvidia-cuda-toolkit-*\nPin: release *\nPin-Priority: -1'

read_flags() {
  while (($#)); do
    case $1 in
      --os) matching_value 'ubuntu-22\.04|debian-12' 'ubuntu-22.04 or debian-12' "$@" && OS=$VALUE ;;
      --package | --held-package) package_flag "$@" ;;
      --apt-mirror) matching_value 'https?://[A-Za-z0-9.:_/~%-]+|https?://\[[0-9a-f:]+\][A-Za-z0-9.:_/~%-]*' 'an http or https URL' "$@" && APT_MIRROR=${VALUE%/} ;;
      --internet-access) matching_value 'yes|no' 'yes or no' "$@" && INTERNET=$VALUE ;;
      --repository) matching_value 'nvidia-cuda|nvidia-container-toolkit' 'nvidia-cuda or nvidia-container-toolkit' "$@" && REPOSITORIES+=("$VALUE") ;;
      --cuda-toolkit) matching_value 'none|[0-9]+\.[0-9]+' 'none or a release such as 12.2' "$@" && CUDA=$VALUE ;;
      --rdma) matching_value 'none|roce|infiniband' 'none, roce or infiniband' "$@" && RDMA=$VALUE ;;
      -h | --help) usage && exit 0 ;;
      *) common_flag "$@" || usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  [[ -n $OS ]] || usage_error '--os is needed'
}

running_os() { (. /etc/os-release && printf '%s-%s' "$ID" "${VERSION_ID:-}"); }

# ---------------------------------------------------------------- package sources

# suite_files: the distribution's own source files, which are switched off behind a mirror.
suite_files() { printf '%s\n' /etc/apt/sources.list "$SOURCES_FOLDER/ubuntu.sources" "$SOURCES_FOLDER/debian.sources"; }

# has_entries FILE: whether an apt source file says anything.
has_entries() { [[ -f $1 ]] && grep -Eq '^[[:space:]]*(deb|deb-src|Types:)([[:space:]]|$)' "$1"; }

only_mirror() { [[ -n $APT_MIRROR && $INTERNET == no ]]; }

signed_by() {
  local key
  key=$(mirror_key)
  if [[ -n $APT_MIRROR && -n $key ]]; then printf '%s' "$key"; else printf '%s' "$1"; fi
}

# A stanza in apt's own format; suites that the mirror does not have are left out, but the first must be there.
distribution_stanza() {
  local root=$APT_MIRROR/${OS%%-*} suite present='' wanted components keyring
  case $OS in
    ubuntu-22.04) wanted='jammy jammy-updates jammy-security' components='main restricted universe multiverse' keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg ;;
    debian-12) wanted='bookworm bookworm-updates bookworm-security' components='main contrib non-free non-free-firmware' keyring=/usr/share/keyrings/debian-archive-keyring.gpg ;;
  esac
  for suite in $wanted; do
    if mirror_has "$root/dists/$suite/InRelease"; then present+="${present:+ }$suite"; else log "the mirror has no $suite"; fi
  done
  [[ $present == "${wanted%% *}"* ]] || fail "the mirror has no $root/dists/${wanted%% *}/InRelease: see site.mirror.apt"
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s' "$root" "$present" "$components" "$(signed_by "$keyring")"
}

mirror_has() {
  local fresh status=0
  fresh=$(mktemp -d)
  /usr/lib/apt/apt-helper -o Acquire::Retries=2 download-file "$1" "$fresh/file" >/dev/null 2>&1 || status=1
  rm -r "$fresh"
  return "$status"
}

repository_root() {
  case $1 in
    nvidia-cuda)
      if [[ -n $APT_MIRROR ]]; then
        printf '%s/cuda' "$APT_MIRROR"
      else
        printf 'https://developer.download.nvidia.com/compute/cuda/repos/%s/x86_64' "$(tr -d '.-' <<<"$OS")"
      fi
      ;;
    nvidia-container-toolkit)
      if [[ -n $APT_MIRROR ]]; then
        printf '%s/nvidia-container-toolkit' "$APT_MIRROR"
      else
        printf 'https://nvidia.github.io/libnvidia-container/stable/deb/amd64'
      fi
      ;;
  esac
}

repository_key_file() { printf '%s/%s.asc' "$KEYRING_FOLDER" "$1"; }

repository_stanza() {
  printf 'Types: deb\nURIs: %s/\nSuites: /\nSigned-By: %s' "$(repository_root "$1")" "$(signed_by "$(repository_key_file "$1")")"
}

fetch_repository_key() {
  [[ -z $APT_MIRROR || -z $(mirror_key) ]] || return 0
  case $1 in
    nvidia-cuda) fetch_key "$(repository_root "$1")/3bf863cc.pub" "$CUDA_KEY" "$(repository_key_file "$1")" ;;
    nvidia-container-toolkit)
      local root=https://nvidia.github.io/libnvidia-container
      [[ -z $APT_MIRROR ]] || root=$(repository_root "$1")
      fetch_key "$root/gpgkey" "$TOOLKIT_KEY" "$(repository_key_file "$1")"
      ;;
  esac
}

check_sources() {
  local file repository
  if [[ -n $APT_MIRROR ]]; then
    file=$SOURCES_FOLDER/rackwright-distribution.sources
    grep -Fxqs "URIs: $APT_MIRROR/${OS%%-*}" "$file" || finding apt-source "$file does not point at the mirror $APT_MIRROR" true
  fi
  for repository in "${REPOSITORIES[@]}"; do
    expect_file "$SOURCES_FOLDER/rackwright-$repository.sources" "$(repository_stanza "$repository")" apt-source
  done
  expect_file "$(pin_file no-distribution-cuda)" "$NO_DISTRIBUTION_CUDA" apt-pin
  if only_mirror; then
    while read -r file; do
      ! has_entries "$file" || finding apt-source-outside "$file asks servers outside the site, where there is no internet" true
    done < <(suite_files)
  fi
}

apply_sources() {
  local file repository stanza
  if ensure_file "$(pin_file no-distribution-cuda)" 644 "$NO_DISTRIBUTION_CUDA"; then UPDATED=no; fi
  if [[ -n $APT_MIRROR ]]; then
    stanza=$(distribution_stanza)
    if ensure_file "$SOURCES_FOLDER/rackwright-distribution.sources" 644 "$stanza"; then UPDATED=no; fi
  fi
  if only_mirror; then
    while read -r file; do
      ! has_entries "$file" || {
        # apt passes over names that end in .disabled without a word.
        run mv -f -- "$file" "$file.rackwright.disabled"
        changed "switched off $file"
      }
    done < <(suite_files)
  fi
  for repository in "${REPOSITORIES[@]}"; do
    if ! have gpg && [[ -z $(mirror_key) ]]; then
      apt_update
      apt_get install --no-install-recommends gpg
      UPDATED=no
    fi
    fetch_repository_key "$repository"
    if ensure_file "$SOURCES_FOLDER/rackwright-$repository.sources" 644 "$(repository_stanza "$repository")"; then UPDATED=no; fi
  done
}

# ---------------------------------------------------------------- CUDA and RDMA

cuda_index() {
  local index
  for index in "${!PACKAGE_NAMES[@]}"; do
    [[ ${PACKAGE_NAMES[index]} != cuda-toolkit-* ]] || { printf '%s' "$index" && return 0; }
  done
}

# Paths for logins, services, user services and the linker. ~/.bashrc is left alone: services and other users never read it.
readonly CUDA_PROFILE=$'# Written by rackwright.\nexport CUDA_HOME=/usr/local/cuda\ncase ":$PATH:" in\n  *:/usr/local/cuda/bin:*) ;;\n  *) export PATH=/usr/local/cuda/bin:$PATH ;;\nesac'
readonly CUDA_LINKER=$'# Written by rackwright.\n/usr/local/cuda/lib64'
readonly CUDA_SERVICES=$'# Written by rackwright.\n[Manager]\nDefaultEnvironment="CUDA_HOME=/usr/local/cuda" "PATH=/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"'
readonly CUDA_USER_SERVICES=$'# Written by rackwright.\nCUDA_HOME=/usr/local/cuda\nPATH=/usr/local/cuda/bin:$PATH'
readonly RDMA_LIMITS=$'# Written by rackwright: RDMA pins the memory that it sends from.\n* soft memlock unlimited\n* hard memlock unlimited\nroot soft memlock unlimited\nroot hard memlock unlimited'
readonly RDMA_SERVICES=$'# Written by rackwright: RDMA pins the memory that it sends from.\n[Manager]\nDefaultLimitMEMLOCK=infinity'

rdma_modules() {
  printf '# Written by rackwright.\nib_uverbs\nrdma_ucm'
  [[ $RDMA != infiniband ]] || printf '\nib_umad\nib_ipoib'
}

# each_file COMMAND: COMMAND FILE CONTENT for every settings file that this server is to have.
each_file() {
  if [[ $CUDA != none ]]; then
    "$1" /etc/profile.d/cuda.sh "$CUDA_PROFILE"
    "$1" /etc/ld.so.conf.d/cuda.conf "$CUDA_LINKER"
    "$1" /etc/systemd/system.conf.d/rackwright-cuda.conf "$CUDA_SERVICES"
    "$1" /etc/environment.d/60-rackwright-cuda.conf "$CUDA_USER_SERVICES"
  fi
  if [[ $RDMA != none ]]; then
    "$1" /etc/security/limits.d/rackwright-rdma.conf "$RDMA_LIMITS"
    "$1" /etc/systemd/system.conf.d/rackwright-rdma.conf "$RDMA_SERVICES"
    "$1" /etc/modules-load.d/rackwright-rdma.conf "$(rdma_modules)"
  fi
}

expect_settings() { expect_file "$1" "$2" settings-file; }
ensure_settings() { if ensure_file "$1" 644 "$2"; then SETTINGS_CHANGED=yes; fi; }

check_cuda() {
  local other
  other=$(installed_version nvidia-cuda-toolkit)
  [[ -z $other ]] || finding distribution-cuda "the distribution's nvidia-cuda-toolkit $other is installed: it knows no Ada or Hopper GPU and its nvcc hides NVIDIA's. Remove it by hand: apt-get remove nvidia-cuda-toolkit" false
  [[ $CUDA != none ]] || return 0
  [[ -x /usr/local/cuda/bin/nvcc ]] || finding cuda-path "/usr/local/cuda/bin/nvcc is missing: /usr/local/cuda does not point at CUDA $CUDA" true
}

check_rdma() {
  local module
  [[ $RDMA != none ]] || return 0
  for module in $(rdma_modules | grep -v '^#'); do
    [[ -e /sys/module/$module ]] || finding rdma-module "the kernel module $module is not loaded" true
  done
}

apply_settings() {
  local module
  SETTINGS_CHANGED=no
  each_file ensure_settings
  if [[ $CUDA != none && ! -e /usr/local/cuda ]]; then
    [[ -d /usr/local/cuda-$CUDA ]] || fail "/usr/local/cuda-$CUDA is missing although ${PACKAGE_NAMES[$(cuda_index)]:-the CUDA package} is installed"
    run ln -s "cuda-$CUDA" /usr/local/cuda
    changed "pointed /usr/local/cuda at CUDA $CUDA"
  fi
  if [[ $SETTINGS_CHANGED == yes ]]; then
    [[ $CUDA == none ]] || run ldconfig
    # A manager that is told to reload reads system.conf.d again; services take it over when they start next.
    run systemctl daemon-reload
  fi
  [[ $RDMA != none ]] || return 0
  for module in $(rdma_modules | grep -v '^#'); do
    [[ -e /sys/module/$module ]] || {
      run modprobe "$module" || fail "the kernel has no module $module: RDMA on this server needs another kernel or the NIC vendor's driver"
      changed "loaded the kernel module $module"
    }
  done
}

# ---------------------------------------------------------------- the two verbs

diagnose() {
  local running index
  if ! have apt-get; then
    finding tools-missing 'apt is not there: only Ubuntu and Debian are supported' false
    return 0
  fi
  running=$(running_os)
  if [[ $running != "$OS" ]]; then
    finding other-os "the server runs $running, the environment says $OS" false
    return 0
  fi
  check_sources
  check_packages
  index=$(cuda_index)
  [[ -z $index ]] || expect_file "$(pin_file cuda-toolkit)" "$(pin_of "${PACKAGE_VERSIONS[index]}" "${PACKAGE_NAMES[index]}")" apt-pin
  each_file expect_settings
  check_cuda
  check_rdma
}

apply() {
  local running index
  have apt-get || fail 'apt is not there: only Ubuntu and Debian are supported'
  running=$(running_os)
  [[ $running == "$OS" ]] || fail "the server runs $running, the environment says $OS: correct software.os, or install the server anew"
  apply_sources
  index=$(cuda_index)
  if [[ -n $index ]]; then
    [[ -z $(installed_version nvidia-cuda-toolkit) ]] || fail "the distribution's nvidia-cuda-toolkit is installed and its nvcc hides NVIDIA's: remove it by hand (apt-get remove nvidia-cuda-toolkit), then apply"
    if ensure_file "$(pin_file cuda-toolkit)" 644 "$(pin_of "${PACKAGE_VERSIONS[index]}" "${PACKAGE_NAMES[index]}")"; then UPDATED=no; fi
  fi
  install_packages
  apply_settings
}

read_verb "$@"
read_flags "${@:2}"
run_verb apply "$@"
