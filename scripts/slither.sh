#!/usr/bin/env bash
# Looks for known faults in contracts/ with slither: see scripts/analyse.py
set -eu
cd "$(dirname "$0")/.."
if [ ! -e .venv-analysis/bin/slither ]; then
  echo "error: slither is not installed. Run: make setup" >&2
  exit 1
fi
PATH=$PATH:$PWD/.venv/node/bin  # where the machine has no Node.js of its own
exec .venv-analysis/bin/python -m scripts.analyse
