#!/usr/bin/env bash
# Plays the contracts' life cycle through ape, in ape's own environment; says so where that cannot be had.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x .venv-ape/bin/ape ]; then
  echo "ape tests skipped: ape needs Python 3.10 to 3.12 and this machine has none of them"
  exit 0
fi
exec .venv-ape/bin/ape test tests/contracts -q
