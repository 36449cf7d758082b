#!/bin/sh
# Runs one file of the project on the pinned runtime: scripts/run.sh FILE [ARGUMENT ...]
set -eu
root=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
. scripts/setup.sh
exec "$NODE" --heap-growing-percent=20 --max-semi-space-size=4 --require tsx/cjs "$@"
