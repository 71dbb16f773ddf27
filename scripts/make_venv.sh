#!/usr/bin/env bash
# Makes a virtual environment with uv in it, or says plainly what is missing: make_venv.sh PYTHON FOLDER LOW HIGH
set -eu
python=$1 folder=$2 low=$3 high=$4
in_range="import sys; sys.exit(not (($(tr . , <<<"$low")) <= sys.version_info[:2] <= ($(tr . , <<<"$high"))))"
if [ -z "$python" ] || ! "$python" -c "$in_range" 2>/dev/null; then
  found=$("${python:-python3}" --version 2>&1) || found="none"
  {
    echo "error: no Python $low to $high found (${python:-python3}: $found). Get one with"
    echo "         apt-get install python3 python3-venv           Debian 12 and 13, Ubuntu 24.04"
    echo "         apt-get install python3.11 python3.11-venv     Ubuntu 22.04"
    echo "       or name any other with: make … PYTHON=/path/to/python3"
  } >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  minor=$("$python" -c 'import sys; print(sys.version_info[1])')
  echo "error: $python cannot make virtual environments: its module venv or ensurepip is missing." >&2
  echo "       Get it with: apt-get install python3.$minor-venv" >&2
  exit 1
fi
"$folder/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
