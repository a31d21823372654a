#!/bin/bash
# deps.sh [GROUP...]: installs the Debian packages that are missing, as root or through sudo; quick when all are there.
# Groups: build (to build trimtab), test (to run the tests), lint (to run `make lint`, `make fuzz`, `make cov`),
# image (to build the container image). Without a group: all of them.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

BUILD="gcc make pkg-config libc6-dev libuv1-dev libcurl4-openssl-dev libjson-c-dev libyaml-dev libssl-dev libsqlite3-dev
    libmicrohttpd-dev zlib1g-dev libexpat1-dev coinor-libclp-dev"
TEST="libcriterion-dev openssl curl jq git ca-certificates python3 python3-venv util-linux procps tzdata prometheus librsvg2-bin"
LINT="clang clang-format clang-tidy libclang-rt-14-dev cppcheck gcovr"
IMAGE="podman buildah runc mmdebstrap netavark aardvark-dns iptables"

wanted=
for group in "${@:-all}"; do
    case $group in
    build) wanted+=" $BUILD" ;;
    test) wanted+=" $TEST" ;;
    lint) wanted+=" $LINT" ;;
    image) wanted+=" $IMAGE" ;;
    all) wanted+=" $BUILD $TEST $LINT $IMAGE" ;;
    *)
        echo "deps: unknown group $group" >&2
        exit 64
        ;;
    esac
done

# A package that apt must fetch; a tool of its own making that stands in for one (a newer Python, say) is fine too.
missing_of() {
    local package have
    have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p')
    for package in "$@"; do
        case $'\n'$have$'\n' in *$'\n'"$package"$'\n'*) ;; *) echo "$package" ;; esac
    done
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "deps: this is no Debian: install by hand what answers to these packages of Debian 12:" $wanted >&2
    exit 2
fi
# shellcheck disable=SC2086 — the lists are words.
missing=$(missing_of $wanted)
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    elif command -v sudo >/dev/null && [ -t 0 ]; then
        as_root=sudo
    else
        echo "deps: missing, and neither root nor sudo is to be had. Please run as root:" >&2
        echo "    apt-get install --no-install-recommends" $missing >&2
        exit 2
    fi
fi
echo "deps: installing" $missing >&2
export DEBIAN_FRONTEND=noninteractive
# Two checkouts may do this at the same time: apt's own lock keeps them apart, and we wait for it.
apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq "$@" >&2; }
update() { # The lists' lock has no time-out of its own in apt.
    local try
    for try in 1 2 3 4 5 6; do
        apt update && return 0
        sleep "$try"
    done
    return 1
}
# shellcheck disable=SC2086
apt install -y --no-install-recommends $missing >/dev/null 2>&1 || { update && apt install -y --no-install-recommends $missing; } || true
# shellcheck disable=SC2086
missing=$(missing_of $missing)
if [ -n "$missing" ]; then
    echo "deps: could not install:" $missing >&2
    exit 2
fi
