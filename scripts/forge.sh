#!/usr/bin/env bash
# Runs the native forge that npm brought, with the project's compiler: forge.sh test|fmt|lint …
set -eu
cd "$(dirname "$0")/.."
forge=$(ls node_modules/@foundry-rs/forge-*/bin/forge 2>/dev/null | head -n 1)
if [ -z "$forge" ]; then
  echo "error: forge is not installed. Run: make setup" >&2
  exit 1
fi
PATH=$PATH:$PWD/.venv/node/bin  # where the machine has no Node.js of its own
exec "$forge" "$@"
