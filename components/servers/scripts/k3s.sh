#!/usr/bin/env bash
# One server of a k3s cluster: binary, images, configuration and service, from files that the site holds.
# shellcheck source-path=SCRIPTDIR
set -Eeuo pipefail
here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=lib.sh
. "$here/lib.sh"

usage() {
  cat <<'TEXT'
bash k3s.sh check|apply FLAGS

  --role first|server|agent   first: makes the cluster. server: joins its control plane. agent: joins as a worker
  --version VERSION           such as v1.35.4+k3s1
  --files URL                 folder with k3s, k3s-airgap-images-amd64.tar.zst and sha256sum-amd64.txt of that version
  --node-name NAME            name of the node
  --address ADDRESS           the node's address, where an interface has it; else k3s takes that of the default route
  --system-reserved TEXT      what the kubelet keeps from pods, such as cpu=1,memory=4Gi
  --node-life G:P:L:S         seconds: after G without a heartbeat a node is gone, looked at each P; its lease lasts L, which
                              is renewed four times in that, and its status is sent each S. Absent: Kubernetes' own
  --join URL                  the API server that is joined, such as https://10.0.0.11:6443; not for the first
  --etcd yes|no               whether the control plane's data is in etcd, for three servers; no: in SQLite, for one
  --tls-san NAME              address or name in the API server's certificate; once for each
  --pod-cidr NETWORK          addresses of pods
  --service-cidr NETWORK      addresses of services
  --image-mirror REGISTRY     registry, with a folder or without, that holds copies of all images
  --step NAME                 what to call this step in the output
  --revision HEX              ignored; makes a changed script a changed command

apply reads the cluster's token from standard input where the server joins; with nothing there it keeps the one it has. The
first server makes the token: /var/lib/rancher/k3s/server/node-token.

check  exit 0: as wanted; 1: differs, the findings are on stdout as JSON
apply  exit 0: done; 3: refused, because another cluster's data is there; 4: failed, run it again once mended
TEXT
}

ROLE='' K3S_VERSION='' FILES='' NODE_NAME='' ADDRESS='' JOIN='' ETCD=no POD_CIDR='' SERVICE_CIDR='' IMAGE_MIRROR='' RESERVED='' NODE_LIFE=''
TLS_SANS=()

readonly BINARY=/usr/local/bin/k3s
readonly DATA=/var/lib/rancher/k3s
readonly IMAGES=$DATA/agent/images/k3s-airgap-images-amd64.tar.zst
readonly CONFIG=/etc/rancher/k3s/config.yaml
readonly REGISTRIES=/etc/rancher/k3s/registries.yaml
readonly CONTAINERD=$DATA/agent/etc/containerd/config.toml
readonly TOKEN=/etc/rackwright/k3s-token
readonly KUBELET=/etc/rackwright/kubelet.yaml
readonly UNITS=/etc/systemd/system
readonly SUMS=$STATE_FOLDER/k3s.sha256
readonly MARK='# Written by rackwright.'
readonly READY_CHECKS=300 READY_INTERVAL_SECONDS=2 MOST_RESTARTS=5

read_flags() {
  local network='[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}' address='[A-Za-z0-9][A-Za-z0-9.:-]*'
  while (($#)); do
    case $1 in
      --role) matching_value 'first|server|agent' 'first, server or agent' "$@" && ROLE=$VALUE ;;
      --version) matching_value 'v[0-9]+(\.[0-9]+){2}\+k3s[0-9]+' 'a release such as v1.35.4+k3s1' "$@" && K3S_VERSION=$VALUE ;;
      --files) matching_value 'https?://[][A-Za-z0-9.:_/~%+-]+' 'an http or https URL without a user' "$@" && FILES=${VALUE%/} ;;
      --node-name) matching_value '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?' 'a node name of lower-case letters, digits and hyphens' "$@" && NODE_NAME=$VALUE ;;
      --address) matching_value "$address" 'an IP address or a host name' "$@" && ADDRESS=$VALUE ;;
      --system-reserved) matching_value 'cpu=[0-9]+(\.[0-9]+)?,memory=[0-9]+Gi' 'amounts such as cpu=1,memory=4Gi' "$@" && RESERVED=$VALUE ;;
      --node-life) matching_value '[1-9][0-9]{0,2}(:[1-9][0-9]{0,2}){3}' 'four numbers of seconds' "$@" && NODE_LIFE=$VALUE ;;
      --join) matching_value 'https://[][A-Za-z0-9.:-]+' 'an https URL' "$@" && JOIN=$VALUE ;;
      --etcd) matching_value 'yes|no' 'yes or no' "$@" && ETCD=$VALUE ;;
      --tls-san) matching_value "$address" 'an IP address or a host name' "$@" && TLS_SANS+=("$VALUE") ;;
      --pod-cidr) matching_value "$network" 'a network such as 10.42.0.0/16' "$@" && POD_CIDR=$VALUE ;;
      --service-cidr) matching_value "$network" 'a network such as 10.43.0.0/16' "$@" && SERVICE_CIDR=$VALUE ;;
      --image-mirror) matching_value '[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._/-]+)?' 'a registry without a scheme' "$@" && IMAGE_MIRROR=$VALUE ;;
      -h | --help) usage && exit 0 ;;
      *) common_flag "$@" || usage_error "unknown flag '$1'" ;;
    esac
    shift 2
  done
  [[ -n $ROLE ]] || usage_error '--role is needed'
  [[ -n $K3S_VERSION ]] || usage_error '--version is needed'
  [[ -n $FILES ]] || usage_error '--files is needed'
  [[ -n $NODE_NAME ]] || usage_error '--node-name is needed'
  [[ $ROLE == first || -n $JOIN ]] || usage_error "--join is needed for --role $ROLE"
  [[ $ROLE != first || -z $JOIN ]] || usage_error '--join is not for the first server, which makes the cluster'
  [[ $ROLE == agent || -n $POD_CIDR && -n $SERVICE_CIDR ]] || usage_error '--pod-cidr and --service-cidr are needed for the control plane'
}

# ---------------------------------------------------------------- what is wanted

service() { if [[ $ROLE == agent ]]; then printf k3s-agent; else printf k3s; fi; }
unit_file() { printf '%s/%s.service' "$UNITS" "$(service)"; }

# has_address: whether an interface of this server has the address by which it is reached; behind translation none has.
has_address() {
  [[ -n $ADDRESS ]] && ip -o addr show 2>/dev/null | awk -v wanted="$ADDRESS" '{ split($4, part, "/"); if (part[1] == wanted) found = 1 } END { exit !found }'
}

# wanted_kubelet: what has no flag of its own.
wanted_kubelet() {
  local lease status
  IFS=: read -r _ _ lease status <<<"$NODE_LIFE"
  printf '%s\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nnodeLeaseDurationSeconds: %s\nnodeStatusUpdateFrequency: %ss' "$MARK" "$lease" "$status"
}

wanted_config() {
  local name grace period
  printf '%s\nnode-name: "%s"' "$MARK" "$NODE_NAME"
  ! has_address || printf '\nnode-ip: "%s"' "$ADDRESS"
  [[ -z $RESERVED$NODE_LIFE ]] || printf '\nkubelet-arg:'
  [[ -z $RESERVED ]] || printf '\n  - "system-reserved=%s"' "$RESERVED"
  [[ -z $NODE_LIFE ]] || printf '\n  - "config=%s"' "$KUBELET"
  if [[ $ROLE != first ]]; then printf '\nserver: "%s"\ntoken-file: "%s"' "$JOIN" "$TOKEN"; fi
  [[ $ROLE != agent ]] || return 0
  [[ $ROLE != first || $ETCD == no ]] || printf '\ncluster-init: true'
  printf '\ncluster-cidr: "%s"\nservice-cidr: "%s"' "$POD_CIDR" "$SERVICE_CIDR"
  if [[ -n $NODE_LIFE ]]; then
    IFS=: read -r grace period _ <<<"$NODE_LIFE"
    printf '\nkube-controller-manager-arg:\n  - "node-monitor-grace-period=%ss"\n  - "node-monitor-period=%ss"' "$grace" "$period"
  fi
  if ((${#TLS_SANS[@]} > 0)); then
    printf '\ntls-san:'
    for name in "${TLS_SANS[@]}"; do printf '\n  - "%s"' "$name"; done
  fi
  # Volumes are folders of the tiers; nothing is to be put on the system's drive unasked.
  printf '\ndisable:\n  - local-storage\nsecrets-encryption: true\nwrite-kubeconfig-mode: "0600"'
}

wanted_registries() {
  local registry host=${IMAGE_MIRROR%%/*} folder=''
  [[ $IMAGE_MIRROR != */* ]] || folder=${IMAGE_MIRROR#*/}
  printf '%s\nmirrors:' "$MARK"
  for registry in docker.io ghcr.io nvcr.io public.ecr.aws quay.io registry.k8s.io; do
    printf '\n  "%s":\n    endpoint:\n      - "https://%s"' "$registry" "$host"
    # shellcheck disable=SC2016 # containerd's own reference to what the pattern found
    [[ -z $folder ]] || printf '\n    rewrite:\n      "^(.*)$": "%s/$1"' "$folder"
  done
}

wanted_unit() {
  local verb=server description='k3s control plane'
  if [[ $ROLE == agent ]]; then verb=agent description='k3s agent'; fi
  cat <<TEXT
$MARK
[Unit]
Description=$description
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=$BINARY $verb
# Pods live on while k3s itself is restarted.
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
# RDMA pins the memory that it sends from; containers inherit the limit.
LimitMEMLOCK=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
TEXT
}

# ---------------------------------------------------------------- files of the release

# recorded_sum NAME: the checksum that a file had when it was installed, or nothing when that was another version.
recorded_sum() {
  [[ -f $SUMS ]] || return 0
  awk -v version="$K3S_VERSION" -v name="$1" '$1 == "version" { same = ($2 == version) } same && $2 == name { print $1; exit }' "$SUMS"
}

# is_installed NAME FILE: whether FILE is what was verified and installed for this version.
is_installed() {
  local sum
  sum=$(recorded_sum "$1")
  [[ -n $sum && -f $2 && $(sha256sum <"$2") == "$sum "* ]]
}

# fetch NAME FILE: apt's own downloader is on every Debian and Ubuntu, and heeds the proxy that apt is set up for.
fetch() {
  run /usr/lib/apt/apt-helper -o APT::Sandbox::User=root -o Acquire::Retries=3 download-file "$FILES/$1" "$2" ||
    fail "$FILES/$1 cannot be fetched: does the mirror hold the files of k3s $K3S_VERSION, and is it reachable from this host?"
}

# install_file NAME FILE MODE SUM: puts a verified file in its place at once.
install_file() {
  local fresh
  if [[ -f $2 && $(sha256sum <"$2") == "$4 "* ]]; then return 0; fi
  mkdir -p "$(dirname "$2")"
  fresh=$(mktemp -- "$2.XXXXXX")
  fetch "$1" "$fresh"
  if [[ $(sha256sum <"$fresh") != "$4 "* ]]; then
    rm -f "$fresh"
    fail "$FILES/$1 is not what sha256sum-amd64.txt beside it says ($4): copy both again from the release"
  fi
  chmod "$3" "$fresh"
  sync "$fresh"
  mv -f -- "$fresh" "$2"
  changed "installed $2 of $K3S_VERSION"
  RESTART=yes
}

install_files() {
  local sums binary images
  if is_installed k3s "$BINARY" && is_installed "${IMAGES##*/}" "$IMAGES"; then return 0; fi
  sums=$(mktemp)
  fetch sha256sum-amd64.txt "$sums"
  binary=$(awk '$2 == "k3s" || $2 == "*k3s" { print $1; exit }' "$sums")
  images=$(awk -v name="${IMAGES##*/}" '$2 == name || $2 == "*" name { print $1; exit }' "$sums")
  rm -f "$sums"
  [[ $binary =~ ^[0-9a-f]{64}$ && $images =~ ^[0-9a-f]{64}$ ]] || fail "$FILES/sha256sum-amd64.txt has no checksums of k3s and ${IMAGES##*/}: copy it again from the release"
  # Images first: k3s takes them in when it starts.
  install_file "${IMAGES##*/}" "$IMAGES" 644 "$images"
  install_file k3s "$BINARY" 755 "$binary"
  write_file "$SUMS" 644 "version $K3S_VERSION"$'\n'"$binary k3s"$'\n'"$images ${IMAGES##*/}"
}

installed_version() { [[ ! -x $BINARY ]] || "$BINARY" --version 2>/dev/null | awk '$1 == "k3s" && $2 == "version" { print $3; exit }' || true; }

# ---------------------------------------------------------------- what may not be touched

# configured KEY: a value that k3s on this server is set up with.
configured() { awk -v key="$1:" '$1 == key { gsub(/"/, "", $2); print $2; exit }' "$CONFIG" 2>/dev/null || true; }

is_ours() { [[ $(head -n 1 "$1" 2>/dev/null) == "$MARK" ]]; }

find_blockers() {
  local unit other=k3s-agent was='an agent' installed key wanted
  if [[ $ROLE == agent ]]; then other=k3s was='part of the control plane'; fi
  for unit in k3s k3s-agent; do
    [[ ! -e $UNITS/$unit.service ]] || is_ours "$UNITS/$unit.service" ||
      blocker foreign-k3s "$UNITS/$unit.service is not ours: this server is in another k3s cluster. Take it out of that one (k3s-uninstall.sh or k3s-agent-uninstall.sh), or set cluster.distribution to existing"
  done
  [[ ! -e /etc/kubernetes/kubelet.conf ]] || blocker foreign-kubelet '/etc/kubernetes/kubelet.conf is there: this server is a node of another cluster. Take it out of that one (kubeadm reset), or set cluster.distribution to existing'
  ! is_ours "$UNITS/$other.service" || blocker other-role "this server is set up as $was: docs/runbooks/cluster.md says how a node changes its role"
  if [[ -d $DATA/server/db ]] && ! is_ours "$UNITS/k3s.service"; then
    blocker foreign-data "$DATA/server/db holds a cluster's data that is not of this one: docs/runbooks/cluster.md says how it is removed"
  fi
  if [[ $ROLE != agent && -d $DATA/server/db ]]; then
    for key in cluster-cidr service-cidr; do
      wanted=$POD_CIDR
      [[ $key == cluster-cidr ]] || wanted=$SERVICE_CIDR
      [[ -z $(configured "$key") || $(configured "$key") == "$wanted" ]] ||
        blocker network-changed "the cluster was made with $key $(configured "$key"), the environment says $wanted: k3s cannot change it. Write the old network"
    done
  fi
  installed=$(installed_version)
  if [[ -n $installed && $installed != "$K3S_VERSION" && $(printf '%s\n%s\n' "$installed" "$K3S_VERSION" | sort -V | tail -n 1) == "$installed" ]] && is_ours "$(unit_file)"; then
    blocker newer-version "k3s $installed is installed, which is newer than $K3S_VERSION: k3s cannot go back"
  fi
}

# ---------------------------------------------------------------- the two verbs

# lacks_runtime: whether k3s started before NVIDIA's container runtime was there, which it looks for at its start.
lacks_runtime() { have nvidia-container-runtime && [[ -f $CONTAINERD ]] && ! grep -q nvidia-container-runtime "$CONTAINERD"; }

mode_of() { stat -c '%a %U' "$1" 2>/dev/null || true; }

diagnose() {
  local installed
  find_blockers
  installed=$(installed_version)
  if [[ -z $installed ]]; then
    finding k3s-missing "$BINARY is missing" true
  elif [[ $installed != "$K3S_VERSION" ]]; then
    finding k3s-version "k3s is $installed, wanted is $K3S_VERSION" true
  elif ! is_installed k3s "$BINARY"; then
    finding k3s-file "$BINARY is not the file that was verified when it was installed" true
  fi
  is_installed "${IMAGES##*/}" "$IMAGES" || finding k3s-images "$IMAGES is missing or not the verified one of $K3S_VERSION" true
  expect_file "$CONFIG" "$(wanted_config)" k3s-config
  [[ ! -e $CONFIG || $(mode_of "$CONFIG") == '600 root' ]] || finding k3s-mode "$CONFIG can be read by others than root" true
  [[ -z $NODE_LIFE ]] || expect_file "$KUBELET" "$(wanted_kubelet)" k3s-kubelet
  if [[ -n $IMAGE_MIRROR ]]; then
    expect_file "$REGISTRIES" "$(wanted_registries)" k3s-registries
  elif is_ours "$REGISTRIES"; then
    finding k3s-registries "$REGISTRIES names a mirror that the environment no longer has" true
  fi
  if [[ $ROLE != first ]]; then
    if [[ ! -s $TOKEN ]]; then
      finding k3s-token "$TOKEN is missing" true
    elif [[ $(mode_of "$TOKEN") != '600 root' ]]; then
      finding k3s-mode "$TOKEN can be read by others than root" true
    fi
  fi
  expect_file "$(unit_file)" "$(wanted_unit)" k3s-unit
  ! lacks_runtime || finding k3s-runtime "k3s was started before NVIDIA's container runtime was installed, and does not use it" true
  systemctl is-enabled --quiet "$(service)" 2>/dev/null || finding k3s-disabled "$(service) does not start with the server" true
  systemctl is-active --quiet "$(service)" 2>/dev/null || finding k3s-stopped "$(service) does not run" true
}

# A token with blanks is a mistake of copying. It is never part of a message.
keep_token() {
  local token=''
  [[ $ROLE != first ]] || return 0
  if [[ ! -t 0 ]]; then IFS= read -r -t 30 token || true; fi
  if [[ -z $token ]]; then
    [[ -s $TOKEN ]] || usage_error "the cluster's token is expected on standard input: it is $DATA/server/node-token of the first server"
    return 0
  fi
  [[ $token =~ ^[[:graph:]]+$ ]] || usage_error 'what is on standard input is not a token of k3s'
  if file_is "$TOKEN" "$token" && [[ $(mode_of "$TOKEN") == '600 root' ]]; then return 0; fi
  (umask 077 && mkdir -p "$(dirname "$TOKEN")")
  write_file "$TOKEN" 600 "$token"
  changed "wrote $TOKEN"
  RESTART=yes
}

write_settings() {
  if [[ -n $NODE_LIFE ]] && ensure_file "$KUBELET" 644 "$(wanted_kubelet)"; then RESTART=yes; fi
  if ensure_file "$CONFIG" 600 "$(wanted_config)"; then RESTART=yes; fi
  chmod 600 "$CONFIG"
  if [[ -n $IMAGE_MIRROR ]]; then
    if ensure_file "$REGISTRIES" 600 "$(wanted_registries)"; then RESTART=yes; fi
  elif is_ours "$REGISTRIES"; then
    rm -f "$REGISTRIES"
    changed "removed $REGISTRIES"
    RESTART=yes
  fi
  if ensure_file "$(unit_file)" 644 "$(wanted_unit)"; then
    run systemctl daemon-reload
    RESTART=yes
  fi
}

# The service counts as started when k3s says that it is ready: for a server, that the API server answers.
await_ready() {
  local name left restarts
  name=$(service)
  for ((left = READY_CHECKS; left > 0; left--)); do
    if systemctl is-active --quiet "$name"; then
      if [[ $ROLE == agent || -s $DATA/server/node-token && -s /etc/rancher/k3s/k3s.yaml ]]; then return 0; fi
    fi
    restarts=$(systemctl show --property NRestarts --value "$name" 2>/dev/null || true)
    if [[ $restarts =~ ^[0-9]+$ ]] && ((restarts >= MOST_RESTARTS)); then break; fi
    sleep "$READY_INTERVAL_SECONDS"
  done
  log "its last words, of \`journalctl -u $name\`:"
  journalctl --unit "$name" --lines 10 --no-pager --output cat >&2 2>/dev/null || true
  fail "$name does not get ready${JOIN:+: is $JOIN reachable from this host, and is port 6443 open there (and 2379 and 2380 between control-plane servers)?}"
}

apply() {
  RESTART=no
  find_blockers
  ((${#BLOCKERS[@]} == 0)) || refuse "${BLOCKERS[@]}"
  keep_token
  install_files
  write_settings
  systemctl is-enabled --quiet "$(service)" 2>/dev/null || {
    run systemctl enable "$(service)"
    changed "enabled $(service)"
  }
  if [[ $RESTART == yes ]] || lacks_runtime || ! systemctl is-active --quiet "$(service)"; then
    run systemctl restart --no-block "$(service)"
    await_ready
    changed "started $(service)"
  fi
}

read_verb "$@"
read_flags "${@:2}"
run_verb apply "$@"
