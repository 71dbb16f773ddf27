#!/usr/bin/env bash
# Makes sure that there is a Chromium for the browser tests: installs Debian's where apt may, else says what is missing.
set -eu
if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then exit 0; fi
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
  exit 0
fi
echo "Chromium is missing: install it (apt-get install -y --no-install-recommends chromium), the browser tests drive it" >&2
exit 1
