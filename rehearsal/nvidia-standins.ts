/**
 * What stands in for NVIDIA's programs on an emulated server. They read what the rack put on the server about its GPUs
 * and what the installed packages say about their versions; they compute nothing.
 */

/** One line per GPU on the server: name, memory in MiB, compute capability, board power in watts, separated by tabs. */
export const gpuFile = "/etc/rack/gpus";
/** Written by the driver's package: its version without the packaging suffix. */
export const driverVersionFile = "/usr/share/rack/nvidia-driver-version";

/** Answers the queries that scripts make; fails as the real one does where there is no driver or no such field. */
export const nvidiaSmi = `#!/bin/bash
# Stand-in for nvidia-smi on an emulated server.
set -eu
version=$(cat ${driverVersionFile} 2>/dev/null || true)
if [ -z "$version" ] || [ ! -s ${gpuFile} ]; then
  echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running."
  exit 9
fi
state=/run/rack-nvidia
mkdir -p "$state" 2>/dev/null || true
query='' format='' selected='' action='' value=''
while [ $# -gt 0 ]; do
  case $1 in
    --query-gpu=*) query=\${1#*=} ;;
    --format=*) format=\${1#*=} ;;
    -i | --id) selected=$2; shift ;;
    -i=* | --id=*) selected=\${1#*=} ;;
    -pm | -pl | -mig) action=$1 value=$2; shift ;;
    -pm=* | -pl=* | -mig=*) action=\${1%%=*} value=\${1#*=} ;;
    --persistence-mode=*) action=-pm value=\${1#*=} ;;
    --power-limit=*) action=-pl value=\${1#*=} ;;
    --multi-instance-gpu=*) action=-mig value=\${1#*=} ;;
    -L | --list-gpus) action=-L ;;
    -q | --query) action=-q ;;
    *) echo "Invalid combination of input arguments. Please run 'nvidia-smi -h' for help." >&2; exit 2 ;;
  esac
  shift
done
count=$(grep -c . ${gpuFile})
wanted() { [ -z "$selected" ] || [ "$selected" = "$1" ]; }
field() {
  case $1 in
    name | gpu_name) echo "$name" ;;
    driver_version) echo "$version" ;;
    count) echo "$count" ;;
    index) echo "$index" ;;
    uuid | gpu_uuid) printf 'GPU-00000000-0000-4000-8000-%012d\\n' "$index" ;;
    pci.bus_id) printf '00000000:%02X:00.0\\n' "$((index + 32))" ;;
    memory.total) echo "$memory\${units:+ MiB}" ;;
    memory.used) echo "0\${units:+ MiB}" ;;
    compute_cap) echo "$capability" ;;
    persistence_mode) if systemctl -q is-active nvidia-persistenced 2>/dev/null || [ "$(cat "$state/pm-$index" 2>/dev/null)" = 1 ]; then echo Enabled; else echo Disabled; fi ;;
    power.limit) watts "$(cat "$state/pl-$index" 2>/dev/null || echo "$power")" ;;
    power.default_limit | power.max_limit) watts "$power" ;;
    power.min_limit) watts "$((power / 3))" ;;
    mig.mode.current | mig.mode.pending) case $(cat "$state/mig-$index" 2>/dev/null) in 1) echo Enabled ;; *) echo Disabled ;; esac ;;
    ecc.mode.current | pcie.link.gen.current | pcie.link.width.current | temperature.gpu | utilization.gpu) echo '[N/A]' ;;
    *) echo "Field \\"$1\\" is not a valid field to query." >&2; return 2 ;;
  esac
}
watts() { printf '%.2f%s\\n' "$1" "\${units:+ W}"; }
units=yes
case $format in *nounits*) units='' ;; esac
if [ -n "$query" ] && [ -z "$format" ]; then
  echo "\\"--query-gpu\\" requires specification of \\"--format\\"" >&2
  exit 2
fi
[ -z "$query" ] || case $format in *noheader*) ;; *) echo "\${query//,/, }" ;; esac
index=0
while IFS=$'\\t' read -r name memory capability power; do
  if wanted "$index"; then
    if [ -n "$query" ]; then
      line=''
      IFS=, read -ra fields <<<"$query"
      for one in "\${fields[@]}"; do
        text=$(field "\${one// /}") || exit 2
        line+=\${line:+, }$text
      done
      echo "$line"
    else
      case $action in
        -pl)
          if awk -v wanted="$value" -v least="$((power / 3))" -v most="$power" 'BEGIN { exit !(wanted + 0 < least || wanted + 0 > most) }'; then
            echo "Provided power limit $(watts "$value") is not a valid power limit which should be between $(watts "$((power / 3))") and $(watts "$power") for GPU $(field pci.bus_id)"
            echo 'Terminating early due to previous errors.'
            exit 6
          fi
          echo "$value" >"$state/pl-$index"
          echo "Power limit for GPU $(field pci.bus_id) was set to $(watts "$value") from $(watts "$power")." ;;
        -pm | -mig) echo "$value" >"$state/\${action#-}-$index"; echo "Set $action to $value for GPU $index." ;;
        -q) printf 'GPU %s\\n    Product Name : %s\\n    Driver Version : %s\\n' "$index" "$name" "$version" ;;
        *) echo "GPU $index: $name (UUID: $(field uuid))" ;;
      esac
    fi
  fi
  index=$((index + 1))
done <${gpuFile}
`;

/** Starts only beside exactly its own driver version, as the real one does. */
export function fabricManager(version: string): string {
  return `#!/bin/sh
# Stand-in for the fabric manager on an emulated server.
driver=$(cat ${driverVersionFile} 2>/dev/null)
if [ "$driver" != "${version}" ]; then
  echo "fabric manager NVIDIA GPU driver interface version ${version} don't match with driver version $driver" >&2
  exit 1
fi
exec sleep infinity
`;
}

export function serviceUnit(description: string, command: string): string {
  return `[Unit]\nDescription=${description}\n[Service]\nExecStart=${command}\nRestart=no\n[Install]\nWantedBy=multi-user.target\n`;
}

/** The container toolkit's own command: it writes the files that the real one writes. */
export function nvidiaCtk(version: string): string {
  return `#!/bin/sh
# Stand-in for nvidia-ctk on an emulated server.
set -eu
case "$*" in
  --version | -v) echo "NVIDIA Container Toolkit CLI version ${version}" ;;
  "cdi generate --output="*) out=\${*#cdi generate --output=}; mkdir -p "$(dirname "$out")"; printf -- '---\\ncdiVersion: 0.5.0\\nkind: nvidia.com/gpu\\n' >"$out" ;;
  "cdi list") echo "INFO[0000] Found 1 CDI devices"; echo "nvidia.com/gpu=all" ;;
  "runtime configure "*) echo "configured: $*" ;;
  *) echo "nvidia-ctk (stand-in): unknown arguments: $*" >&2; exit 1 ;;
esac
`;
}

/** Reports the toolkit's release, as scripts read it. */
export function nvcc(version: string): string {
  const release = version.split(".").slice(0, 2).join(".");
  return `#!/bin/sh\n# Stand-in for nvcc on an emulated server.\necho "nvcc: NVIDIA (R) Cuda compiler driver"\necho "Cuda compilation tools, release ${release}, V${version}"\n`;
}
