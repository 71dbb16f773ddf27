#!/usr/bin/env bash
# Prints the machine's npm where its Node.js is new enough, or nothing: find_node.sh 20
set -eu
npm=$(command -v npm) && node=$(command -v node) || exit 0
major=$("$node" --version 2>/dev/null | sed -E 's/^v([0-9]+)\..*/\1/')
if [ "${major:-0}" -ge "$1" ]; then echo "$npm"; fi
