#!/bin/sh
# Runs one file of the project on the pinned runtime: scripts/run.sh FILE [ARGUMENT ...]
set -eu
root=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
. scripts/setup.sh
exec "$NODE" --heap-growing-percent=25 --max-semi-space-size=8 --require tsx/cjs "$@"
