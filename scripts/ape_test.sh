#!/usr/bin/env bash
# Plays the contracts' life cycle through ape, in ape's own environment; says so where that cannot be had.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x .venv-ape/bin/ape ]; then
  echo "ape tests skipped: ape needs Python 3.10 to 3.12 and this machine has none of them"
  exit 0
fi
export SOLCX_BINARY_PATH=$PWD/.solcx PATH=$PATH:$PWD/.venv/node/bin  # the project's compiler, and its Node.js where there is no other
exec .venv-ape/bin/ape test tests/contracts -q "$@"
