#!/usr/bin/env bash
# Prints the newest Python between two versions (inclusive), or nothing: find_python.sh 3.11 3.13
set -eu
low=${1#3.} high=${2#3.}
for minor in $(seq "$high" -1 "$low"); do
  for candidate in "python3.$minor" python3; do
    path=$(command -v "$candidate") || continue
    got=$("$path" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")' 2>/dev/null) || continue
    if [ "$got" = "3.$minor" ]; then
      "$path" -c 'import sys; print(sys.executable)'
      exit 0
    fi
  done
done
