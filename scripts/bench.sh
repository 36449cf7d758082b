#!/bin/sh
# What `npm run bench` measures: plans by number of servers and, where no numbers are given, the policy pack too.
set -eu
root=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
sh "$root/scripts/run.sh" bench/plan.ts "$@"
if [ $# -eq 0 ]; then sh "$root/scripts/run.sh" bench/policies.ts; fi
