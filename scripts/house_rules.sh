#!/usr/bin/env bash
# Small lints that no tool has: what must never be committed.
set -eu
cd "$(dirname "$0")/.."
fail=0
if git grep -nE '("resolved": *"https?:|--(extra-)?index-url|registry *= *"?https?:)' -- '*lock*' 'requirements/*' '.npmrc' package.json; then
  echo "error: a lock file holds an address; write locks without (see docs/how-to/update-locks.md)" >&2; fail=1
fi
if git grep -nIE '(/home/[a-z]+/|/root/|/Users/[A-Za-z]+/)' -- . ':!scripts/house_rules.sh'; then
  echo "error: a path of somebody's machine is committed" >&2; fail=1
fi
if git ls-files | grep -E '(^|/)(out|node_modules|\.venv|cache)/'; then
  echo "error: generated output is committed" >&2; fail=1
fi
exit $fail
