#!/bin/sh
# Everything `npm test` covers: types, lint, shell scripts, then the suites. Arguments go to vitest.
set -eu
root=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
. scripts/setup.sh
. scripts/test-tools.sh

step() {
  name=$1
  shift
  started=$(date +%s)
  echo "== $name"
  "$@"
  echo "   $name: $(($(date +%s) - started)) s"
}

if [ $# -eq 0 ]; then
  step types "$NODE" node_modules/typescript/bin/tsc --noEmit
  step lint "$NODE" node_modules/eslint/bin/eslint.js --max-warnings 0 .
fi
if [ $# -eq 0 ]; then step programs "$NODE" --require tsx/cjs rehearsal/control-plane/build.ts; fi
# They take minutes together. Named, or with RACKWRIGHT_FULL=1, they run as well, as they do in CI.
long='test/cli/up-refresh.test.ts test/cli/report/browser.test.ts test/recovery/backup.test.ts test/recovery/backup-bucket.test.ts test/recovery/cluster-restore.test.ts test/recovery/cold-start-cli.test.ts test/recovery/cold-start-rebuild.test.ts test/recovery/cold-start-save.test.ts test/recovery/kills.test.ts test/recovery/status-hosts.test.ts test/rehearsal/recovery/stand.test.ts'
if [ $# -eq 0 ] && [ "${RACKWRIGHT_FULL:-}" != 1 ]; then
  echo "left out, for they take minutes (their names or RACKWRIGHT_FULL=1 run them, as CI does): $long"
  for file in $long; do set -- "$@" --exclude "$file"; done
fi
step tests "$NODE" node_modules/vitest/vitest.mjs run "$@"
