#!/usr/bin/env bash
# web/build.sh FOLDER: builds the dashboard into FOLDER.
# Dependencies come from npm by the lock file, once per lock file.
set -euo pipefail
cd "$(dirname "$0")"
out=$1
mkdir -p "$out"
exec 9>"${TMPDIR:-/tmp}/mreg-web-build.lock"
flock 9
stamp=node_modules/.stamp-$(sha256sum package-lock.json | cut -c1-16)
if [ ! -e "$stamp" ]; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    touch "$stamp"
fi
rm -f "$out"/*
node build.mjs "$out"
