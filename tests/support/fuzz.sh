#!/bin/bash
# fuzz.sh BUILD NAME...: runs each libFuzzer program BUILD/bin/NAME for FUZZ_SECONDS over the seeds of its corpus. What it
# finds on the way stays in BUILD/corpus; an input that breaks is kept in BUILD/crash: move it to tests/fuzz/corpus/NAME,
# where it is replayed from then on.
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
build=$1
shift
passed=0 failed=0
for name in "$@"; do
    seeds=tests/fuzz/corpus/${name#fuzz_}
    mkdir -p "$build/corpus/$name" "$build/crash" "$build/log"
    if "$build/bin/$name" -max_total_time="${FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/crash/$name-" "$build/corpus/$name" "$seeds" >"$build/log/$name.log" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/log/$name.log") runs"
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        tail -40 "$build/log/$name.log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
