#!/bin/sh
# asan_logs.sh FOLDER: fails when a sanitizer wrote anything there. Criterion does not fail on a leak, so the logs decide.
# SPDX-License-Identifier: Apache-2.0
found=0
for log in "$1"/asan.*; do
    [ -s "$log" ] || continue
    found=$((found + 1))
    echo "== $log" >&2
    head -40 "$log" >&2
done
if [ "$found" -gt 0 ]; then
    echo "asan: $found reports" >&2
    exit 1
fi
echo "asan: no reports"
