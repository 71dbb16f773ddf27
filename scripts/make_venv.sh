#!/usr/bin/env bash
# Makes a virtual environment with uv in it, or says plainly what is missing: make_venv.sh PYTHON FOLDER RANGE
set -eu
python=$1 folder=$2 range=$3
if [ -z "$python" ]; then
  echo "error: no Python $range found. Get one with: apt-get install python3 python3-venv" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "error: $python cannot make virtual environments (module venv or ensurepip is missing)." >&2
  echo "       Get it with: apt-get install python3-venv" >&2
  exit 1
fi
[ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
