#!/usr/bin/env bash
# Every C file is as clang-format leaves it.
set -euo pipefail
cd "$(dirname "$0")/../.."
git ls-files -co --exclude-standard -- '*.c' '*.h' | sort -u | while read -r file; do
    [ -f "$file" ] && printf '%s\0' "$file"
done | xargs -0 clang-format --dry-run --Werror
